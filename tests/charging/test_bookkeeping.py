"""Which entries a bookkeeper sees: those that changed what the office owns."""

import pytest

from charging.bookkeeping import booked
from charging.commands import AuthoriseCall, TopUp
from charging.entries import PostedEntry
from charging.ledger import NO_LIMITS
from tests.db.histories import call_record
from tests.fakes.charging import gbp, rate
from tests.fakes.clock import START
from tests.fakes.ledger import MemoryLedger


@pytest.fixture
def posted() -> list[PostedEntry]:
    """A top-up, and a call that has reserved its first increment."""
    ledger = MemoryLedger()
    ledger.carry_out_now(
        TopUp(office_id="main", amount=gbp("20"), key="k", actor="test", reason="", at=START)
    )
    call = call_record("main", "call", rate("0.11"), NO_LIMITS)
    ledger.carry_out_now(AuthoriseCall(call, calls_at_once=None))
    return ledger.posted


def test_what_is_reserved_is_the_offices_still(posted: list[PostedEntry]) -> None:
    assert len(posted) == 2
    (top_up,) = booked(posted, gbp("1"))
    assert top_up.posted is posted[0]
    assert top_up.amount == gbp("20")
    assert top_up.balance == gbp("21")
