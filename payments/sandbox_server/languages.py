"""What the sandbox's pages say, in English and French: one text a key in words/*.toml."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "words"
DEFAULT: Final = "en"

Words = Mapping[str, str]


def words_in(language: str) -> Words:
    """For "fr" or "fr-FR,fr;q=0.9" the French ones; English where a language has none."""
    wanted = language[:2].lower()
    return _read(wanted if (FOLDER / f"{wanted}.toml").is_file() else DEFAULT)


@cache
def _read(language: str) -> Words:
    text = (FOLDER / f"{language}.toml").read_text(encoding="utf-8")
    return {"language": language, **tomllib.loads(text)}
