"""Known recordings are found where they are, in order, through noise and another rate."""

import numpy as np
import pytest

from lab.likeness import found_in, likeness_of, spoken_in
from prompts.audio import Sound, joined, narrowband

RATE_HZ = 16_000
CHANCE = np.random.default_rng(7)


def sound(seconds: float = 0.5) -> Sound:
    """Noise below 2 kHz, as unlike any other as one word is to the next."""
    spectrum = np.fft.rfft(CHANCE.normal(size=int(seconds * RATE_HZ)))
    spectrum[len(spectrum) // 4 :] = 0
    return Sound(0.1 * np.fft.irfft(spectrum), RATE_HZ)


SILENCE = Sound(np.zeros(RATE_HZ // 5), RATE_HZ)
KNOWN = {name: sound() for name in ("twelve pounds", "forty", "sixty")}


def test_what_was_heard_is_named_in_its_order_and_with_its_time() -> None:
    heard = joined([SILENCE, KNOWN["forty"], SILENCE, KNOWN["twelve pounds"], KNOWN["forty"]])
    found = found_in(heard, KNOWN)
    assert [one.name for one in found] == ["forty", "twelve pounds", "forty"]
    assert [one.at_s for one in found] == pytest.approx([0.2, 0.9, 1.4], abs=0.07)


def test_noise_and_a_narrowband_phone_change_nothing() -> None:
    clean = joined([KNOWN["twelve pounds"], KNOWN["sixty"]])
    noisy = Sound(clean.samples + CHANCE.normal(size=len(clean.samples)) * 0.02, RATE_HZ)
    for recording in (noisy, narrowband(clean)):
        assert [one.name for one in found_in(recording, KNOWN)] == ["twelve pounds", "sixty"]


def test_a_packet_that_was_lost_in_the_middle_changes_nothing() -> None:
    long = sound(2.0)
    lost = np.delete(long.samples, np.arange(RATE_HZ, RATE_HZ + RATE_HZ // 50))
    assert [one.name for one in found_in(Sound(lost, RATE_HZ), {"long": long, **KNOWN})] == ["long"]


def test_of_two_that_are_alike_it_is_the_one_that_is_more_so() -> None:
    other = Sound(KNOWN["forty"].samples + 0.5 * KNOWN["sixty"].samples, RATE_HZ)
    heard = joined([SILENCE, KNOWN["forty"], SILENCE])
    assert likeness_of(other, heard) > 0.8
    assert [one.name for one in found_in(heard, {"other": other, **KNOWN})] == ["forty"]


def test_nothing_is_found_in_silence_or_in_something_else_or_in_a_part() -> None:
    half = Sound(KNOWN["forty"].samples[: RATE_HZ // 4], RATE_HZ)
    for recording in (SILENCE, sound(), half):
        assert found_in(recording, KNOWN) == []


def test_a_pause_is_no_sound_to_look_for() -> None:
    assert spoken_in(["pause", "forty"], {"pause": SILENCE, **KNOWN}).keys() == {"forty"}
