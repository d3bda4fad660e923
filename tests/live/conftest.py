"""Real Asterisk, SIPp as the carrier, baresip as the desk phones, the application as a process."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from charging.ledger import CallRecord
from charging.money import Money, parse_money
from dialplan.phones import Phone
from dialplan.render import AsteriskConfig
from lab.application import Application
from lab.carrier import BUSY, NEVER_ANSWERS, CarrierCall, Rule, hangs_up_after
from lab.paid_office import PaidOffice, Sections, make_paid_office
from lab.telephony import find_telephony
from telephony.tools import Telephony
from trials.oracle import charged_rightly

# Increments of a few seconds, so that a test sees several of them.
DECK = """\
prefix,destination,per_minute,connection,per_call,initial_s,increment_s
33,France landline,0.60,0,0,4,4
336,France mobile,0.60,0.05,0,4,4
49,Germany landline,0.60,0,0,60,60
"""
INCREMENT_S = 4
PER_INCREMENT = parse_money("0.04", "GBP")
FRANCE = "0033142685300"
BUSY_NUMBER = "0033142685386"
SILENT_NUMBER = "0033142685380"
CARRIER_ENDS_IT = "0033142685306"
RULES = (
    Rule("33142685386", BUSY),
    Rule("33142685380", NEVER_ANSWERS),
    Rule("33142685306", hangs_up_after(6_000)),
)

# With tests of up to 40 s each; begun last, they would keep one process busy and the others idle.
BEGIN_FIRST = (
    *("test_chaos", "test_escapes", "test_demo", "test_refilled_calls", "test_ami_away"),
    *("test_evidence", "test_admins_office", "test_stalled_application", "test_silent_trunks"),
    *("test_unpaid_calls_kept", "test_portal_in_a_browser"),
)

StartOffice = Callable[..., AbstractAsyncContextManager[PaidOffice]]
Adapt = Callable[[AsteriskConfig], AsteriskConfig]


def gbp(amount: str) -> Money:
    return parse_money(amount, "GBP")


def increments_of(record: CallRecord) -> int:
    return record.debited.micros // PER_INCREMENT.micros


def charged_as_billed(record: CallRecord, call: CarrierCall) -> bool:
    """By the increments of DECK, as the carrier counts them."""
    count, reserved = increments_of(record), record.reserved_intervals
    whole = record.debited.micros == PER_INCREMENT.micros * count
    return whole and charged_rightly(call, count, INCREMENT_S, reserved=reserved)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in BEGIN_FIRST)


@pytest.fixture(scope="session", autouse=True)
def copied_applications() -> Iterator[None]:
    """Python has read the application's code once, and not again for each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Application, "copied", ("ari_app",))
        yield


@pytest.fixture(scope="session")
def telephony() -> Telephony:
    return find_telephony()


@pytest.fixture
def start_office(telephony: Telephony, tmp_path: Path) -> StartOffice:
    """Start a paid office in a folder of the test's own."""

    @asynccontextmanager
    async def start(  # noqa: PLR0913 - what a test may want otherwise, by name
        *,
        opening: str | None = "10.00",
        deck: str = DECK,
        rules: Sequence[Rule] = RULES,
        settings: Sections | None = None,
        adapt: Adapt = lambda config: config,
        phones: Sequence[Phone] | None = None,
    ) -> AsyncIterator[PaidOffice]:
        paid = make_paid_office(
            telephony,
            tmp_path / "office",
            deck=deck,
            opening=None if opening is None else gbp(opening),
            settings=settings,
            rules=rules,
            adapt=lambda config: adapt(replace(config, ring_timeout_s=4)),
            phones=phones,
        )
        async with paid:
            yield paid

    return start
