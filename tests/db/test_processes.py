"""Sixteen processes on one balance, and fifty callers at one moment."""

import pytest

from tests.db.stampede import race, stampede
from tests.fakes.charging import gbp

DEBITS = 1_600  # `python -m tests.db.stampede` makes 100,000


@pytest.mark.timeout(300)
def test_debits_of_sixteen_processes_add_up_to_the_last_micro(url: str) -> None:
    found = stampede(url, DEBITS)
    assert found.debits == DEBITS
    assert found.repeated > DEBITS // 4
    assert found.end.available == found.end.reserved == gbp("0")
    assert found.lowest_seen == 0
    assert found.problems == ()


@pytest.mark.parametrize("money_for", [1, 17, 49])
def test_of_fifty_callers_at_one_moment_exactly_those_with_money_are_authorised(
    url: str, money_for: int
) -> None:
    authorised, end = race(url, callers=50, money_for=money_for)
    assert authorised == money_for
    assert end.available == gbp("0")
    assert end.reserved.micros == 10_000 * authorised
