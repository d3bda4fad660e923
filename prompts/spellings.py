"""What each engine must be given instead of a text: `spellings.toml`."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from prompts.errors import TextsDamaged


@dataclass(frozen=True, slots=True)
class Spellings:
    """How one engine is made to speak one language so that it is understood."""

    words: Mapping[str, str]
    pace: float = 1.0  # 1 is the engine's own
    sentence_pace: float = 1.0

    def pace_of(self, text: str) -> float:
        """A whole sentence has more time than the parts of a balance."""
        return self.sentence_pace if text.endswith(".") else self.pace

    def of(self, text: str) -> str:
        """The text as the engine must see it, also inside "twenty-four"."""
        if not self.words:
            return text
        longest_first = sorted(self.words, key=len, reverse=True)
        either = "|".join(map(re.escape, longest_first))
        return re.sub(rf"\b(?:{either})\b", lambda found: self.words[found[0]], text)


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
    for each in (pace, sentence_pace):
        if not isinstance(each, float):
            raise TextsDamaged(f"the pace {each!r} of {engine} is not a number with a point")
    words = {}
    for word, entry in entries.items():
        match entry:
            case [str(spoken), str(reason)] if spoken and reason:
                words[word] = spoken
            case _:
                raise TextsDamaged(f"{word} of {engine} is not a spelling and its reason")
    return Spellings(words, pace, sentence_pace)
