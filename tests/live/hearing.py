"""What a phone was told, read off its recording: the clips of the voice that its office plays."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from lab.carrier import EARLY_TONE_HZ, FAR_END_TONE_HZ
from lab.likeness import found_in, spoken_in
from lab.phone import Phone
from prompts.audio import Sound, joined
from prompts.files import read_sound
from prompts.library import WIDEBAND, Library, default_sounds_folder
from prompts.phrases import Phrase

QUIET = 0.005
RINGING_HZ = (400, 450)  # both at once: a British phone's
TONE_SHARE = 0.3  # of a tenth of a second's power
RINGING, CARRIER, SILENCE, OTHER = "r", "c", ".", "x"


def heard_by(phone: Phone) -> Sound:
    """Everything: a phone begins another file when early media has been agreed upon."""
    return joined([read_sound(file) for file in phone.recordings()])


def clips_heard(
    phone: Phone, among: Iterable[Phrase], *, language: str = "en", first_s: float | None = None
) -> tuple[str, ...]:
    """What it was told, once it is switched off, of the clips of these phrases and no others.

    `first_s`: only so much of each clip is looked for, where what is said may be cut short.
    """
    folder = Library(default_sounds_folder(os.environ)).folder(language)
    clips = {clip for phrase in among for clip in phrase.clips}
    known = {clip: _first(read_sound(folder / f"{clip}{WIDEBAND}"), first_s) for clip in clips}
    return tuple(found.name for found in found_in(heard_by(phone), spoken_in(clips, known)))


def _first(sound: Sound, first_s: float | None) -> Sound:
    end = None if first_s is None else int(first_s * sound.rate_hz)
    return Sound(sound.samples[:end], sound.rate_hz)


def parts_heard(recordings: Sequence[Path]) -> str:
    """One letter for each tenth of a second: see RINGING and those beside it."""
    return "".join(_part(*soundfile.read(file)) for file in recordings)


def _part(samples: NDArray[np.float64], rate: int) -> str:
    step = rate // 10
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    return "".join(_tone_of(tenth) for tenth in whole)


def _tone_of(tenth: NDArray[np.float64]) -> str:
    power = np.abs(np.fft.rfft(tenth)) ** 2  # one value for each 10 Hz
    if np.sqrt(np.mean(tenth**2)) <= QUIET:
        return SILENCE
    share = power / power.sum()
    if all(share[hz // 10] > TONE_SHARE for hz in RINGING_HZ):
        return RINGING
    if any(share[hz // 10] > 2 * TONE_SHARE for hz in (EARLY_TONE_HZ, FAR_END_TONE_HZ)):
        return CARRIER
    return OTHER
