"""Asterisk's configuration files, as far as set-up has to understand them: sections and values."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INCLUDES_MAX = 40  # one within the other: a file that includes itself ends here

_HEADER = re.compile(r"\[(?P<name>[^\]]*)\](?:\((?P<options>[^)]*)\))?")
_INCLUDE = re.compile(r'#(?:try)?include\s+["<]?(?P<file>[^">;]+)[">]?')
_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})  # as Asterisk reads it

Read = Callable[[Path], str | None]  # None: there is no such file
Matching = Callable[[Path], Iterable[Path]]  # what a name with * or ? stands for


@dataclass(slots=True)
class Section:
    """One [header] with what stands below it; several may have one name."""

    name: str
    file: Path
    line: int  # of its header, counted from 0
    template: bool = False
    adds: bool = False  # [name](+)
    inherits: tuple[str, ...] = ()
    values: list[tuple[str, str]] = field(default_factory=list)
    end: int = 0  # behind the last of its lines that holds something, in the same file


@dataclass(frozen=True, slots=True)
class Conf:
    """A file with what it includes."""

    sections: Sequence[Section]

    def named(self, name: str) -> Sequence[Section]:
        """As Asterisk looks sections up: without regard to case."""
        return [each for each in self.sections if each.name.lower() == name.lower()]

    def has(self, name: str) -> bool:
        return any(not each.template for each in self.named(name))

    def values(self, section: Section) -> Iterator[tuple[str, str]]:
        """What it inherits, then its own."""
        for parent in section.inherits:
            for each in self.named(parent)[:1]:
                if each is not section:
                    yield from self.values(each)
        yield from section.values

    def last(self, name: str, key: str, default: str = "") -> str:
        """The value that counts, of every section of the name."""
        found = [
            value
            for section in self.named(name)
            if not section.template
            for known, value in self.values(section)
            if known.lower() == key.lower()
        ]
        return found[-1] if found else default

    def kind(self, section: Section) -> str:
        """What a section of pjsip.conf is: "endpoint", "aor"."""
        return dict(self.values(section)).get("type", "")


def is_true(value: str) -> bool:
    return value.lower() in _TRUE


def read_conf(file: Path, *, folder: Path, read: Read, matching: Matching) -> Conf:
    """The sections of a file and of all that it includes; what is not there has none.

    Args:
        file: the file itself.
        folder: where relative includes start: Asterisk's configuration folder.
        read: the text of a file, None where there is none.
        matching: the files that a name with * or ? stands for.
    """
    sections: list[Section] = []

    def take(path: Path, depth: int) -> None:
        text = read(path)
        if text is None or depth > INCLUDES_MAX:
            return
        for number, line in enumerate(_without_comments(text)):
            if found := _INCLUDE.match(line):
                for included in matching(folder / found["file"].strip()):
                    take(included, depth + 1)
            elif header := _HEADER.match(line):
                sections.append(_section(header, path, number))
            elif sections and "=" in line:
                key, _, value = line.partition("=")
                sections[-1].values.append((key.strip(), value.removeprefix(">").strip()))
            if line and sections and sections[-1].file == path:
                sections[-1].end = number + 1

    take(file, 0)
    return Conf(sections)


def _section(header: re.Match[str], path: Path, number: int) -> Section:
    options = [each.strip() for each in (header["options"] or "").split(",") if each.strip()]
    return Section(
        name=header["name"].strip(),
        file=path,
        line=number,
        template="!" in options,
        adds="+" in options,
        inherits=tuple(each for each in options if each not in {"!", "+"}),
    )


def _without_comments(text: str) -> Iterator[str]:
    """Each line stripped; `;` begins a comment, and `;--` one that ends with `--;`."""
    inside = False
    for raw in text.split("\n"):
        line = raw
        if inside:
            _, closed, line = raw.partition("--;")
            inside = not closed
            if inside:
                line = ""
        before, opened, behind = line.partition(";--")
        if opened and not behind.startswith("-"):
            line = before
            inside = "--;" not in behind
        yield re.split(r"(?<!\\);", line, maxsplit=1)[0].strip()
