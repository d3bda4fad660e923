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
def tables_of(language: str) -> Mapping[str, Mapping[str, str]]:
    """Every clip of one language and its text, by the tables of the file.

    Raises:
        TextsDamaged: there is no such language, or its file is not as it should be.
    """
    file = resources.files("prompts").joinpath(f"{language}.toml")
    try:
        return MappingProxyType(parse_tables(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise TextsDamaged(f"there are no texts in the language {language!r}") from None
    except (tomllib.TOMLDecodeError, TextsDamaged) as error:
        raise TextsDamaged(f"{language}.toml: {error}") from error


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """Every clip of one language and its text; the tables only group them for the reader."""
    tables = tables_of(language).values()
    return MappingProxyType({clip: text for table in tables for clip, text in table.items()})


def parse_tables(toml: str) -> dict[str, dict[str, str]]:
    tables = tomllib.loads(toml)
    seen: set[str] = set()
    for table in tables.values():
        if not isinstance(table, dict):
            raise TextsDamaged("a clip stands outside a table")
        for clip, text in table.items():
            if not isinstance(text, str) or not text.strip() or not _CLIP_NAME.fullmatch(clip):
                raise TextsDamaged(f"{clip} = {text!r} is not a clip and its text")
            if clip in seen:
                raise TextsDamaged(f"{clip} has two texts")
            seen.add(clip)
    return tables


def words_of(phrase: Phrase, language: str) -> str:
    """What a phrase says, for logs, `prompts play` and tests."""
    texts = texts_of(language)
    return " ".join(texts[clip] for clip in phrase.clips).replace(" .", ".")
