"""What each engine must be given instead of a text: `spellings.toml`."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from prompts.errors import TextsDamaged


class Phonemes(NamedTuple):
    """What is spoken instead of the phonemes that espeak-ng gives for a word."""

    given: str
    spoken: str


class Take(NamedTuple):
    """How one whole text is spoken where an ear understands it better so."""

    pace: float
    style: int  # the voice's for an utterance of so many phonemes


@dataclass(frozen=True, slots=True)
class Spellings:
    """How one engine is made to speak one language so that it is understood."""

    words: Mapping[str, str]
    pace: float = 1.0  # 1 is the engine's own
    sentence_pace: float = 1.0
    longest_s: float | None = None  # of the amount's two clips in a balance, with their silence
    longest_lead_s: float | None = None  # of the clip before them
    phonemes: Mapping[str, Phonemes] = field(default_factory=dict)  # by the word
    takes: Mapping[str, Take] = field(default_factory=dict)  # by the whole text

    def pace_of(self, text: str) -> float:
        """A whole sentence has more time than the parts of a balance."""
        if text in self.takes:
            return self.takes[text].pace
        return self.sentence_pace if text.endswith(".") else self.pace

    def of(self, text: str) -> str:
        """The text as the engine must see it, also inside "twenty-four"."""
        if not self.words:
            return text
        longest_first = sorted(self.words, key=len, reverse=True)
        return re.sub(_any_of(longest_first), lambda found: self.words[found[0]], text)

    def phonemes_in(self, text: str) -> tuple[Phonemes, ...]:
        """Those of the words that are in a text, in the order in which they are replaced."""
        return tuple(
            each for word, each in self.phonemes.items() if re.search(_any_of([word]), text)
        )


@cache
def spellings_of(engine: str, language: str) -> Spellings:
    """Those of `spellings.toml`; an engine that is not in it speaks texts as they are.

    Raises:
        TextsDamaged: the file is not as it should be.
    """
    file = resources.files("prompts").joinpath("spellings.toml")
    try:
        return parse_spellings(file.read_text(encoding="utf-8"), engine, language)
    except (tomllib.TOMLDecodeError, TextsDamaged) as error:
        raise TextsDamaged(f"spellings.toml: {error}") from error


def parse_spellings(toml: str, engine: str, language: str) -> Spellings:
    entries = dict(tomllib.loads(toml).get(engine, {}).get(language, {}))
    pace = entries.pop("pace", 1.0)
    sentence_pace = entries.pop("sentence-pace", pace)
    longest_s = entries.pop("longest-s", None)
    longest_lead_s = entries.pop("longest-lead-s", longest_s)
    phonemes, takes = (_table(entries, name, engine) for name in ("phonemes", "takes"))
    for each in (pace, sentence_pace, longest_s or 1.0, longest_lead_s or 1.0):
        if not isinstance(each, float):
            raise TextsDamaged(f"{each!r} of {engine} is not a number with a point")
    words = {}
    for word, entry in entries.items():
        match entry:
            case [str(spoken), str(reason)] if spoken and reason:
                words[word] = spoken
            case _:
                raise TextsDamaged(f"{word} of {engine} is not a spelling and its reason")
    replaced, taken = _parse_phonemes(phonemes, engine), _parse_takes(takes, engine)
    return Spellings(words, pace, sentence_pace, longest_s, longest_lead_s, replaced, taken)


def _table(entries: dict[str, Any], name: str, engine: str) -> dict[str, object]:
    table = entries.pop(name, {})
    if not isinstance(table, dict):
        raise TextsDamaged(f"the {name} of {engine} are not a table")
    return table


def _parse_phonemes(entries: Mapping[str, object], engine: str) -> dict[str, Phonemes]:
    phonemes = {}
    for word, entry in entries.items():
        match entry:
            case [str(given), str(spoken), str(reason)] if given and spoken and reason:
                phonemes[word] = Phonemes(given, spoken)
            case _:
                raise TextsDamaged(f"{word} of {engine} is not phonemes, others and the reason")
    return phonemes


def _parse_takes(entries: Mapping[str, object], engine: str) -> dict[str, Take]:
    takes = {}
    for text, entry in entries.items():
        match entry:
            case [float(pace), int(style), str(reason)] if pace > 0 and style > 0 and reason:
                takes[text] = Take(pace, style)
            case _:
                raise TextsDamaged(f"{text} of {engine} is not a pace, a style and the reason")
    return takes


def _any_of(words: Sequence[str]) -> str:
    return rf"\b(?:{'|'.join(map(re.escape, words))})\b"
