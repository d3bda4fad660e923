"""The folder of finished recordings: what Asterisk plays, and whether all of it is there.

    <sounds>/en/tollgate/12-pounds.wav16     16 kHz, for wideband phones
    <sounds>/en/tollgate/12-pounds.wav        8 kHz, for the others
    <sounds>/en/tollgate/no-sound.ulaw       20 ms of silence, played before whatever is said
    <sounds>/en/tollgate/voice.json           which engine spoke, and which texts

`<sounds>/en/tollgate` is a link to a folder of one voice; a build replaces the link, never a file.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prompts.audio import (
    NARROWBAND_HZ,
    WIDEBAND_HZ,
    Sound,
    is_clipped,
    is_quiet,
    joined,
    pause_of,
)
from prompts.errors import ClipsMissing
from prompts.files import NotASoundError, read_sound
from prompts.phrases import Phrase
from prompts.playing import FOLDER
from prompts.texts import texts_of

WIDEBAND: Final = ".wav16"
NARROWBAND: Final = ".wav"
RATES_HZ: Final = {WIDEBAND: WIDEBAND_HZ, NARROWBAND: NARROWBAND_HZ}
MANIFEST: Final = "voice.json"
# In a format that no clip has, so that Asterisk makes its translator anew: docs/adr/0008.
NO_SOUND: Final = "no-sound"
NO_SOUND_FILE: Final = f"{NO_SOUND}.ulaw"
NO_SOUND_SAMPLES: Final = b"\xff" * (NARROWBAND_HZ // 50)


def default_sounds_folder(environment: Mapping[str, str]) -> Path:
    """Where set-up puts the recordings, and where Asterisk is told to look for them."""
    cache = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")) / ".cache"
    return Path(cache).expanduser() / "tollgate" / "sounds"


@dataclass(frozen=True, slots=True)
class Voice:
    """What one language's recordings were made of."""

    engine: str
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether callers can hear every sound of a language; for `doctor` and `prompts list`."""

    language: str
    engine: str | None  # None: never built
    folder: Path
    sounds: int
    missing: tuple[str, ...]
    outdated: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.missing and not self.outdated

    def __str__(self) -> str:
        if self.engine is None:
            return f"{self.language}: nothing is recorded; run `tollgate prompts build`"
        voice = f"{self.language}: {self.sounds} sounds in the voice of {self.engine}"
        if self.complete:
            return f"{voice}, all there"
        wrong = f"{len(self.missing)} missing, {len(self.outdated)} recorded from an older text"
        return f"{voice}, {wrong} ({', '.join((self.missing + self.outdated)[:3])} …)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Clips that are there and should not be heard as they are."""

    damaged: tuple[str, ...]  # no sound file, or of another rate than its name says
    quiet: tuple[str, ...]
    clipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Library:
    sounds: Path
    texts: Callable[[str], Mapping[str, str]] = texts_of

    def folder(self, language: str) -> Path:
        return self.sounds / language / FOLDER

    def voice(self, language: str) -> Voice | None:
        """None: nothing was ever built, or not by us."""
        try:
            manifest = json.loads((self.folder(language) / MANIFEST).read_text(encoding="utf-8"))
            return Voice(manifest["engine"], manifest["texts"])
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    def missing(self, language: str) -> tuple[str, ...]:
        """Clips that a caller would not hear: not there at both rates, or empty."""
        folder = self.folder(language)
        unheard = tuple(
            clip
            for clip in self.texts(language)
            if not all(_has_samples(folder / f"{clip}{end}") for end in (WIDEBAND, NARROWBAND))
        )
        return unheard if (folder / NO_SOUND_FILE).is_file() else (*unheard, NO_SOUND)

    def outdated(self, language: str) -> tuple[str, ...]:
        """Clips recorded from another text than the present one."""
        voice = self.voice(language)
        recorded: Mapping[str, str] = {} if voice is None else voice.texts
        return tuple(
            clip for clip, text in self.texts(language).items() if recorded.get(clip) != text
        )

    def health(self, language: str) -> Health:
        voice = self.voice(language)
        return Health(
            language=language,
            engine=None if voice is None else voice.engine,
            folder=self.folder(language),
            sounds=len(self.texts(language)),
            missing=self.missing(language),
            outdated=self.outdated(language),
        )

    def faults(self, language: str) -> Faults:
        """Listen to every file that is there: a second for a thousand sounds."""
        found: dict[str, list[str]] = {"damaged": [], "quiet": [], "clipped": []}
        folder = self.folder(language)
        for clip, text in self.texts(language).items():
            spoken = pause_of(text) is None
            files = {folder / f"{clip}{end}": rate_hz for end, rate_hz in RATES_HZ.items()}
            there = {file: rate_hz for file, rate_hz in files.items() if _has_samples(file)}
            faults = {_fault(file, rate_hz, spoken=spoken) for file, rate_hz in there.items()}
            for fault in faults - {None}:
                found[str(fault)].append(clip)
        return Faults(**{fault: tuple(clips) for fault, clips in found.items()})

    def sound_of(self, phrase: Phrase, language: str) -> Sound:
        """The whole phrase at 16 kHz, as a caller with a wideband phone hears it.

        Raises:
            ClipsMissing: a recording of it is not there.
        """
        files = [self.folder(language) / f"{clip}{WIDEBAND}" for clip in phrase.clips]
        missing = [file.stem for file in files if not _has_samples(file)]
        if missing:
            raise ClipsMissing(str(self.folder(language)), missing)
        return joined([read_sound(file) for file in files])


def _fault(file: Path, rate_hz: int, *, spoken: bool) -> str | None:
    try:
        sound = read_sound(file)
    except NotASoundError:
        return "damaged"
    if sound.rate_hz != rate_hz:
        return "damaged"
    if is_clipped(sound):
        return "clipped"
    return "quiet" if spoken and is_quiet(sound) else None


def _has_samples(file: Path) -> bool:
    try:
        return file.stat().st_size > _WAV_HEADER_BYTES
    except (FileNotFoundError, NotADirectoryError):
        return False


_WAV_HEADER_BYTES: Final = 44
