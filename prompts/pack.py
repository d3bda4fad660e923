"""The voice that comes with Tollgate: every sound of a language, for machines without an engine.

    voices/en/pounds.opus     the sounds of one table of en.toml, one after another, at 16 kHz
    voices/en/index.json      who spoke, where each sound begins, and the text that it speaks

One file for each table, so that a changed sentence does not bring megabytes into the history.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, NamedTuple

from prompts.audio import Sound, joined
from prompts.build import Progress, build_voice, key_of
from prompts.engines import LOCAL_ENGINES_AT_ONCE, Engine
from prompts.errors import EngineFailed, EngineMissing, PromptError
from prompts.files import NotASoundError, read_sound, write_opus
from prompts.library import Library
from prompts.phrases import Phrase
from prompts.texts import tables_of

VOICES: Final = Path(__file__).parent / "voices"
INDEX: Final = "index.json"
MAY_BE_SHIPPED: Final = ("kokoro", "pico")  # others do not say so, or forbid it: voices/README.md
KEY_LENGTH: Final = 8  # of a clip's key: enough to see that it is another


class Place(NamedTuple):
    table: str
    start: int  # in samples
    length: int
    text: str
    key: str  # of the recording that it was made of: voice, spelling and pace are in it


def recorder_of(language: str, folder: Path = VOICES) -> str:
    """The engine that spoke the pack of a language.

    Raises:
        EngineFailed: the pack is damaged, or there is none.
    """
    try:
        index = json.loads((folder / language / INDEX).read_text(encoding="utf-8"))
        return str(index["engine"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EngineFailed(f"the voice pack in {folder / language} is damaged: {error}") from error


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

    def outdated(self, language: str, texts: Mapping[str, str], engine: Engine) -> tuple[str, ...]:
        """The clips that the engine would record in another way today."""
        index = self._index(self._folder / language)
        return tuple(
            clip
            for clip, text in texts.items()
            if clip not in index or index[clip].key != _short_key(engine, language, clip, text)
        )

    def _file(self, language: str, place: Place) -> Path:
        return self._folder / language / f"{place.table}.opus"


def write_pack(  # noqa: PLR0913 - the last three only tests and a watcher name
    engine: Engine,
    language: str,
    sounds: Path,
    *,
    folder: Path = VOICES,
    tables: Callable[[str], Mapping[str, Mapping[str, str]]] = tables_of,
    on_progress: Progress = lambda _ready, _all: None,
) -> list[str]:
    """Record anew every table of a language whose recordings would not be the same.

    Args:
        engine: who speaks.
        language: one of LANGUAGES.
        sounds: where recordings are made; an interrupted one goes on from what is there.
        folder: of the pack.
        tables: the texts.
        on_progress: told of every sound of a table.

    Returns:
        The tables that were recorded.

    Raises:
        PromptError: a recording cannot be made, or nobody said that it may be given away.
    """
    if engine.name not in MAY_BE_SHIPPED:
        raise PromptError(f"a pack is made by {' or '.join(MAY_BE_SHIPPED)}, not by {engine.name}")
    (folder / language).mkdir(parents=True, exist_ok=True)
    index = _index(folder / language) if (folder / language / INDEX).exists() else {}
    written: list[str] = []
    for table, texts in tables(language).items():
        recorded = {clip: place for clip, place in index.items() if place.table == table}
        keys = {clip: _short_key(engine, language, clip, text) for clip, text in texts.items()}
        if _as_recorded(recorded) != (texts, keys):
            library = Library(sounds, partial(_same, texts))
            build_voice(library, language, engine, on_progress)
            index = {clip: place for clip, place in index.items() if place.table != table}
            index |= _write_table(library, language, table, keys, folder / language)
            written.append(table)
            _write_index(engine.name, index, folder / language)
    return written


def _as_recorded(places: Mapping[str, Place]) -> tuple[dict[str, str], dict[str, str]]:
    """The texts and the keys of the clips, as they were when they were recorded."""
    texts = {clip: place.text for clip, place in places.items()}
    return texts, {clip: place.key for clip, place in places.items()}


def _same(texts: Mapping[str, str], _language: str) -> Mapping[str, str]:
    return texts


def _short_key(engine: Engine, language: str, clip: str, text: str) -> str:
    return key_of(engine, language, clip, text)[:KEY_LENGTH]


def _write_index(engine: str, index: Mapping[str, Place], folder: Path) -> None:
    rows = ",\n".join(
        f"{json.dumps(clip)}: {json.dumps(place, ensure_ascii=False)}"
        for clip, place in index.items()
    )
    whole = f'{{"engine": {json.dumps(engine)}, "sounds": {{\n{rows}\n}}}}\n'
    (folder / INDEX).write_text(whole, encoding="utf-8")


def _write_table(
    library: Library,
    language: str,
    table: str,
    keys: Mapping[str, str],
    folder: Path,
) -> dict[str, Place]:
    places: dict[str, Place] = {}
    sounds: list[Sound] = []
    start = 0
    for clip, text in library.texts(language).items():
        sound = library.sound_of(Phrase((clip,)), language)
        places[clip] = Place(table, start, len(sound.samples), text, keys[clip])
        sounds.append(sound)
        start += len(sound.samples)
    write_opus(folder / f"{table}.opus", joined(sounds))
    return places


def _index(folder: Path) -> dict[str, Place]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {clip: Place(*row) for clip, row in index["sounds"].items()}
    except FileNotFoundError:
        raise EngineMissing(f"there is no voice pack in {folder}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
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
