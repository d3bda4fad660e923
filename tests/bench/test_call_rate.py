"""How the highest rate is found, on machines that are imagined."""

import pytest

from bench.call_rate import LAST_RATE_PER_S, Try, highest_rate
from bench.ways import Step


def machine(limit_per_s: int) -> tuple[Try, list[int]]:
    """Holds every rate up to its limit and fails a call at every other."""
    tried: list[int] = []

    async def attempt(rate_per_s: int) -> Step:
        tried.append(rate_per_s)
        return Step(
            rate_per_s=rate_per_s,
            calls=rate_per_s,
            failed=int(rate_per_s > limit_per_s),
            set_up_s=(0.01, 0.01),
            reached_per_s=rate_per_s,
            asterisk_cpu_s=0,
            application_cpu_s=0,
            stolen_part=0,
        )

    return attempt, tried


@pytest.mark.parametrize("limit_per_s", [1, 19, 20, 75, 150, 333])
async def test_highest_rate_is_found_to_a_twentieth(limit_per_s: int) -> None:
    attempt, _ = machine(limit_per_s)
    found = await highest_rate(attempt)
    assert found <= limit_per_s
    assert limit_per_s <= max(found + 1, found * 1.05)


async def test_search_ends_at_the_rate_that_no_office_needs() -> None:
    attempt, tried = machine(10**6)
    assert LAST_RATE_PER_S / 2 < await highest_rate(attempt) == max(tried) <= LAST_RATE_PER_S


async def test_rate_that_fails_once_is_given_a_second_chance() -> None:
    attempt, tried = machine(30)

    async def shaky(rate_per_s: int) -> Step:
        step = await attempt(rate_per_s)
        return step if len(tried) > 1 else await machine(0)[0](rate_per_s)

    assert await highest_rate(shaky) >= 29
