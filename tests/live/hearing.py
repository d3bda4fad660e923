"""What a phone was told, written down from its recording."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from lab.carrier import EARLY_TONE_HZ, FAR_END_TONE_HZ
from lab.phone import Phone
from prompts.audio import Sound
from tests.prompts.listener import Listener, grammar_of

FRAME_S = 0.02
PAUSE_S = 1.3  # longer than a full stop between two sentences of one message
SHORTEST_SENTENCE_S = 1.2
QUIET = 0.005
RINGING_HZ = (400, 450)  # both at once: a British phone's
TONE_SHARE = 0.3  # of a tenth of a second's power
RINGING, CARRIER, SILENCE, OTHER = "r", "c", ".", "x"


def sentences_heard(phone: Phone, known: dict[str, str]) -> list[str]:
    """Which of the `known` sentences (name to text) it heard, once it is switched off."""
    listener = Listener(grammar_of(list(known.values())))
    texts = {_spoken(listener_text): name for name, listener_text in known.items()}
    return [texts.get(listener.words(sound), "something else") for sound in _utterances(phone)]


def _spoken(text: str) -> str:
    return grammar_of([text]).partition("= ")[2].removesuffix(";\n")


def _utterances(phone: Phone) -> list[Sound]:
    streams = [soundfile.read(file) for file in phone.recordings()]
    samples, rate = np.concatenate([samples for samples, _ in streams]), streams[0][1]
    frame = int(FRAME_S * rate)
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    loud = np.flatnonzero(np.sqrt(np.mean(frames**2, axis=1)) > QUIET)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > PAUSE_S / FRAME_S) + 1)
    return [
        Sound(samples[part[0] * frame : (part[-1] + 1) * frame], rate)
        for part in parts
        if len(part) and (part[-1] - part[0]) * FRAME_S >= SHORTEST_SENTENCE_S
    ]


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
