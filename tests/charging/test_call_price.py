"""Why a call costs what it costs."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.call_price import CallState, explain_price, talk_so_far_s
from charging.ledger import CallRecord
from charging.money import Money
from charging.rates import charge_for
from charging.usecases import new_call
from tests.fakes.charging import RECEPTION, UK_PLAN, gbp, office_on, rate, request
from tests.fakes.clock import START
from tests.fakes.offices import quotation_of

RATE = rate("0.06", connection="0.05", per_call="0.10", blocks=(30, 6))


def call(**changes: object) -> CallRecord:
    quotation = quotation_of("0049301234567", RATE)
    made = new_call(
        request=request("c1", "0049301234567"),
        extension=RECEPTION,
        office=office_on(UK_PLAN),
        language="en",
        quotation=quotation,
        rate=RATE,
        now=START,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def ended(talk_s: int, *, charged: Money | None = None) -> CallRecord:
    end = START + timedelta(seconds=talk_s)
    return call(
        answered_at=START if talk_s else None,
        ended_at=end,
        settled_at=end,
        talk_s=talk_s,
        debited=charge_for(talk_s, RATE) if charged is None else charged,
    )


@given(st.integers(0, 10_000))
def test_the_parts_are_the_price_and_the_price_is_what_was_charged(talk_s: int) -> None:
    price = explain_price(ended(talk_s), START + timedelta(days=1))
    assert price.connection + price.per_call + price.time == price.price == price.charged
    assert price.billable_s == (30 + 6 * price.further_increments if talk_s else 0)
    assert price.unpaid == gbp("0")


def test_what_nothing_was_reserved_for_is_said_to_be_unpaid() -> None:
    price = explain_price(ended(40, charged=gbp("0.18")), START)
    assert price.unpaid == price.price - gbp("0.18")


@pytest.mark.parametrize(
    ("made", "state", "talk_s"),
    [
        (call(), CallState.RINGING, 0),
        (call(answered_at=START), CallState.TALKING, 13),
        (ended(0), CallState.UNANSWERED, 0),
        (ended(7), CallState.ENDED, 7),
    ],
)
def test_a_call_is_priced_by_its_talk_so_far(
    made: CallRecord, state: CallState, talk_s: int
) -> None:
    price = explain_price(made, START + timedelta(seconds=12, milliseconds=1))
    assert (price.state, price.talk_s) == (state, talk_s)
    assert price.price == charge_for(talk_s, RATE)


def test_a_clock_that_is_behind_the_answer_makes_no_talk_negative() -> None:
    assert talk_so_far_s(call(answered_at=START), START - timedelta(minutes=5)) == 1
