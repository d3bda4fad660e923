"""A telephone line in software: what a codec leaves of a sound. FFmpeg's codecs, by PyAV."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np

from prompts.audio import NARROWBAND_HZ, WIDEBAND_HZ, Sound, resampled

FRAME_S: Final = Fraction(1, 50)
FULL_SCALE: Final = 32_767


class Codec(NamedTuple):
    offered: str  # as baresip writes it
    name: str  # as FFmpeg calls it
    rate_hz: int


CODECS: Final = {
    "G.722": Codec("G722/16000", "g722", WIDEBAND_HZ),
    "A-law": Codec("PCMA/8000", "pcm_alaw", NARROWBAND_HZ),
}


def through(sound: Sound, codec: str) -> Sound:
    """The sound as it comes out of the line, at the codec's own rate."""
    import av  # noqa: PLC0415 - comes with the ear; `make setup` does not install it

    name, rate_hz = CODECS[codec].name, CODECS[codec].rate_hz
    coder: Any = av.CodecContext.create(name, "w")
    decoder: Any = av.CodecContext.create(name, "r")
    for context in (coder, decoder):
        context.sample_rate, context.layout = rate_hz, "mono"
    coder.format, coder.time_base = "s16", Fraction(1, rate_hz)
    heard = [
        part.to_ndarray().ravel()
        for frame in (*_frames(av, resampled(sound, rate_hz)), None)
        for packet in coder.encode(frame)
        for part in decoder.decode(packet)
    ]
    return Sound(np.concatenate(heard) / FULL_SCALE, rate_hz)


def _frames(av: Any, sound: Sound) -> Iterator[Any]:
    length = int(FRAME_S * sound.rate_hz)
    samples = np.clip(sound.samples * FULL_SCALE, -FULL_SCALE, FULL_SCALE).astype(np.int16)
    for start in range(0, len(samples), length):
        part = samples[start : start + length].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate, frame.pts = sound.rate_hz, start
        yield frame
