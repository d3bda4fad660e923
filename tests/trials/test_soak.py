"""What a soak calls a leak."""

from trials.soak import growth

MB = 1_000_000


def test_memory_that_settles_after_the_warm_up_is_flat() -> None:
    assert growth("application", [50 * MB, 70 * MB, 71 * MB, 70 * MB, 72 * MB]) == []


def test_memory_that_keeps_growing_is_a_leak() -> None:
    grown = growth("application", [50 * MB, 70 * MB, 80 * MB, 90 * MB, 100 * MB])
    assert grown == ["application: memory grew from 70.0 to 100.0 MB"]


def test_soak_too_short_for_a_second_look_says_nothing_of_memory() -> None:
    assert growth("application", [50 * MB]) == []
