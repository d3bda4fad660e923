"""What is heard once is kept, by the sound and the language."""

from pathlib import Path

import numpy as np

from prompts.audio import Sound
from studio.ear import Ear


class Recogniser:
    """Writes down how long a sound is, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(
        self, samples: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", language: str
    ) -> str:
        self.asked += 1
        return f"{language} {len(samples) / 16_000:.1f}"


def test_a_sound_is_heard_once_with_silence_around_it(tmp_path: Path) -> None:
    recogniser = Recogniser()
    for _ in range(2):  # a second ear, after a restart
        ear = Ear(recogniser, tmp_path)
        assert ear.written(Sound(np.ones(8_000), 16_000), "en") == "en 1.1"
        assert ear.written(Sound(np.ones(8_000), 16_000), "fr") == "fr 1.1"
    assert recogniser.asked == 2


def test_a_sound_of_a_narrowband_phone_is_heard_at_the_rate_of_the_ear(tmp_path: Path) -> None:
    assert Ear(Recogniser(), tmp_path).written(Sound(np.ones(4_000), 8_000), "en") == "en 1.1"
