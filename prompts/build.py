"""Recordings made once, kept by what they were made of, and put in place all at once.

<sounds>/.clips/ab/abcd….wav16 and .wav     one rendering, found again by its fingerprint
<sounds>/.voices/en-<digest>/               one finished voice: hard links to renderings
<sounds>/en/tollgate                        a link to it; replacing it changes every word
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from prompts.audio import (
    PROCESSING_VERSION,
    SilentSoundError,
    Sound,
    narrowband,
    pause_of,
    prompt_of,
)
from prompts.engines import Engine, GttsEngine, RecordedEngine
from prompts.errors import ClipsMissing, EngineFailed, EngineMissing
from prompts.files import write_wav
from prompts.library import (
    MANIFEST,
    NARROWBAND,
    NO_SOUND_FILE,
    NO_SOUND_SAMPLES,
    WIDEBAND,
    Library,
)

VOICES: Final = ".voices"
CLIPS: Final = ".clips"
AUTOMATIC: Final = ("gtts", "pack", "pico", "espeak-ng")  # the first that speaks everything
RATES: Final = (WIDEBAND, NARROWBAND)

Progress = Callable[[int, int], None]  # clips ready, clips in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    language: str
    engine: str
    clips: int
    rendered: int  # the others were in the store already


@dataclass(frozen=True, slots=True)
class ClipStore:
    """Finished renderings; a file that is there is whole."""

    folder: Path

    def file(self, key: str, rate: str) -> Path:
        return self.folder / key[:2] / f"{key}{rate}"

    def has(self, key: str) -> bool:
        return all(self.file(key, rate).is_file() for rate in RATES)

    def put(self, key: str, sound: Sound) -> None:
        self.file(key, WIDEBAND).parent.mkdir(parents=True, exist_ok=True)
        self._write(self.file(key, NARROWBAND), narrowband(sound))
        self._write(self.file(key, WIDEBAND), sound)

    @staticmethod
    def _write(file: Path, sound: Sound) -> None:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".")
        os.close(handle)
        unfinished = Path(name)
        try:
            write_wav(unfinished, sound)
            unfinished.chmod(0o644)  # Asterisk may run as somebody else
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Clip:
    language: str
    name: str
    text: str
    key: str


def first_usable(engines: Sequence[Engine], language: str, texts: Mapping[str, str]) -> Engine:
    """The first engine that can speak every clip of the language.

    Raises:
        EngineMissing: none of them can; the message says why for each.
    """
    why: list[str] = []
    for engine in engines:
        try:
            if isinstance(engine, GttsEngine):  # the only one that is not on this machine
                engine.require_reachable(language)
            lacking = engine.lacks(language, to_speak(texts))
        except (EngineMissing, EngineFailed) as error:
            why.append(f"{engine.name}: {error}")
            continue
        if not lacking:
            return engine
        why.append(f"{engine.name}: {len(lacking)} clips are missing, {lacking[0]} among them")
    raise EngineMissing(f"nothing can speak {language!r} ({'; '.join(why)})")


def engine_for(
    language: str,
    choice: str,
    *,
    recorded: RecordedEngine | None,
    engines: Mapping[str, Engine],
    texts: Mapping[str, str],
) -> Engine:
    """Which engine speaks a language: a person's recordings win, then the choice, then the order.

    Raises:
        EngineMissing: nobody can speak it, or there is no engine of that name.
    """
    if recorded is not None and (choice == recorded.name or recorded.has_any(language)):
        return recorded
    if choice == "auto":
        order = [engines[name] for name in AUTOMATIC if name in engines]
        return first_usable(order, language, texts)
    try:
        return engines[choice]
    except KeyError:
        raise EngineMissing(f"there is no engine {choice!r} here") from None


def build_voice(
    library: Library,
    language: str,
    engine: Engine,
    on_progress: Progress = lambda _ready, _all: None,
) -> Built:
    """Record every clip of one language with one engine, and put the voice in place.

    What was rendered before and is sound is not rendered again, so a build that was interrupted
    goes on where it was; until the last clip is there, callers hear the voice of before.

    Raises:
        EngineMissing: the engine cannot run here.
        ClipsMissing: the engine cannot speak some of the clips.
        EngineFailed: a clip could not be made.
    """
    texts = library.texts(language)
    lacking = engine.lacks(language, to_speak(texts))
    if lacking:
        raise ClipsMissing(f"{engine.name}, {language}", lacking)
    clips = [
        _Clip(language, clip, text, key_of(engine, language, clip, text))
        for clip, text in texts.items()
    ]
    store = ClipStore(library.sounds / CLIPS)
    _drop_unheard(library, clips, store)
    rendered = _render_missing(engine, clips, store, on_progress)
    _put_in_place(library, engine, clips, store)
    return Built(language=language, engine=engine.name, clips=len(clips), rendered=rendered)


def to_speak(texts: Mapping[str, str]) -> dict[str, str]:
    """Without the pauses, which need no voice."""
    return {clip: text for clip, text in texts.items() if pause_of(text) is None}


def key_of(engine: Engine, language: str, clip: str, text: str) -> str:
    """Equal for equal recordings: the text, the voice, its pace and what we make of it."""
    spoken = engine.fingerprint(language, clip, text) if pause_of(text) is None else "pause"
    ending = text[-1:]  # decides the pause after the clip
    made_of = f"{PROCESSING_VERSION}\n{ending}\n{spoken}"
    return hashlib.sha256(made_of.encode()).hexdigest()[:32]


def _drop_unheard(library: Library, clips: Sequence[_Clip], store: ClipStore) -> None:
    """A damaged file in place is the same file in the store; it would be taken for whole."""
    language = clips[0].language
    unheard = {*library.missing(language), *library.faults(language).damaged}
    for clip, rate in product(clips, RATES):
        file = library.folder(language) / f"{clip.name}{rate}"
        if clip.name in unheard and file.exists():
            file.unlink()
            store.file(clip.key, rate).unlink(missing_ok=True)


def _render_missing(
    engine: Engine, clips: Sequence[_Clip], store: ClipStore, on_progress: Progress
) -> int:
    """How many had to be rendered. Clips of one text are rendered once."""
    to_render = {clip.key: clip for clip in clips if not store.has(clip.key)}
    ready = len({clip.key for clip in clips}) - len(to_render)
    on_progress(ready, ready + len(to_render))
    with ThreadPoolExecutor(max_workers=engine.at_once) as pool:
        rendering = [pool.submit(_render, engine, clip, store) for clip in to_render.values()]
        try:
            for count, done in enumerate(as_completed(rendering), start=1):
                done.result()
                on_progress(ready + count, ready + len(to_render))
        finally:  # after a failure or Ctrl-C nothing more begins
            pool.shutdown(cancel_futures=True)
    return len(to_render)


def _render(engine: Engine, clip: _Clip, store: ClipStore) -> None:
    sound = pause_of(clip.text)
    if sound is None:
        rendering = engine.render(clip.language, clip.name, clip.text)
        try:
            sound = prompt_of(rendering, clip.text)
        except SilentSoundError as error:
            raise EngineFailed(f"{engine.name} gave silence for {clip.name}") from error
    store.put(clip.key, sound)


def _put_in_place(
    library: Library, engine: Engine, clips: Sequence[_Clip], store: ClipStore
) -> None:
    """Link the clips into a folder of their own, then point the language at it."""
    language = clips[0].language
    manifest = json.dumps(
        {
            "engine": engine.name,
            "texts": {clip.name: clip.text for clip in clips},
            "keys": {clip.name: clip.key for clip in clips},
        },
        ensure_ascii=False,
        indent=1,
    )
    digest = hashlib.sha256(manifest.encode()).hexdigest()[:16]
    voice = library.sounds / VOICES / f"{language}-{digest}"
    place = library.folder(language)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(library.sounds):
        if voice.is_dir():
            _link_missing(voice, clips, store)
        else:
            _assemble(voice, clips, store, manifest)
        _point(place, voice)
        _forget_others(voice, language)


def _assemble(voice: Path, clips: Sequence[_Clip], store: ClipStore, manifest: str) -> None:
    voice.parent.mkdir(exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=voice.parent, prefix=".unfinished-"))
    try:
        unfinished.chmod(0o755)
        _link_missing(unfinished, clips, store)
        (unfinished / MANIFEST).write_text(manifest + "\n", encoding="utf-8")
        unfinished.rename(voice)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # gone already where all went well


def _link_missing(voice: Path, clips: Sequence[_Clip], store: ClipStore) -> None:
    for clip, rate in product(clips, RATES):
        file = voice / f"{clip.name}{rate}"
        if not file.exists():
            _link(store.file(clip.key, rate), file)
    (voice / NO_SOUND_FILE).write_bytes(NO_SOUND_SAMPLES)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _point(place: Path, voice: Path) -> None:
    """Replace a link in one step; relative, so that the sounds may be mounted elsewhere."""
    if place.is_dir() and not place.is_symlink():
        raise EngineFailed(f"{place} is a folder of somebody else's; move it away")
    fresh = place.with_name(f".{place.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(voice, place.parent), target_is_directory=True)
    fresh.replace(place)


def _forget_others(voice: Path, language: str) -> None:
    for other in voice.parent.glob(f"{language}-*"):
        if other != voice:
            shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _only_one(sounds: Path) -> Iterator[None]:
    """Two builds at once would clear each other's folders away."""
    with (sounds / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
