"""The texts of the sounds, as `en.toml` and `fr.toml` hold them."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from prompts.errors import TextsDamaged
from prompts.phrases import Phrase

_CLIP_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # becomes a file name and part of a media URI


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """Every clip of one language and its text.

    Raises:
        TextsDamaged: there is no such language, or its file is not as it should be.
    """
    file = resources.files("prompts").joinpath(f"{language}.toml")
    try:
        return MappingProxyType(parse_texts(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise TextsDamaged(f"there are no texts in the language {language!r}") from None
    except tomllib.TOMLDecodeError as error:
        raise TextsDamaged(f"{language}.toml is not valid TOML: {error}") from error


def parse_texts(toml: str) -> dict[str, str]:
    """Flatten the tables; they only group the clips for the reader."""
    texts: dict[str, str] = {}
    for table in tomllib.loads(toml).values():
        for clip, text in table.items():
            if not isinstance(text, str) or not text.strip() or not _CLIP_NAME.fullmatch(clip):
                raise TextsDamaged(f"{clip} = {text!r} is not a clip and its text")
            if clip in texts:
                raise TextsDamaged(f"{clip} has two texts")
            texts[clip] = text
    return texts


def words_of(phrase: Phrase, language: str) -> str:
    """What a phrase says, for logs, `prompts play` and tests."""
    texts = texts_of(language)
    return " ".join(texts[clip] for clip in phrase.clips).replace(" .", ".")
