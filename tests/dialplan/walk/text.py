"""A dialplan written as in extensions.conf, for tests; and as Asterisk lists it over AMI."""

from collections.abc import Sequence

from dialplan.config_text import SourceFile
from dialplan.walk.files import Written, read_dialplan
from dialplan.walk.lookup import Dialplan


def written(text: str, **others: str) -> Written:
    """`others` are files that it includes, by their names without `.conf`."""
    files = {f"{name}.conf": SourceFile(name=f"{name}.conf", text=t) for name, t in others.items()}
    main = SourceFile(name="extensions.conf", text=text)
    return read_dialplan(main, lambda name: [files[name]] if name in files else [])


def dialplan(text: str) -> Dialplan:
    found = written(text)
    assert not found.remarks, found.remarks
    return found.dialplan


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
