"""A dialplan as files have it, read as Asterisk reads it: the rules of `pbx/pbx_config.c` (22.10).

What surprises: `n` follows the line before, whatever its extension; of two lines for one priority
the first counts; a context that stands twice is one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dialplan.config_text import (
    Category,
    Entry,
    Find,
    Line,
    Remark,
    SourceFile,
    is_true,
    read_config,
)
from dialplan.walk.listing import include_of
from dialplan.walk.lookup import Context, Dialplan, Extension, Include, Step, in_order
from dialplan.walk.values import expand

NO_CONTEXTS = frozenset({"general", "globals"})
SWITCHES = frozenset({"switch", "lswitch", "eswitch"})
Key = tuple[str, str, int]  # context, extension as written, priority

_PRIORITY = re.compile(
    r"\s*(?P<word>[^(+\s]+)\s*(?:\((?P<label>[^)]*)\))?\s*(?:\+(?P<more>\d+))?"
    r"\s*(?:\((?P<late>[^)]*)\))?\s*"
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the files say."""

    dialplan: Dialplan
    variables: Mapping[str, str]  # global ones
    lines: Mapping[Key, Line]  # where each priority is written
    remarks: tuple[Remark, ...]


def read_dialplan(file: SourceFile, find: Find) -> Written:
    """Read `file`, and what it includes as `find` finds it."""
    config = read_config(file, find)
    variables = dict(_globals(config.categories))
    building: dict[str, _Context] = {}
    remarks = list(config.remarks)
    for category in config.categories:
        if category.name.lower() not in NO_CONTEXTS:
            context = building.setdefault(category.name, _Context(category.name, variables))
            remarks += context.add(category.entries)
        elif is_true(category.last("extenpatternmatchnew")):
            why = "extenpatternmatchnew = yes looks up in a way that is not followed here"
            remarks.append(Remark(category.line, why, is_unknown=True))
    return Written(
        dialplan=Dialplan({name: context.built() for name, context in building.items()}),
        variables=variables,
        lines={key: line for each in building.values() for key, line in each.lines.items()},
        remarks=tuple(remarks),
    )


def _globals(categories: Iterable[Category]) -> Iterator[tuple[str, str]]:
    known: dict[str, str] = {}
    for category in categories:
        if category.name.lower() == "globals":
            for entry in category.entries:
                known[entry.name] = expand(entry.value, lambda name: known.get(name, ""))
    yield from known.items()


@dataclass
class _Context:
    name: str
    variables: Mapping[str, str]
    lines: dict[Key, Line] = field(default_factory=dict)
    _steps: dict[str, dict[int, Step]] = field(default_factory=dict)
    _includes: list[Include] = field(default_factory=list)
    _switches: list[str] = field(default_factory=list)

    def built(self) -> Context:
        return Context(
            name=self.name,
            extensions=in_order(
                Extension(name=name, steps=tuple(steps[number] for number in sorted(steps)))
                for name, steps in self._steps.items()
            ),
            includes=tuple(self._includes),
            switches=tuple(self._switches),
        )

    def add(self, entries: Iterable[Entry]) -> Iterator[Remark]:
        """One section of the files: the first line of it has nothing to follow."""
        extension, before = "", 0
        for entry in entries:
            name = entry.name.lower()
            if name == "exten" or name.startswith("same"):
                rest = entry.value
                if name == "exten":
                    extension, rest = _first_field(entry.value)
                    extension = self._with_globals(extension)
                try:
                    before = self._exten(extension, rest, entry.line, before)
                except _LeftOutError as error:
                    before = error.priority or before  # which `n` counts on from all the same
                    yield Remark(entry.line, f"{error}, so the line is left out")
            elif name == "include":
                self._includes.append(include_of(self._with_globals(entry.value)))
            elif name in SWITCHES:
                self._switches.append(entry.value)
            elif name not in {"ignorepat", "autohints"}:
                yield Remark(entry.line, f"{entry.name} is unknown to Asterisk, and is left out")

    def _exten(self, extension: str, text: str, line: Line, before: int) -> int:
        """Note one priority, and say which it is."""
        if not extension:
            raise _LeftOutError("it follows no extension")
        priority, _, application = text.partition(",")
        number, label = self._priority(extension, priority, before)
        if number == 0:
            return before  # a hint
        steps = self._steps.setdefault(extension, {})
        if number in steps:
            raise _LeftOutError(f"{extension} has a priority {number} already", priority=number)
        name, data = _application(application)
        steps[number] = Step(number=number, application=name, data=data, label=label)
        self.lines[self.name, extension, number] = line
        return number

    def _priority(self, extension: str, text: str, before: int) -> tuple[int, str]:
        found = _PRIORITY.fullmatch(text)
        if found is None:
            raise _LeftOutError(f"{text.strip()} is no priority")
        more = int(found["more"] or 0)
        label = found["label"] or found["late"] or ""
        match found["word"]:
            case "hint":
                return 0, label
            case "n" | "next" | "s" | "same" if not before:
                raise _LeftOutError("it follows no priority")
            case "n" | "next":
                return before + 1 + more, label
            case "s" | "same":
                return before + more, label
            case digits if digits.isdigit() and int(digits):
                return int(digits) + more, label
        for number, step in self._steps.get(extension, {}).items():
            if step.label == found["word"]:
                return number + more, label
        raise _LeftOutError(f"{text.strip()} is no priority")

    def _with_globals(self, text: str) -> str:
        return expand(text, lambda name: self.variables.get(name, ""))


class _LeftOutError(Exception):
    """A line that Asterisk leaves out; the message says why."""

    def __init__(self, why: str, *, priority: int = 0) -> None:
        super().__init__(why)
        self.priority = priority


def _first_field(text: str) -> tuple[str, str]:
    """At the first comma outside brackets: `_[1,2]X,1,NoOp()` is one extension."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "[") - (character == "]" and depth > 0)
        if character == "," and not depth:
            return text[:index].strip(), text[index + 1 :]
    return text.strip(), ""


def _application(text: str) -> tuple[str, str]:
    """`Dial(PJSIP/1,20)`; a parenthesis that is not closed is closed at the end."""
    name, opened, rest = text.partition("(")
    if not opened or "${" in name or "$[" in name:
        return text.strip(), ""
    data, closed, _ = rest.rpartition(")")
    return name.strip(), data if closed else rest
