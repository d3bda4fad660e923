"""Asterisk's configuration files, by the rules of Asterisk's own reader (`main/config.c` of 22.10).

Templates, `[name](+)`, `#include` and `#tryinclude` with wildcards, comments of lines and
blocks. Nothing is opened here: `find` says which files a name stands for, and what they say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

INCLUDES_DEEP = 10  # MAX_INCLUDE_LEVEL
_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})  # ast_true in main/utils.c


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    name: str
    text: str


@dataclass(frozen=True, slots=True, order=True)
class Line:
    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a file that Asterisk would complain of, or that only Asterisk can tell."""

    line: Line
    why: str
    is_unknown: bool = False  # whether what it says of the dialplan cannot be known from the files


@dataclass(frozen=True, slots=True)
class Entry:
    line: Line
    name: str
    value: str


@dataclass(slots=True)
class Section:
    """One [header] as it is written, with what stands below it; several may have one name."""

    name: str
    line: Line  # of the header
    is_template: bool = False
    inherits: tuple[str, ...] = ()
    entries: list[Entry] = field(default_factory=list)
    end: int = 0  # the last of its lines that says something, in the same file


@dataclass(slots=True)
class Category:
    """What Asterisk makes of all sections of one name that add to one another."""

    name: str
    line: Line
    entries: list[Entry] = field(default_factory=list)
    is_template: bool = False

    def last(self, name: str) -> str:
        """The value that a later entry of the same name does not change; empty: none."""
        found = [entry.value for entry in self.entries if entry.name.lower() == name]
        return found[-1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Of one file and all that it includes; of the categories, templates are left out."""

    categories: tuple[Category, ...]
    sections: tuple[Section, ...]
    remarks: tuple[Remark, ...]


Find = Callable[[str], Sequence[SourceFile]]


def read_config(file: SourceFile, find: Find) -> Config:
    """Read `file`, and what it includes as `find` finds it."""
    reader = _Reader(find)
    reader.read(file)
    return Config(
        categories=tuple(each for each in reader.categories if not each.is_template),
        sections=tuple(reader.sections),
        remarks=tuple(reader.remarks),
    )


def is_true(value: str) -> bool:
    return value.lower() in _TRUE


@dataclass(frozen=True, slots=True)
class _Open:
    """What the next line belongs to."""

    category: Category
    section: Section


class _Reader:
    def __init__(self, find: Find) -> None:
        self._find = find
        self.categories: list[Category] = []
        self.sections: list[Section] = []
        self.remarks: list[Remark] = []
        self._current: _Open | None = None
        self._files: list[str] = []

    def read(self, file: SourceFile) -> None:
        self._files.append(file.name)
        current = self._current  # a file that is included goes on where it is included
        for number, text in without_comments(file.text):
            line = Line(file.name, number)
            if text.startswith("["):
                current = self._current = self._header(line, text)
            elif text.startswith("#"):
                self._directive(line, text)
                self._current = current
            elif current is None:
                self._say(line, "stands in no section, and Asterisk refuses the whole file")
            else:
                self._entry(current, line, text)
            if current is not None and current.section.line.file == file.name:
                current.section.end = number
        self._files.pop()

    def _header(self, line: Line, text: str) -> _Open | None:
        name, closed, rest = text[1:].partition("]")
        if not closed:
            self._say(line, "has no closing ], and Asterisk refuses the whole file")
            return self._current
        options = rest[1:].partition(")")[0].split(",") if rest.startswith("(") else []
        found, section = Category(name, line), Section(name, line)
        for option in options:
            if option == "!":
                found.is_template = section.is_template = True
            elif option.startswith("+"):
                known = self._named(name)
                if known is None:
                    self._say(line, f"adds to [{name}], which is not there before it")
                    continue
                known.is_template |= found.is_template
                known.entries += found.entries
                found = known
            else:
                self._inherit(found, option, line)
                section.inherits += (option,)
        if found not in self.categories:
            self.categories.append(found)
        self.sections.append(section)
        return _Open(found, section)

    def _inherit(self, category: Category, name: str, line: Line) -> None:
        base = self._named(name)
        if base is None:
            self._say(line, f"takes over [{name}], which is not there before it")
        else:
            category.entries += base.entries

    def _named(self, name: str) -> Category | None:
        return next((each for each in self.categories if each.name == name), None)

    def _directive(self, line: Line, text: str) -> None:
        word, _, rest = text[1:].partition(" ")
        argument = _unquoted(rest.strip())
        match word.lower():
            case "exec":
                why = f"what the program {argument} writes, only Asterisk can tell"
                self.remarks.append(Remark(line, why, is_unknown=True))
            case "include" | "tryinclude" if argument:
                self._include(line, argument, must=word.lower() == "include")
            case _:
                self._say(line, f"#{word} is no directive of Asterisk")

    def _include(self, line: Line, name: str, *, must: bool) -> None:
        files = self._find(name)
        if not files and must:
            self._say(line, f"{name} cannot be read: Asterisk's next start has no dialplan at all")
        for file in files:
            if file.name in self._files or len(self._files) >= INCLUDES_DEEP:
                self._say(line, f"{name} includes itself")
            else:
                self.read(file)

    def _entry(self, current: _Open, line: Line, text: str) -> None:
        name, separator, value = text.removeprefix("\\").partition("=")
        if not separator:
            self._say(line, "has no =, and is left out")
            return
        for entries in (current.category.entries, current.section.entries):
            if name.endswith("+"):
                _lengthen(entries, Entry(line, name[:-1].strip(), value.strip()))
            else:
                entries.append(Entry(line, name.strip(), value.removeprefix(">").strip()))

    def _say(self, line: Line, why: str) -> None:
        self.remarks.append(Remark(line, why))


def _lengthen(entries: list[Entry], by: Entry) -> None:
    """`name += more` of whatever has that name."""
    for index, entry in enumerate(entries):
        if entry.name == by.name:
            entries[index] = Entry(by.line, by.name, entry.value + by.value)


def without_comments(text: str) -> Iterator[tuple[int, str]]:
    r"""Each line that says something, with its number; `\;` is a semicolon, `;--` opens a block."""
    depth = 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        kept, depth = _said(line, depth)
        if kept.strip():
            yield number, kept.strip()


def _said(line: str, depth: int) -> tuple[str, int]:
    """What of a line is no comment, and how many blocks of comments are open after it."""
    kept, rest = "", line
    while rest:
        before, semicolon, after = rest.partition(";")
        if depth:
            depth -= bool(semicolon) and before.endswith("--")
            if semicolon and after.startswith("--") and not after.startswith("---"):
                depth, after = depth + 1, after[2:]
            rest = after
        elif not semicolon:
            return kept + before, depth
        elif before.endswith("\\"):
            kept, rest = f"{kept}{before[:-1]};", after
        elif after.startswith("--") and not after.startswith("---"):
            kept, depth, rest = kept + before, 1, after[2:]
        else:
            return kept + before, depth
    return kept, depth


def _unquoted(text: str) -> str:
    if len(text) > 1 and (text[0], text[-1]) in {('"', '"'), ("<", ">")}:
        return text[1:-1]
    return text.removeprefix('"').removeprefix("<")
