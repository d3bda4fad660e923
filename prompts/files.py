"""Sound files; the only module that knows soundfile."""

import io
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import soundfile

from prompts.audio import Sound

OPUS_COMPRESSION: Final = 0.95  # of libsndfile: 0 is 256 kbit/s, 1 is 6


class NotASoundError(ValueError):
    """The bytes are no sound file, or a damaged one."""


def read_sound(source: Path | bytes) -> Sound:
    """Any format libsndfile knows, MP3, FLAC and Opus among them; channels are mixed to one.

    Raises:
        NotASoundError: it cannot be read as a sound.
    """
    opened: str | BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        samples, rate_hz = soundfile.read(opened, dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise NotASoundError(str(error)) from error
    return Sound(np.mean(samples, axis=1), int(rate_hz))


def write_opus(file: Path, sound: Sound) -> None:
    """About 18 kbit/s, which a telephone cannot tell from the original."""
    soundfile.write(
        str(file),
        sound.samples,
        sound.rate_hz,
        format="OGG",
        subtype="OPUS",
        compression_level=OPUS_COMPRESSION,
    )


def write_wav(file: Path, sound: Sound) -> None:
    """As 16-bit PCM, which Asterisk's format_wav plays at 8 kHz (.wav) and at 16 kHz (.wav16)."""
    with file.open("wb") as out:  # what cannot be written is then an OSError with its reason
        soundfile.write(out, sound.samples, sound.rate_hz, format="WAV", subtype="PCM_16")
