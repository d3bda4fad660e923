"""The voice that comes with Tollgate: every sound of a language, for machines without an engine.

    voices/en/pounds.opus     the sounds of one table of en.toml, one after another, at 16 kHz
    voices/en/index.json      where each sound begins, and the text that it speaks

One file for each table, so that a changed sentence does not bring megabytes into the history.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from prompts.audio import Sound, joined
from prompts.engines import LOCAL_ENGINES_AT_ONCE
from prompts.errors import EngineFailed, EngineMissing, PromptError
from prompts.files import NotASoundError, read_sound, write_opus
from prompts.library import Library
from prompts.phrases import Phrase
from prompts.texts import tables_of

VOICES: Final = Path(__file__).parent / "voices"
INDEX: Final = "index.json"
MAY_BE_SHIPPED: Final = "pico"  # others say nothing of it, or forbid it: voices/README.md


class Place(NamedTuple):
    table: str
    start: int  # in samples
    length: int
    text: str


class PackEngine:
    """Speaks what the pack holds."""

    name = "pack"
    at_once = LOCAL_ENGINES_AT_ONCE

    def __init__(self, folder: Path = VOICES) -> None:
        self._folder = folder
        self._index = lru_cache(_index)
        self._digest = lru_cache(_digest)
        self._table = lru_cache(maxsize=2)(_table)  # in the order of the texts: one is in use

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        index = self._index(self._folder / language)
        return tuple(
            clip for clip, text in texts.items() if clip not in index or index[clip].text != text
        )

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        del text
        place = self._index(self._folder / language)[clip]
        return f"pack {self._digest(self._file(language, place))} {place.start} {place.length}"

    def render(self, language: str, clip: str, text: str) -> Sound:
        del text
        place = self._index(self._folder / language)[clip]
        table = self._table(self._file(language, place))
        end = place.start + place.length
        if end > len(table.samples):
            raise EngineFailed(f"the voice pack is damaged: {place.table} ends before {clip}")
        return Sound(table.samples[place.start : end], table.rate_hz)

    def _file(self, language: str, place: Place) -> Path:
        return self._folder / language / f"{place.table}.opus"


def write_pack(
    library: Library,
    language: str,
    folder: Path = VOICES,
    tables: Callable[[str], Mapping[str, Mapping[str, str]]] = tables_of,
) -> list[str]:
    """Write the pack of a language from finished recordings.

    Returns:
        The tables that were written; the others hold the same texts as before.

    Raises:
        PromptError: the recordings are incomplete, or of a voice that may not be given away.
    """
    health = library.health(language)
    if not health.complete or health.engine != MAY_BE_SHIPPED:
        raise PromptError(f"a pack is made of complete recordings by {MAY_BE_SHIPPED}: {health}")
    (folder / language).mkdir(parents=True, exist_ok=True)
    before = _index(folder / language) if (folder / language / INDEX).exists() else {}
    index: dict[str, Place] = {}
    written: list[str] = []
    for table, texts in tables(language).items():
        kept = {clip: place for clip, place in before.items() if place.table == table}
        if {clip: place.text for clip, place in kept.items()} != texts:
            kept = _write_table(library, language, table, texts, folder / language)
            written.append(table)
        index |= kept
    rows = (
        f"{json.dumps(clip)}: {json.dumps(place, ensure_ascii=False)}"
        for clip, place in index.items()
    )
    (folder / language / INDEX).write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    return written


def _write_table(
    library: Library, language: str, table: str, texts: Mapping[str, str], folder: Path
) -> dict[str, Place]:
    places: dict[str, Place] = {}
    sounds: list[Sound] = []
    start = 0
    for clip, text in texts.items():
        sound = library.sound_of(Phrase((clip,)), language)
        places[clip] = Place(table, start, len(sound.samples), text)
        sounds.append(sound)
        start += len(sound.samples)
    write_opus(folder / f"{table}.opus", joined(sounds))
    return places


def _index(folder: Path) -> dict[str, Place]:
    try:
        rows = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {clip: Place(*row) for clip, row in rows.items()}
    except FileNotFoundError:
        raise EngineMissing(f"there is no voice pack in {folder}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise EngineFailed(f"the voice pack in {folder} is damaged: {error}") from error


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise EngineFailed(f"the voice pack is damaged: {error}") from error


def _table(file: Path) -> Sound:
    try:
        return read_sound(file)
    except NotASoundError as error:
        raise EngineFailed(f"the voice pack is damaged: {error}") from error
