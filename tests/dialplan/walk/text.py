"""A dialplan written as in extensions.conf, for tests: contexts, includes, extensions, labels."""

import re
from collections.abc import Sequence

from dialplan.walk.listing import include_of
from dialplan.walk.lookup import Context, Dialplan, Extension, Include, Step, in_order

_COMMENT = re.compile(r"(?<!\\);.*$")
_STEP = re.compile(
    r"(?P<priority>\w+)(?:\((?P<label>[\w-]+)\))?,(?P<application>\w+)\((?P<data>.*)\)"
)


def dialplan(text: str) -> Dialplan:
    steps: dict[str, dict[str, list[Step]]] = {}
    includes: dict[str, list[Include]] = {}
    switches: dict[str, list[str]] = {}
    context = extension = ""
    for line in filter(None, (_COMMENT.sub("", line).strip() for line in text.splitlines())):
        if line.startswith("["):
            context = line.strip("[]")
            steps.setdefault(context, {})
            continue
        key, _, value = (part.strip() for part in line.partition("=>"))
        if key == "include":
            includes.setdefault(context, []).append(include_of(value))
        elif key == "switch":
            switches.setdefault(context, []).append(value)
        else:
            if key == "exten":
                extension, _, value = value.partition(",")
            listed = steps[context].setdefault(extension, [])
            listed.append(_step(value, after=listed[-1].number if listed else 0))
    return Dialplan(
        {
            name: Context(
                name=name,
                extensions=in_order(
                    Extension(name=extension, steps=tuple(listed))
                    for extension, listed in extensions.items()
                ),
                includes=tuple(includes.get(name, ())),
                switches=tuple(switches.get(name, ())),
            )
            for name, extensions in steps.items()
        }
    )


def _step(text: str, *, after: int) -> Step:
    found = _STEP.fullmatch(text)
    assert found is not None, text
    priority = found["priority"]
    return Step(
        number=after + 1 if priority == "n" else int(priority),
        label=found["label"] or "",
        application=found["application"],
        data=found["data"].replace("\\;", ";"),
    )


def listed(text: str) -> Sequence[str]:
    """As `ShowDialPlan` says it."""
    lines = []
    for context in dialplan(text).contexts.values():
        for extension in context.extensions:
            lines += [
                f"Context: {context.name}\r\nExtension: {extension.name}\r\n"
                + (f"ExtensionLabel: {step.label}\r\n" if step.label else "")
                + f"Priority: {step.number}\r\nApplication: {step.application}\r\n"
                f"AppData: {step.data}\r\nRegistrar: pbx_config"
                for step in extension.steps
            ]
        lines += [
            f"Context: {context.name}\r\nIncludeContext: {each.context}\r\nRegistrar: pbx_config"
            for each in context.includes
        ]
    return lines
