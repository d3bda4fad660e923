"""Asterisk's configuration files as set-up looks at them: which sections are there, with what."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dialplan.config_text import Section, SourceFile, read_config

Read = Callable[[Path], str | None]  # None: there is no such file
Matching = Callable[[Path], Iterable[Path]]  # what a name with * or ? stands for


@dataclass(frozen=True, slots=True)
class Conf:
    """A file with what it includes."""

    sections: Sequence[Section]

    def named(self, name: str) -> Sequence[Section]:
        """As Asterisk looks sections up: without regard to case."""
        return [each for each in self.sections if each.name.lower() == name.lower()]

    def has(self, name: str) -> bool:
        return any(not each.is_template for each in self.named(name))

    def values(self, section: Section) -> Iterator[tuple[str, str]]:
        """What it inherits, then its own."""
        for parent in section.inherits:
            for each in self.named(parent)[:1]:
                if each is not section:
                    yield from self.values(each)
        yield from own_values(section)

    def last(self, name: str, key: str, default: str = "") -> str:
        """The value that counts, of every section of the name."""
        found = [
            value
            for section in self.named(name)
            if not section.is_template
            for known, value in self.values(section)
            if known.lower() == key.lower()
        ]
        return found[-1] if found else default

    def kind(self, section: Section) -> str:
        """What a section of pjsip.conf is: "endpoint", "aor"."""
        return dict(self.values(section)).get("type", "")


def own_values(section: Section) -> Sequence[tuple[str, str]]:
    return [(entry.name, entry.value) for entry in section.entries]


def read_conf(file: Path, *, folder: Path, read: Read, matching: Matching) -> Conf:
    """The sections of a file and of all that it includes; what is not there has none.

    Args:
        file: the file itself.
        folder: where relative includes start: Asterisk's configuration folder.
        read: the text of a file, None where there is none.
        matching: the files that a name with * or ? stands for.
    """

    def sources(paths: Iterable[Path]) -> Iterator[SourceFile]:
        texts = ((path, read(path)) for path in paths)
        return (SourceFile(name=str(p), text=text) for p, text in texts if text is not None)

    for main in sources([file]):
        return Conf(read_config(main, lambda name: [*sources(matching(folder / name))]).sections)
    return Conf(())
