"""What the codecs of a telephone leave of a sound."""

import numpy as np
import pytest

from prompts.audio import Sound
from studio.line import CODECS, through

pytestmark = [pytest.mark.live, pytest.mark.hearing]  # where the ear's packages are


@pytest.mark.parametrize("codec", CODECS)
def test_a_tone_is_a_tone_after_the_line_and_a_little_noisier(codec: str) -> None:
    times = np.arange(16_000) / 16_000
    heard = through(Sound(0.5 * np.sin(2 * np.pi * 1_000 * times), 16_000), codec)
    assert heard.rate_hz == CODECS[codec].rate_hz
    assert heard.duration_s == pytest.approx(1, abs=0.03)
    spectrum = np.abs(np.fft.rfft(heard.samples)) ** 2
    tone = np.argmax(spectrum)
    assert tone / heard.duration_s == pytest.approx(1_000, abs=2)
    assert 0.9 < np.sum(spectrum[tone - 5 : tone + 6]) / np.sum(spectrum) < 0.999999
