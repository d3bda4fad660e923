"""An ear without a word list: it writes down whatever it takes a sound for."""

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from prompts.audio import WIDEBAND_HZ, Sound, resampled
from studio.models import EAR, folder_of
from studio.sounds import sound_of
from telephony.tools import cache_folder

# Of whoever speaks on a telephone; a recording that begins at once is heard badly.
SILENCE_S: Final = 0.3
BEAM: Final = 5
KIND: Final = "whisper-base int8, beam 5, 0.3 s of silence"  # part of what is kept

Recognise = Callable[["np.ndarray[tuple[int, ...], np.dtype[np.float32]]", str], str]


class Ear:
    """Whisper base on one core, told only which language is spoken.

    What it wrote is kept by the sound, so that the same recording is never heard twice: a second
    of work for each sentence.
    """

    def __init__(self, recognise: Recognise | None = None, kept: Path | None = None) -> None:
        self._recognise_with = recognise
        self._kept = kept or cache_folder() / "heard"

    def written(self, sound: Sound, language: str) -> str:
        silence = np.zeros(int(SILENCE_S * WIDEBAND_HZ))
        spoken = resampled(sound, WIDEBAND_HZ).samples
        samples = np.concatenate([silence, spoken, silence]).astype(np.float32)
        digest = hashlib.sha256(f"{KIND} {language}".encode() + samples.tobytes()).hexdigest()
        file = self._kept / f"{digest[:32]}.json"
        if not file.exists():
            text = self._recognise(samples, language)
            self._kept.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(text, ensure_ascii=False), encoding="utf-8")
        return str(json.loads(file.read_text(encoding="utf-8")))

    def sound_of(self, word: str, language: str) -> str:
        """The same for words that are told apart only by who reads them."""
        return sound_of(word, language)

    @cached_property
    def _recognise(self) -> Recognise:
        return self._recognise_with or whisper()


def whisper() -> Recognise:
    """The recogniser itself; its model is fetched where it is not in the cache."""
    from faster_whisper import WhisperModel  # noqa: PLC0415 - `make setup` does not install it

    model = WhisperModel(
        str(folder_of(EAR)), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1
    )

    def recognise(
        samples: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", language: str
    ) -> str:
        segments, _ = model.transcribe(
            samples,
            language=language,
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()

    return recognise
