"""Which of known recordings a phone heard, and when: no recogniser, only likeness of samples."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from prompts.audio import Samples, Sound, resampled

ALIKE: Final = 0.8  # of 1; G.722 and A-law keep more, and another number of the same unit has less
MAY_OVERLAP: Final = 0.3  # of the shorter: every recording begins with silence
CUT_OFF_S: Final = 0.2  # a phone that hangs up keeps not quite all; so much may be missing
PIECE_S: Final = 0.5
SLACK_S: Final = 0.06  # three packets
QUIET: Final = 1e-3  # of full scale: silence is like nothing


class Found(NamedTuple):
    name: str
    at_s: float
    likeness: float


class _Heard:
    """A recording, transformed once for all that is looked for in it."""

    def __init__(self, recording: Sound) -> None:
        self.rate_hz = recording.rate_hz
        self._samples = np.pad(recording.samples, int(CUT_OFF_S * recording.rate_hz))
        self._length = _quick_length(len(self._samples))
        self._spectrum = np.fft.rfft(self._samples, self._length)
        self._energy = np.concatenate([[0.0], np.cumsum(self._samples**2)])

    def places(self, sound: Sound) -> int:
        """At how many places it may begin, the first one CUT_OFF_S before the recording."""
        return max(0, len(self._samples) - len(sound.samples) + 1)

    def alike(self, piece: Samples) -> Samples:
        """The cosine between a piece and what is at every place where it may begin."""
        places = len(self._samples) - len(piece) + 1
        spectrum = self._spectrum * np.conj(np.fft.rfft(piece, self._length))
        correlation = np.fft.irfft(spectrum, self._length)[:places]
        energy = self._energy[len(piece) :] - self._energy[:places]
        energy = np.maximum(energy, len(piece) * QUIET**2)
        return np.asarray(correlation / np.sqrt(energy * np.sum(piece**2)), dtype=np.float64)


def found_in(recording: Sound, known: Mapping[str, Sound]) -> list[Found]:
    """The known recordings that are in it, in the order in which they were heard.

    Where two are alike at one place, "sixty" and "sixteen", it is the one that is more so.
    """
    heard = _Heard(recording)
    spots = [
        (found, len(sound.samples) / sound.rate_hz)
        for name, sound in known.items()
        for found in _places(heard, name, resampled(sound, recording.rate_hz))
    ]
    kept: list[tuple[Found, float]] = []
    for found, length_s in sorted(spots, key=lambda spot: -spot[0].likeness):
        if not any(_overlap(found.at_s, length_s, one.at_s, other_s) for one, other_s in kept):
            kept.append((found, length_s))
    return sorted((found for found, _ in kept), key=lambda found: found.at_s)


def likeness_of(wanted: Sound, recording: Sound) -> float:
    """How much of `wanted` is where it fits best in the recording: 1 for all of it."""
    return float(np.max(_likeness(wanted, _Heard(recording)), initial=0))


def spoken_in(clips: Iterable[str], sounds: Mapping[str, Sound]) -> dict[str, Sound]:
    """The sounds of those clips in which something is spoken."""
    every = {clip: sounds[clip] for clip in clips}
    return {clip: sound for clip, sound in every.items() if np.max(np.abs(sound.samples)) > QUIET}


def _places(heard: _Heard, name: str, wanted: Sound) -> Iterator[Found]:
    likeness = _likeness(wanted, heard)
    length = len(wanted.samples)
    while likeness.size and (best := int(np.argmax(likeness))) >= 0 and likeness[best] >= ALIKE:
        yield Found(name, best / heard.rate_hz - CUT_OFF_S, float(likeness[best]))
        likeness[max(0, best - length // 2) : best + length // 2] = 0


def _likeness(sound: Sound, heard: _Heard) -> Samples:
    """By the place where the sound would begin, from CUT_OFF_S before the recording.

    Piece by piece, each wherever it fits best within SLACK_S of its place: a busy machine loses
    a packet here and there, and what follows comes so much earlier.
    """
    places = heard.places(sound)
    pieces = np.array_split(sound.samples, max(1, round(sound.duration_s / PIECE_S)))
    loud = [len(piece) * float(np.mean(piece**2)) ** 0.5 for piece in pieces]
    total, start = np.zeros(places), 0
    for piece, weight in zip(pieces, loud, strict=True):
        if places > 0 and weight > 0:
            best = _best_nearby(heard.alike(piece), int(SLACK_S * heard.rate_hz))
            total += weight / sum(loud) * best[start : start + places]
        start += len(piece)
    return total


def _best_nearby(values: Samples, slack: int) -> Samples:
    """The largest value within so many places of each; by doubling, so in few steps."""
    padded = np.pad(values, slack, constant_values=0)
    width, wanted = 1, 2 * slack + 1
    while width < wanted:
        step = min(width, wanted - width)
        padded = np.maximum(padded[:-step], padded[step:])
        width += step
    return padded


def _quick_length(least: int) -> int:
    """At least so many: 2, 3 and 5 alone divide it, and of such a length a transform is quick."""
    return min(factor << (math.ceil(least / factor) - 1).bit_length() for factor in (9, 15, 16))


def _overlap(at_s: float, length_s: float, other_s: float, other_length_s: float) -> bool:
    common_s = min(at_s + length_s, other_s + other_length_s) - max(at_s, other_s)
    return common_s > MAY_OVERLAP * min(length_s, other_length_s)
