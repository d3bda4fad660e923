"""Sound as numbers: trimmed, levelled and paced, so that clips join into a sentence. No I/O."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float64]  # one channel, between -1 and 1

WIDEBAND_HZ: Final = 16_000
NARROWBAND_HZ: Final = 8_000

# Part of every cache key: raise it with any change below, and recordings are made anew.
PROCESSING_VERSION: Final = 5

SPEECH_LEVEL: Final = 0.12  # root mean square of the vowels, more or less: -18 dBFS
VOWELS_BELOW_LOUDEST: Final = 0.1  # -20 dB; else "six", which is mostly hiss, would be shouted
PEAK_LIMIT: Final = 0.7  # -3 dBFS: room for a resampler and a codec to overshoot
SILENCE_BELOW_LOUDEST: Final = 0.003  # -50 dB: the "f" of "five" is hardly louder
INAUDIBLE: Final = 1e-5
QUIET_BELOW: Final = 0.03  # the loudest frame of a finished clip has 0.14 and more
CLIPPED_FROM: Final = 0.999
FRAME_S: Final = 0.01
KEPT_BEFORE_S: Final = 0.01
KEPT_AFTER_S: Final = 0.01
FADE_S: Final = 0.005

# Asterisk starts its G.722 encoder anew with every file, while the phone's decoder goes on. The
# decoder needs this much silence to follow; without, every clip that begins with a vowel begins
# with a bang. Silence at the end of a clip does not help.
LEAD_S: Final = 0.08
# Heard after a clip, by how its text ends; inside a sentence the lead of the next clip is enough.
PAUSE_S: Final = {".": 0.25, "?": 0.25, ",": 0.10}


class SilentSoundError(ValueError):
    """There is nothing to hear."""


@dataclass(frozen=True, slots=True)
class Sound:
    samples: Samples
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz


def prompt_of(sound: Sound, text: str) -> Sound:
    """A rendering as it comes from an engine, made ready to be played: 16 kHz.

    Raises:
        SilentSoundError: nothing can be heard in it.
    """
    wideband = resampled(sound, WIDEBAND_HZ)
    return paced(levelled(trimmed(wideband)), text)


def pause_of(text: str) -> Sound | None:
    """The silence that a text without words stands for; None: somebody must speak it."""
    if any(character.isalnum() for character in text):
        return None
    return paced(Sound(np.zeros(0), WIDEBAND_HZ), text)


def narrowband(sound: Sound) -> Sound:
    return resampled(sound, NARROWBAND_HZ)


def joined(sounds: list[Sound]) -> Sound:
    """The sounds one after another; all have the rate of the first."""
    return Sound(np.concatenate([sound.samples for sound in sounds]), sounds[0].rate_hz)


def resampled(sound: Sound, rate_hz: int) -> Sound:
    """Exact for clips of a few seconds: the spectrum is cut off or extended with nothing."""
    if sound.rate_hz == rate_hz or len(sound.samples) == 0:
        return Sound(sound.samples, rate_hz)
    length = round(len(sound.samples) * rate_hz / sound.rate_hz)
    spectrum = np.fft.rfft(sound.samples)
    samples = np.fft.irfft(spectrum[: length // 2 + 1], length) * (length / len(sound.samples))
    return Sound(samples.astype(np.float64), rate_hz)


def trimmed(sound: Sound) -> Sound:
    """Without the silence around it, so that clips follow each other like words."""
    levels = _levels(sound)
    loudest = np.max(levels, initial=0)
    loud = np.flatnonzero(levels > max(loudest * SILENCE_BELOW_LOUDEST, INAUDIBLE))
    if len(loud) == 0:
        raise SilentSoundError("nothing can be heard")
    frame = int(FRAME_S * sound.rate_hz)
    start = max(0, int(loud[0]) * frame - int(KEPT_BEFORE_S * sound.rate_hz))
    end = (int(loud[-1]) + 1) * frame + int(KEPT_AFTER_S * sound.rate_hz)
    return Sound(_faded(sound.samples[start:end], int(FADE_S * sound.rate_hz)), sound.rate_hz)


def levelled(sound: Sound) -> Sound:
    """At the loudness of all other clips, and never clipped."""
    levels = _levels(sound)
    speech = np.sqrt(np.mean(levels[levels > np.max(levels) * VOWELS_BELOW_LOUDEST] ** 2))
    peak = np.max(np.abs(sound.samples))
    return Sound(sound.samples * min(SPEECH_LEVEL / speech, PEAK_LIMIT / peak), sound.rate_hz)


def is_quiet(sound: Sound) -> bool:
    """A caller would have to guess it among the others."""
    return float(np.max(_levels(sound), initial=0)) < QUIET_BELOW


def is_clipped(sound: Sound) -> bool:
    """It reaches full scale, which nothing that was `levelled` does."""
    return float(np.max(np.abs(sound.samples), initial=0)) >= CLIPPED_FROM


def paced(sound: Sound, text: str) -> Sound:
    """With silence before it, and after it the pause that the text's last character asks for."""
    lead = np.zeros(int(LEAD_S * sound.rate_hz))
    pause = np.zeros(int(PAUSE_S.get(text[-1:], 0) * sound.rate_hz))
    return Sound(np.concatenate([lead, sound.samples, pause]), sound.rate_hz)


def _levels(sound: Sound) -> Samples:
    """The root mean square of every whole frame."""
    frame = int(FRAME_S * sound.rate_hz)
    whole = len(sound.samples) // frame * frame
    frames = sound.samples[:whole].reshape(-1, frame)
    return np.asarray(np.sqrt(np.mean(frames**2, axis=1)), dtype=np.float64)


def _faded(samples: Samples, fade: int) -> Samples:
    """No click where a clip begins or ends."""
    faded = samples.copy()
    if len(faded) < 2 * fade:
        return faded
    ramp = np.linspace(0, 1, fade)
    faded[:fade] *= ramp
    faded[-fade:] *= ramp[::-1]
    return faded
