"""What is not charged has a row, whoever connected it; an emergency call has none."""

from collections.abc import Callable, Sequence

import pytest

from db.call_lists import ListedCall
from lab.carrier import CarrierCall
from lab.paid_office import PaidOffice
from lab.phone import Phone
from tests.live.conftest import FRANCE, StartOffice
from trials.oracle import LATE_GOODBYE_S

pytestmark = pytest.mark.live

UK_LANDLINE, SENT = "02079460000", "442079460000"
OTHER_LANDLINE, OTHER_SENT = "02079460001", "442079460001"


async def call(paid: PaidOffice, phone: Phone, number: str, *, sent: str) -> CarrierCall:
    """Dial, be answered and hang up; what the carrier says of it."""
    seen = len(phone.events)
    await phone.dial(number)
    await phone.wait_for("CALL_ESTABLISHED", after=seen)
    await phone.hang_up()
    return await paid.office.carrier.wait_for(lambda call: call.ended and call.dialled == sent)


async def rows_when(
    paid: PaidOffice, are_all: Callable[[Sequence[ListedCall]], bool]
) -> Sequence[ListedCall]:
    """The rows, once they are all there: the application writes them every two seconds."""
    while True:
        seen = len(paid.application.entries())
        rows = await paid.every_call()
        if are_all(rows):
            return rows
        await paid.application.wait_for("unpaid_calls_written", after=seen)


def all_over(count: int) -> Callable[[Sequence[ListedCall]], bool]:
    return lambda rows: len(rows) == count and not any(row.under_way for row in rows)


async def test_included_and_refused_calls_have_a_row_and_emergency_calls_have_none(
    start_office: StartOffice,
) -> None:
    async with start_office(opening=None) as paid, paid.office.phone("1001") as phone:
        await call(paid, phone, "999", sent="999")
        told = await call(paid, phone, UK_LANDLINE, sent=SENT)
        seen = len(phone.events)
        await phone.dial(FRANCE)
        await phone.wait_for("CALL_CLOSED", after=seen, timeout_s=25)
        refused, included = await rows_when(paid, all_over(2))
        assert (refused.outcome, refused.refusal) == ("refused", "insufficient_balance")
        assert (refused.number, refused.dialled) == ("33142685300", FRANCE)
        assert (included.outcome, included.number) == ("included", SENT)
        assert (included.endpoint, included.dialled) == ("1001", UK_LANDLINE)
        assert included.talk_s is not None
        assert -1 <= told.talk_s - included.talk_s <= 1 + LATE_GOODBYE_S


async def test_calls_that_the_dialplan_connected_alone_are_read_from_the_log_afterwards(
    start_office: StartOffice,
) -> None:
    async with start_office(opening=None) as paid, paid.office.phone("1001") as phone:
        await call(paid, phone, UK_LANDLINE, sent=SENT)
        await rows_when(paid, all_over(1))
        await paid.application.kill()
        told = await call(paid, phone, OTHER_LANDLINE, sent=OTHER_SENT)
        await call(paid, phone, "112", sent="112")
        seen = len(phone.events)
        await phone.dial(FRANCE)
        await phone.wait_for("CALL_CLOSED", after=seen, timeout_s=25)
        for _ in range(2):  # read once, and again after another start
            await paid.application.start()
            refused, newest, oldest = await rows_when(paid, all_over(3))
            assert (refused.refusal, refused.number) == ("unavailable", "33142685300")
            assert (newest.number, oldest.number) == (OTHER_SENT, SENT)
            assert (newest.endpoint, newest.dialled) == ("1001", OTHER_LANDLINE)
            assert newest.talk_s is not None
            assert -1 <= told.talk_s - newest.talk_s <= 1 + LATE_GOODBYE_S
            await paid.application.kill()
