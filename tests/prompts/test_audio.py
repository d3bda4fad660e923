"""Trimming, levels, resampling and pauses, on sounds whose every figure is known."""

import numpy as np
import pytest

from prompts.audio import (
    LEAD_S,
    NARROWBAND_HZ,
    PEAK_LIMIT,
    SPEECH_LEVEL,
    WIDEBAND_HZ,
    SilentSoundError,
    Sound,
    joined,
    levelled,
    narrowband,
    paced,
    pause_of,
    prompt_of,
    resampled,
    trimmed,
)
from tests.prompts.voices import tone


def level(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound.samples**2)))


def peak(sound: Sound) -> float:
    return float(np.max(np.abs(sound.samples)))


def test_silence_around_speech_is_cut_off_but_for_a_moment() -> None:
    sound = trimmed(tone(speech_s=0.5, silence_s=1.0))
    assert sound.duration_s == pytest.approx(0.5, abs=0.07)


def test_a_weak_consonant_at_the_beginning_is_kept() -> None:
    weak = np.random.default_rng(1).normal(0, 0.004, 1600)  # an "f", 37 dB below the vowel
    vowel = tone(speech_s=0.3, silence_s=0).samples
    sound = Sound(np.concatenate([np.zeros(3200), weak, vowel, np.zeros(3200)]), 16_000)
    assert trimmed(sound).duration_s >= 0.4


def test_a_clip_begins_and_ends_without_a_click() -> None:
    sound = trimmed(tone(silence_s=0))
    assert abs(sound.samples[0]) < 0.001
    assert abs(sound.samples[-1]) < 0.001


@pytest.mark.parametrize("silence", [np.zeros(16_000), np.zeros(0), np.full(50, 0.5)])
def test_what_cannot_be_heard_is_an_error(
    silence: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> None:
    with pytest.raises(SilentSoundError):
        prompt_of(Sound(silence, 16_000), "text")


@pytest.mark.parametrize("loudness", [0.001, 0.1, 3.0])
def test_every_clip_has_the_same_loudness(loudness: float) -> None:
    sound = tone(silence_s=0)
    sound = levelled(Sound(sound.samples * loudness, 16_000))
    assert level(sound) == pytest.approx(SPEECH_LEVEL, rel=0.02)


def test_a_clip_of_short_peaks_is_not_clipped() -> None:
    samples = np.random.default_rng(2).normal(0, 0.001, 16_000)
    samples[::400] = 0.9
    assert peak(levelled(Sound(samples, 16_000))) <= PEAK_LIMIT


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_resampling_keeps_duration_pitch_and_loudness(rate_hz: int) -> None:
    sound = resampled(tone(speech_s=0.5, silence_s=0.1, rate_hz=rate_hz), WIDEBAND_HZ)
    strongest = np.argmax(np.abs(np.fft.rfft(sound.samples))) / sound.duration_s
    assert sound.duration_s == pytest.approx(0.7, abs=0.001)
    assert strongest == pytest.approx(440, abs=2)
    assert peak(sound) == pytest.approx(0.3, abs=0.02)


def test_nothing_above_four_kilohertz_folds_back_into_narrowband() -> None:
    times = np.arange(16_000) / 16_000
    hiss = Sound(0.5 * np.sin(2 * np.pi * 6_000 * times), WIDEBAND_HZ)
    assert narrowband(hiss).rate_hz == NARROWBAND_HZ
    assert peak(narrowband(hiss)) < 0.01


@pytest.mark.parametrize(
    ("text", "pause_s"), [("twelve pounds", 0), ("once,", 0.10), ("Goodbye.", 0.25)]
)
def test_punctuation_decides_the_pause_after_a_clip(text: str, pause_s: float) -> None:
    sound = tone(silence_s=0)
    added_s = paced(sound, text).duration_s - sound.duration_s
    assert added_s == pytest.approx(LEAD_S + pause_s, abs=0.001)


def test_a_clip_begins_with_the_silence_that_a_wideband_decoder_needs() -> None:
    sound = prompt_of(tone(), "et")
    assert not np.any(sound.samples[: int(LEAD_S * sound.rate_hz)])


def test_a_text_without_words_is_a_pause() -> None:
    pause = pause_of(".")
    assert pause is not None
    assert pause.duration_s == pytest.approx(LEAD_S + 0.25, abs=0.001)
    assert peak(pause) == 0
    assert pause_of("mille") is None


def test_clips_are_joined_without_a_gap() -> None:
    one, two = tone(speech_s=0.2, silence_s=0), tone(speech_s=0.3, silence_s=0)
    assert joined([one, two]).duration_s == pytest.approx(0.5)
