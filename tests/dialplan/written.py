"""A dialplan as it is written: its contexts, their lines and what they include."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_CONTEXT = re.compile(r"\[(?P<name>[\w.-]+)\]")
_INCLUDE = re.compile(r"include\s*=>\s*(?P<name>[\w.-]+)")
_EXTENSION = re.compile(
    r"exten\s*=>\s*(?P<extension>[^,]+),(?P<priority>\w+)(?:\((?P<label>\w+)\))?,(?P<does>.+)"
)
_SAME = re.compile(r"same\s*=>\s*(?P<priority>\w+)(?:\((?P<label>\w+)\))?,(?P<does>.+)")
_COMMENT = re.compile(r"(?:^|\s);.*$")
_DOES = re.compile(r"(?P<application>\w+)\((?P<data>.*)\)")
SETTINGS_OF_ALL: Final = frozenset({"general", "globals"})


@dataclass(frozen=True, slots=True)
class Line:
    """One priority of one extension."""

    extension: str
    priority: str
    application: str
    data: str


@dataclass(slots=True)
class Context:
    includes: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def contexts(dialplan: str) -> Mapping[str, Context]:
    """Every context by its name.

    Raises:
        ValueError: a line is nothing that this reader knows, so nothing can be said of it.
    """
    found: dict[str, Context] = {}
    current = Context()
    for raw in dialplan.splitlines():
        line = _COMMENT.sub("", raw).strip()
        if match := _CONTEXT.fullmatch(line):
            current = found.setdefault(match["name"], Context())
        elif match := _INCLUDE.fullmatch(line):
            current.includes.append(match["name"])
        elif match := _EXTENSION.fullmatch(line):
            current.lines.append(_line(match["extension"], match))
        elif match := _SAME.fullmatch(line):
            current.lines.append(_line(current.lines[-1].extension, match))
        elif line and current is not found.get("general"):
            raise ValueError(f"what is {raw!r}?")
    return {name: context for name, context in found.items() if name not in SETTINGS_OF_ALL}


def _line(extension: str, match: re.Match[str]) -> Line:
    does = _DOES.fullmatch(match["does"].strip())
    if does is None:
        raise ValueError(f"what does {match['does']!r}?")
    return Line(extension.strip(), match["priority"], does["application"], does["data"])


def includable(dialplan: Mapping[str, Context], entered: Sequence[str]) -> set[str]:
    """The contexts of `entered`, those that any context includes, and what these include."""
    named = {*entered, *(name for context in dialplan.values() for name in context.includes)}
    return named & dialplan.keys()


def matches(pattern: str, dialled: str) -> bool:
    """Whether Asterisk takes `dialled` for this extension."""
    if not pattern.startswith("_"):
        return pattern == dialled
    classes = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}
    parts = re.findall(r"\[[^]]*\]|.", pattern[1:])
    translated = "".join(classes.get(part.upper(), _literal(part)) for part in parts)
    return re.fullmatch(translated, dialled) is not None


def _literal(part: str) -> str:
    if not part.startswith("["):
        return re.escape(part)
    return "[" + re.sub(r"[\\^]|(?<=\[)\[", r"\\\g<0>", part[1:-1]) + "]"
