"""Kokoro-82M: the neural voice that the pack is recorded with."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from prompts.audio import Sound
from prompts.errors import EngineMissing
from prompts.spellings import spellings_of
from studio.models import VOICE, ModelMissingError, folder_of

RATE_HZ: Final = 24_000
STYLE_NUMBERS: Final = 256  # one row of so many for each length of an utterance


class Speaker(NamedTuple):
    voice: str
    phonemes: str  # what espeak-ng calls the language


# The best graded voice of British English, and the only French one.
SPEAKERS: Final = {"en": Speaker("bf_emma", "en-gb"), "fr": Speaker("ff_siwis", "fr-fr")}


class KokoroEngine:
    """One core, one sound at a time: about a second of work for each second of speech."""

    name = "kokoro"
    at_once = 1

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        del language, texts
        _model()  # it speaks anything if it speaks at all
        return ()

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        del clip
        spellings = spellings_of(self.name, language)
        voice = SPEAKERS[language].voice
        return f"{self.name} {voice} {spellings.pace_of(text)} {spellings.of(text)}"

    def render(self, language: str, clip: str, text: str) -> Sound:
        del clip
        spellings = spellings_of(self.name, language)
        speaker = SPEAKERS[language]
        samples, rate_hz = _model().create(
            spellings.of(text),
            voice=speaker.voice,
            speed=spellings.pace_of(text),
            lang=speaker.phonemes,
            trim=False,
        )
        return Sound(np.asarray(samples, dtype=np.float64), int(rate_hz))


@cache
def _folder() -> Path:
    try:
        return folder_of(VOICE)
    except ModelMissingError as error:
        raise EngineMissing(f"kokoro: {error}") from error


@cache
def _style(voice: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    numbers = np.fromfile(_folder() / f"{voice}.bin", dtype=np.float32)
    return numbers.reshape(-1, 1, STYLE_NUMBERS)


@cache
def _model() -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - `make setup` installs neither
        from kokoro_onnx import Kokoro  # noqa: PLC0415
    except ImportError as error:
        raise EngineMissing("`make prompts VOICE=kokoro` installs kokoro") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = str(_folder() / "model.onnx")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with tempfile.TemporaryDirectory(prefix="tollgate-") as folder:
        voices = Path(folder) / "voices.npz"  # read whole by what follows
        styles: dict[str, Any] = {voice: _style(voice) for voice, _ in SPEAKERS.values()}
        np.savez(voices, **styles)
        return Kokoro.from_session(session, str(voices))
