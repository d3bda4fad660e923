"""Engines for tests: a tone instead of a voice, and a record of what was asked of it."""

import fcntl
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from charging.language import LANGUAGES
from prompts.audio import Sound
from prompts.build import CLIPS, build_voice
from prompts.errors import EngineFailed, EngineMissing
from prompts.library import Library, default_sounds_folder
from prompts.pack import PackEngine

TEXTS = {
    "your-balance-is": "You have",
    "12-pounds": "twelve pounds",
    "40": "forty",
    "goodbye": "Goodbye.",
    "pause": ".",
}


def few_texts(language: str) -> Mapping[str, str]:
    return {clip: f"{text}{'' if text == '.' else language}" for clip, text in TEXTS.items()}


def tone(*, speech_s: float = 0.5, silence_s: float = 0.2, rate_hz: int = 16_000) -> Sound:
    """Speech-like: loud for a while, with silence around it."""
    times = np.arange(int(speech_s * rate_hz)) / rate_hz
    silence = np.zeros(int(silence_s * rate_hz))
    loud = 0.3 * np.sin(2 * np.pi * 440 * times)
    return Sound(np.concatenate([silence, loud, silence]), rate_hz)


def unpacked(folder: Path) -> Library:
    """The voice that comes with Tollgate, in both languages."""
    library = Library(folder)
    for language in LANGUAGES:
        build_voice(library, language, PackEngine())
    return library


def unpacked_once(factory: pytest.TempPathFactory) -> Library:
    """The same, by the first process of this run that wants it; from what set-up rendered."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of every process of the run
    with (folder / "voice.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rendered = default_sounds_folder(os.environ) / CLIPS
        if rendered.exists() and not (folder / "voice").exists():
            shutil.copytree(rendered, folder / "voice" / CLIPS)
        return unpacked(folder / "voice")


@dataclass
class ToneEngine:
    """Speaks every clip as a tone, except those it is told to lack or to fail at."""

    name: str = "tone"
    voice: str = "the one"
    at_once: int = 2
    lacking: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    missing: bool = False
    sound: Sound = field(default_factory=tone)
    rendered: list[str] = field(default_factory=list)

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        del language
        if self.missing:
            raise EngineMissing(f"{self.name} is not installed")
        return tuple(clip for clip in texts if clip in self.lacking)

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        del clip
        return f"{self.name} {self.voice} {language} {text}"

    def render(self, language: str, clip: str, text: str) -> Sound:
        del language, text
        if clip in self.failing:
            raise EngineFailed(f"{self.name} did not speak {clip}")
        self.rendered.append(clip)
        return self.sound
