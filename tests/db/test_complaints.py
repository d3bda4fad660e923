"""What users of such systems complain about, each a sentence that must hold; on both databases.

The processor of these tests is `lying`: it answers what a test tells it to, and keeps its own log.
"""

import asyncio
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from charging.bookkeeping import signed_of
from charging.card_processor import (
    AuthenticationRequired,
    Cancelled,
    Declined,
    DisputeClosed,
    DisputeOpened,
    FraudWarning,
    Refunded,
    RefundFailed,
    Succeeded,
    Unknown,
)
from charging.commands import CancelTopUp
from charging.entries import EntryKind
from charging.errors import (
    AmountNotOffered,
    BoughtJustNow,
    ChargingUnavailable,
    CurrencyMismatch,
    EntryKeyReused,
    InsufficientBalance,
    NoCardOnFile,
    NotRefundable,
    PaidByCard,
    ReceiptNotIssued,
    RefillNotAllowed,
    TopUpSpent,
    UnknownPayment,
)
from charging.money import Money
from charging.money_state import Payment
from charging.notices import NoticeKind
from charging.orders import TopUpOrder, refill_rule
from charging.receipts import Party, ReceiptKind, ReceiptTerms, VatAt
from charging.refill import Charge, State
from charging.refill_rules import PolicyState
from charging.usecases import Charging
from db import money_rows
from db.audit import audit
from db.ledger import SqlLedger, read_from
from db.money_news import money_news
from papers.receipts import receipt_page
from tests.db.money import SELLER_TERMS, WORDS, Office
from tests.fakes.charging import GERMANY, eur, gbp, request
from tests.fakes.clock import START, ManualClock


@pytest.fixture
def office(ledger: SqlLedger, engine: Engine, clock: ManualClock) -> Office:
    return Office(ledger, engine, clock)


@pytest.fixture(autouse=True)
def sound(engine: Engine) -> Iterator[None]:
    """Whatever a test did, the ledger proves itself afterwards."""
    yield
    assert read_from(engine, audit).problems == ()


# --- 1: charged two or three times ---------------------------------------------------------------


async def test_a_double_click_a_reload_and_a_time_out_charge_once(office: Office) -> None:
    await office.save_card()
    bought = await asyncio.gather(*(office.buy("20", key="form-1") for _ in range(3)))
    assert len({payment.payment_id for payment in bought}) == 1
    (work,) = await office.work()
    assert work.request == Charge()
    await office.tell(bought[0], Unknown("time-out"))
    again = await office.work_after(seconds=60)
    assert [each.payment.attempt.key for each in again] == [work.payment.attempt.key]


async def test_the_same_amount_within_a_minute_is_asked_about(
    office: Office, clock: ManualClock
) -> None:
    await office.save_card()
    await office.buy("20", key="form-1")
    clock.advance(12)
    with pytest.raises(BoughtJustNow) as asked:
        await office.buy("20", key="form-2")
    assert asked.value.seconds == 12
    await office.buy("10", key="form-3")
    await office.buy("20", key="form-4", confirmed=True)
    clock.advance(60)
    await office.buy("20", key="form-5")
    assert len(await office.money_in.payments("main", limit=10)) == 4


# --- 2: two webhooks at once credit twice --------------------------------------------------------


async def test_a_success_told_twenty_times_at_once_credits_once(
    office: Office, url: str, clock: ManualClock
) -> None:
    await office.save_card()
    payment = await office.buy("20")
    await office.work()
    async with office.others(url, 4) as workers:
        await asyncio.gather(
            *(
                worker.tell(payment, succeeded(payment), at=clock.now())
                for worker in workers
                for _ in range(5)
            )
        )
    assert await office.available() == gbp("20")
    assert office.kinds() == [EntryKind.TOP_UP]


async def test_the_database_refuses_a_second_credit_and_one_of_another_amount(
    office: Office, engine: Engine
) -> None:
    """Were the rules wrong, the money still could not be."""
    await office.save_card()
    first, second = await office.buy("20"), await office.buy("10", key="other")
    await office.tell(first, succeeded(first))
    credited = {"key": f"top-up:main:{first.payment_id}", "id": second.payment_id}
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(
            text("UPDATE payments SET state = 'credited', entry_key = :key WHERE payment_id = :id"),
            credited,
        )
    for statement in (
        "UPDATE payments SET micros = 1",
        "UPDATE payments SET entry_key = NULL",
        "DELETE FROM payments",
        "UPDATE receipts SET total_micros = 2",
        "DELETE FROM receipts",
    ):
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(text(statement))


# --- 3: charged, never credited ------------------------------------------------------------------


async def test_with_every_webhook_lost_and_the_worker_killed_a_poll_credits(
    office: Office,
) -> None:
    await office.save_card()
    payment = await office.buy("20")
    await office.work()  # and dies here, after the processor took the money
    (work,) = await office.work_after(seconds=61)
    assert (work.payment.payment_id, work.payment.attempt.key) == (
        payment.payment_id,
        f"top-up:{payment.payment_id}:1",
    )
    await office.tell(work.payment, succeeded(payment))
    assert await office.available() == gbp("20")


async def test_a_late_success_credits_what_was_given_up(office: Office) -> None:
    await office.save_card()
    payment = await office.buy("20")
    await office.work()
    await office.tell(payment, declined(payment, final=True))
    assert (await office.payment(payment)).state is State.REFUSED
    await office.tell(payment, succeeded(payment))
    assert await office.available() == gbp("20")


# --- 4: a fixed increment repeats in a loop ------------------------------------------------------


async def test_a_shortfall_larger_than_the_amount_is_one_charge_of_a_whole_multiple(
    office: Office,
) -> None:
    await office.fill("1")
    await office.save_card()
    await office.arm("10", "35")
    (refill,) = await office.refills()
    assert refill.amount == gbp("40")
    await office.work()
    await office.tell(refill, succeeded(refill))
    assert await office.available() == gbp("41")
    assert len(await office.refills()) == 1


# --- 5: 486 declines in 4.5 hours ----------------------------------------------------------------


async def test_1000_refused_calls_are_at_most_three_attempts(
    office: Office, charging: Charging, clock: ManualClock
) -> None:
    await office.fill("6")
    await office.save_card()
    await office.arm("10", "5")
    await office.spend("5.99")
    tries = 0
    for n in range(1000):
        with pytest.raises(InsufficientBalance):
            await charging.authorise(request(f"c{n}"))
        clock.advance(15)
        for work in await office.work():
            tries += 1
            await office.tell(work.payment, declined(work.payment))
    assert tries == 3
    assert (await office.policy()).state is PolicyState.PAUSED
    (refill,) = await office.refills()
    assert refill.state is State.REFUSED


# --- 6: 3-D Secure counted as success, then retried ----------------------------------------------


async def test_authentication_pauses_at_once_is_mailed_and_is_resolved_by_a_person(
    office: Office, clock: ManualClock
) -> None:
    await office.refill_is_sent()
    (refill,) = await office.refills()
    await office.tell(refill, AuthenticationRequired(intent_id="i1", payment_id=refill.payment_id))
    assert (await office.policy()).paused_for == "authentication"
    assert NoticeKind.REFILL_PAUSED in office.mails()
    assert await office.available() == gbp("4")
    for _ in range(12):  # an hour, in which it is only looked at
        assert all(work.request != Charge() for work in await office.work_after(seconds=300))
    confirmed = await office.money_in.confirm(
        "main", refill.payment_id, by="user:anna", return_url="https://portal/back"
    )
    clock.advance(1)
    (work,) = await office.work()
    assert not work.payment.attempt.off_session
    assert work.payment.attempt.intent_id == confirmed.attempt.intent_id == "i1"
    await office.tell(refill, succeeded(refill, intent_id="i1"))
    assert (await office.policy()).state is PolicyState.ARMED
    assert await office.available() == gbp("14")


async def test_what_nobody_answered_for_a_day_is_cancelled(office: Office) -> None:
    await office.refill_is_sent()
    (refill,) = await office.refills()
    await office.tell(refill, AuthenticationRequired(intent_id="i1", payment_id=refill.payment_id))
    (work,) = await office.work_after(seconds=24 * 3600)
    assert type(work.request).__name__ == "CancelIntent"
    await office.tell(refill, Cancelled(intent_id="i1", payment_id=refill.payment_id))
    assert (await office.payment(refill)).state is State.CANCELLED
    assert (await office.policy()).state is PolicyState.PAUSED


# --- 7 and 8: hours of silence; an alert never sent ----------------------------------------------


async def test_the_first_decline_mails_and_low_balance_mails_whatever_the_refill_does(
    office: Office,
) -> None:
    await office.refill_is_sent()
    (refill,) = await office.refills()
    await office.tell(refill, declined(refill))
    assert office.mails() == [NoticeKind.LOW_BALANCE, NoticeKind.REFILL_DECLINED]
    assert (await office.payment(refill)).state is State.DECLINED


async def test_a_low_balance_is_told_once_for_each_time_that_money_ran_low(
    office: Office, charging: Charging
) -> None:
    await office.fill("6")
    for n in range(3):  # set aside and released again, around the level
        await charging.authorise(request(f"c{n}"))
        await charging.settle(f"c{n}", talk_s=0, ended_at=START, hangup_cause=16)
    assert office.mails() == []
    await office.spend("1.5")
    for n in range(3):
        await charging.authorise(request(f"d{n}"))
        await charging.settle(f"d{n}", talk_s=0, ended_at=START, hangup_cause=16)
    assert office.mails() == [NoticeKind.LOW_BALANCE]
    await office.fill("10", key="more")
    await office.spend("10", key="more")
    assert office.mails() == [NoticeKind.LOW_BALANCE] * 2


async def test_debits_of_several_processes_at_once_tell_one_crossing_once(
    office: Office, url: str
) -> None:
    await office.fill("6")
    async with office.others(url, 4) as others:
        await asyncio.gather(
            *(each.spend("0.5", key=f"spent-{n}") for n, each in enumerate((*others, office)))
        )
    assert await office.available() == gbp("3.5")
    assert office.mails() == [NoticeKind.LOW_BALANCE]


async def test_a_low_balance_is_told_in_the_transaction_that_makes_it_low_or_not_at_all(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.fill("6")

    def full(*_: object) -> None:
        raise OperationalError("INSERT INTO notices", {}, Exception("disk full"))

    with monkeypatch.context() as broken:
        broken.setattr(money_rows, "tell", full)
        with pytest.raises(ChargingUnavailable):
            await office.spend("2")
    assert (await office.available(), office.mails()) == (gbp("6"), [])
    await office.spend("2")
    assert (await office.available(), office.mails()) == (gbp("4"), [NoticeKind.LOW_BALANCE])


async def test_an_office_chooses_when_its_balance_is_low_or_never(office: Office) -> None:
    await office.fill("6")
    await office.money_in.set_notice_level("main", gbp("0"), by="user:anna")
    await office.spend("3")
    assert office.mails() == []
    await office.money_in.set_notice_level("main", gbp("2.5"), by="user:anna")
    await office.spend("1", key="again")
    assert office.mails() == [NoticeKind.LOW_BALANCE]
    with pytest.raises(CurrencyMismatch):
        await office.money_in.set_notice_level("main", eur("1"), by="user:anna")


# --- 9: forty recharges in an hour ---------------------------------------------------------------


async def test_ceilings_hold_and_a_burst_mails_at_once(office: Office, clock: ManualClock) -> None:
    await office.fill("6")
    await office.save_card()
    await office.arm("10", "5")
    for n in range(40):
        await office.spend_all(key=f"theft-{n}")
        clock.advance(90)
        await office.look_again()
        for work in await office.work():
            await office.tell(work.payment, succeeded(work.payment))
    refills = await office.refills()
    assert sum(each.amount.micros for each in refills) == 50_000_000
    assert office.mails().count(NoticeKind.REFILL_BURST) in {1, 2}  # an hour may end meanwhile
    assert office.mails().count(NoticeKind.REFILL_CEILING) == 1
    policy = await office.policy()
    assert policy.state is PolicyState.HELD
    assert policy.look_at is not None
    clock.set(policy.look_at)
    await office.look_again()
    assert len(await office.refills()) == len(refills) + 1  # the window has moved on
    assert (await office.policy()).state is PolicyState.ARMED


# --- 10: charged while off -----------------------------------------------------------------------


async def test_it_is_off_by_default_and_a_consent_is_stored(office: Office) -> None:
    await office.fill("6")
    await office.save_card()
    await office.spend("5")
    assert await office.refills() == []
    assert (await office.policy()).state is PolicyState.OFF
    await office.arm("10", "5")
    consent = (await office.policy()).consent
    assert consent is not None
    assert (consent.by, consent.at, consent.words) == ("user:anna", START, WORDS)


async def test_without_a_card_nothing_is_armed(office: Office) -> None:
    with pytest.raises(NoCardOnFile):
        await office.arm("10", "5")
    with pytest.raises(NoCardOnFile):
        await office.buy("10")


async def test_off_beats_what_was_not_sent(office: Office) -> None:
    await office.fill("4")
    await office.save_card()
    await office.arm("10", "5")
    await office.money_in.disable_refill("main", by="user:anna")
    (refill,) = await office.refills()
    assert refill.state is State.CANCELLED
    assert await office.work_after(seconds=3600) == []


async def test_what_was_sent_before_it_was_switched_off_finishes_and_credits(
    office: Office,
) -> None:
    await office.refill_is_sent()
    await office.money_in.disable_refill("main", by="user:anna")
    (refill,) = await office.refills()
    await office.tell(refill, succeeded(refill))
    assert await office.available() == gbp("14")
    await office.spend("13")
    assert len(await office.refills()) == 1


async def test_off_and_a_crossing_at_once_end_with_nothing_that_could_be_charged(
    office: Office, url: str
) -> None:
    await office.fill("6")
    await office.save_card()
    await office.arm("10", "5")
    async with office.others(url, 1) as (other,):
        await asyncio.gather(
            office.spend("5"), other.money_in.disable_refill("main", by="user:anna")
        )
    assert all(refill.state is State.CANCELLED for refill in await office.refills())
    assert await office.work_after(seconds=3600) == []


# --- 11: a refund or a charge-back leaves the credit ---------------------------------------------


async def test_a_cancellation_takes_out_the_unspent_first_and_credits_a_note(
    office: Office,
) -> None:
    payment = await office.bought("20")
    await office.spend("14")
    await office.cancel(payment)
    assert await office.available() == gbp("0")
    (work,) = await office.work()
    assert work.payment.attempt.taken_back == gbp("6")
    await office.tell(
        payment,
        Refunded(
            refund_id="r",
            intent_id=f"intent-of-{payment.payment_id}",
            payment_id=payment.payment_id,
            amount=gbp("6"),
            key=work.payment.attempt.refund_key,
        ),
    )
    note = office.receipt(payment, ReceiptKind.CREDIT_NOTE)
    assert (note.total, note.vat, note.of_number) == (gbp("6"), gbp("1"), 1)
    assert office.kinds() == [EntryKind.TOP_UP, EntryKind.DEDUCT, EntryKind.TOP_UP_CANCEL]
    assert (await office.cancel(payment)).state is State.REFUNDED  # asked twice


async def test_a_refund_that_fails_is_the_offices_money_again(office: Office) -> None:
    payment = await office.bought("20")
    await office.cancel(payment)
    await office.work()
    await office.tell(
        payment,
        RefundFailed(
            refund_id="r",
            intent_id=f"intent-of-{payment.payment_id}",
            payment_id=payment.payment_id,
            amount=gbp("20"),
            code="lost_card",
            key=f"refund:{payment.payment_id}",
        ),
    )
    assert await office.available() == gbp("20")
    assert office.mails()[-1] is NoticeKind.REFUND_FAILED
    with pytest.raises(NotRefundable):
        await office.cancel(payment)


async def test_what_is_spent_cannot_be_cancelled(office: Office) -> None:
    payment = await office.bought("20")
    await office.spend("20")
    with pytest.raises(TopUpSpent):
        await office.cancel(payment)
    with pytest.raises(UnknownPayment):
        await office.money_in.cancel_top_up("main", "nothing", by="cli:me", reason="")


async def test_money_of_a_card_is_not_taken_out_without_going_back_to_it(office: Office) -> None:
    payment = await office.bought("20")
    cancel = CancelTopUp(
        office_id="main", key=payment.payment_id, actor="cli:me", reason="", at=START
    )
    with pytest.raises(PaidByCard):
        await office.ledger.carry_out(cancel)


async def test_a_charge_back_of_spent_money_is_owed_and_pauses(office: Office) -> None:
    payment = await office.bought("20")
    await office.arm("10", "5")
    await office.spend("14")
    await office.tell(payment, dispute(payment))
    assert await office.available() == gbp("0")
    assert office.owed() == -14_000_000
    assert (await office.policy()).paused_for == "dispute"
    with pytest.raises(RefillNotAllowed):
        await office.money_in.try_again("main", by="user:anna")
    await office.money_in.try_again("main", by="cli:me", operator=True)
    with pytest.raises(NotRefundable):
        await office.cancel(payment)


async def test_a_dispute_that_is_won_pays_what_was_owed_by_it(office: Office) -> None:
    payment = await office.bought("20")
    await office.spend("14")
    await office.tell(payment, dispute(payment))
    await office.tell(
        payment,
        DisputeClosed(
            dispute_id="d",
            intent_id=f"intent-of-{payment.payment_id}",
            payment_id="",
            amount=gbp("20"),
            won=True,
        ),
    )
    assert (await office.available(), office.owed()) == (gbp("6"), 0)


async def test_what_is_owed_is_paid_first_by_the_next_payments_of_the_card(office: Office) -> None:
    payment = await office.bought("20")
    await office.spend("14")
    await office.tell(payment, dispute(payment))
    await office.bought("10", key="too little")
    assert (await office.available(), office.owed()) == (gbp("0"), -4_000_000)
    second = await office.bought("50", key="enough")
    assert (await office.available(), office.owed()) == (gbp("46"), 0)
    await office.tell(payment, dispute_won(payment))
    assert (await office.available(), office.owed()) == (gbp("66"), 0)
    await office.tell(second, dispute(second, "of the second"))
    assert (await office.available(), office.owed()) == (gbp("16"), 0)


async def test_a_bank_may_take_a_payment_back_more_than_once(office: Office) -> None:
    """Each time has entries of its own, and each is won or lost by itself."""
    payment = await office.bought("20")
    for name in ("first", "second", "third"):
        await office.tell(payment, dispute(payment, name))
        assert (await office.available(), office.owed()) == (gbp("0"), 0)
        await office.tell(payment, dispute_won(payment, name))
        assert (await office.available(), office.owed()) == (gbp("20"), 0)
    await office.spend("14")
    await office.tell(payment, dispute(payment, "fourth"))
    assert (await office.available(), office.owed()) == (gbp("0"), -14_000_000)
    await office.tell(payment, dispute_won(payment, "fourth"))
    assert (await office.available(), office.owed()) == (gbp("6"), 0)


async def test_money_that_could_not_be_sent_back_may_be_taken_back_and_returned(
    office: Office,
) -> None:
    payment = await office.bought("20")
    await office.tell(payment, dispute(payment))
    await office.tell(payment, dispute_won(payment))
    await office.cancel(payment)
    await office.tell(
        payment,
        RefundFailed(
            refund_id="r",
            intent_id=f"intent-of-{payment.payment_id}",
            payment_id=payment.payment_id,
            amount=gbp("20"),
            code="lost_card",
            key=payment.attempt.refund_key,
        ),
    )
    assert await office.available() == gbp("20")
    await office.tell(payment, dispute(payment, "again"))
    await office.tell(payment, dispute_won(payment, "again"))
    assert (await office.available(), office.owed()) == (gbp("20"), 0)


async def test_each_refund_at_the_processors_desk_leaves_the_account_with_a_note_of_its_own(
    office: Office,
) -> None:
    payment = await office.bought("20")
    for name in ("one", "two", "one"):  # told twice
        await office.tell(payment, at_desk(payment, name, "5"))
    assert (await office.available(), office.owed()) == (gbp("10"), 0)
    credit = ReceiptKind.CREDIT_NOTE
    papers = [ReceiptKind.RECEIPT, credit, credit]
    assert [each.kind for each in office.papers()] == papers
    assert office.kinds() == [EntryKind.TOP_UP, EntryKind.CHARGEBACK, EntryKind.CHARGEBACK]
    await office.tell(
        payment,
        RefundFailed(
            refund_id="one",
            intent_id=f"intent-of-{payment.payment_id}",
            payment_id="",
            amount=gbp("5"),
            code="lost_card",
        ),
    )
    assert await office.available() == gbp("15")
    assert [each.kind for each in office.papers()] == [*papers, ReceiptKind.DEBIT_NOTE]
    assert sum(signed_of(each)[2].micros for each in office.papers()) == 15_000_000
    found = await office.payment(payment)
    assert (found.state, found.attempt.taken_back) == (State.REFUNDED, gbp("5"))
    await office.tell(payment, dispute(payment))
    await office.tell(payment, dispute_won(payment))
    assert (await office.available(), office.owed()) == (gbp("15"), 0)
    assert (await office.payment(payment)).state is State.REFUNDED


async def test_a_refund_that_came_back_may_be_made_again_at_the_processors_desk(
    office: Office,
) -> None:
    payment = await office.bought("20")
    await office.cancel(payment)
    await office.work()
    intent_id, key = f"intent-of-{payment.payment_id}", payment.attempt.refund_key
    ours = Refunded(
        refund_id="r",
        intent_id=intent_id,
        payment_id=payment.payment_id,
        amount=gbp("20"),
        key=key,
    )
    await office.tell(payment, ours)
    failed = RefundFailed(
        refund_id="r",
        intent_id=intent_id,
        payment_id=payment.payment_id,
        amount=gbp("20"),
        code="lost_card",
        key=key,
    )
    await office.tell(payment, failed)
    assert await office.available() == gbp("20")
    await office.tell(payment, at_desk(payment, "again", "20"))
    assert (await office.available(), office.owed()) == (gbp("0"), 0)
    totals = [signed_of(each)[2].micros for each in office.papers()]
    assert totals == [20_000_000, -20_000_000, 20_000_000, -20_000_000]


async def test_a_fraud_warning_pauses_the_refill_mails_and_takes_nothing(office: Office) -> None:
    payment = await office.bought("20")
    await office.arm("10", "5")
    await office.tell(payment, FraudWarning(intent_id=f"intent-of-{payment.payment_id}"))
    assert (await office.available(), office.owed()) == (gbp("20"), 0)
    assert (await office.policy()).paused_for == "dispute"
    assert NoticeKind.DISPUTE in office.mails()
    await office.spend("19")
    assert await office.refills() == []


async def test_a_dispute_that_is_told_before_the_success_waits_for_it(office: Office) -> None:
    await office.save_card()
    payment = await office.buy("20")
    await office.work()
    recorded = await office.tell(payment, dispute(payment))
    assert not recorded.handled
    await office.tell(payment, succeeded(payment))
    assert (await office.tell(payment, dispute(payment))).handled
    assert await office.available() == gbp("0")


# --- 12: a VAT number missing, or a placeholder printed ------------------------------------------


async def test_receipts_are_numbered_without_gaps_with_seller_and_buyer_as_they_were(
    office: Office, clock: ManualClock
) -> None:
    await office.money_in.set_buyer(
        "main", Party(name="Anna & Co", vat_number="GB987"), language="fr", by="user:anna"
    )
    first = await office.bought("20")
    await office.money_in.set_buyer("main", Party(name="Other"), language="en", by="user:anna")
    clock.advance(100)
    await office.bought("10", key="second")
    one = office.receipt(first)
    assert (one.number, one.buyer.name, one.buyer.vat_number, one.language) == (
        1,
        "Anna & Co",
        "GB987",
        "fr",
    )
    assert (one.vat, one.card) == (gbp("3.33"), "visa 4242")
    numbers = [each.number for each in await office.money_in.receipts("main")]
    assert numbers == [2, 1]


async def test_without_a_seller_no_receipt_is_issued_until_there_is_one(office: Office) -> None:
    office.terms = None
    payment = await office.bought("20")
    with pytest.raises(ReceiptNotIssued, match=r"\[topups\] seller_name"):
        await office.money_in.receipt("main", payment.payment_id)
    office.terms = SELLER_TERMS
    issued = await office.money_in.receipt("main", payment.payment_id)
    assert issued.number == 1
    assert await office.money_in.receipt("main", payment.payment_id) == issued


async def test_a_receipt_that_is_issued_late_has_the_note_of_what_was_refunded_before(
    office: Office,
) -> None:
    office.terms = None
    payment = await office.bought("20")
    await office.tell(payment, at_desk(payment, "one", "5"))
    office.terms = SELLER_TERMS
    await office.money_in.receipt("main", payment.payment_id)
    await office.tell(payment, at_desk(payment, "two", "6"))
    assert [signed_of(each)[2].micros for each in office.papers()] == [
        20_000_000,
        -5_000_000,
        -6_000_000,
    ]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("vat_number", ["GB123456789", ""])
async def test_a_receipt_has_the_vat_number_or_none_and_never_a_placeholder(
    office: Office, language: str, vat_number: str
) -> None:
    seller = Party(name="Seller Ltd", vat_number=vat_number)
    office.terms = ReceiptTerms(seller=seller, vat_at=VatAt.TOP_UP, vat_basis_points=2000)
    await office.money_in.set_buyer("main", Party(name="Anna"), language=language, by="user:anna")
    kept = await office.money_in.receipt("main", (await office.bought("20")).payment_id)
    page = receipt_page(kept, zone=ZoneInfo("Europe/London"), language=kept.language)
    shown = ("TVA" if language == "fr" else "VAT") in page
    assert (shown, vat_number in page) == (bool(vat_number), True)
    for placeholder in ("None", "N/A", "{{"):
        assert placeholder not in page


async def test_what_is_not_credited_has_no_receipt(office: Office) -> None:
    await office.save_card()
    payment = await office.buy("20")
    with pytest.raises(ReceiptNotIssued):
        await office.money_in.receipt("main", payment.payment_id)


# --- 13: a replayed notice credits again ---------------------------------------------------------


async def test_a_success_told_again_under_another_events_name_credits_nothing(
    office: Office,
) -> None:
    payment = await office.bought("20")
    for _ in range(3):
        await office.tell(payment, succeeded(payment))
    assert await office.available() == gbp("20")


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": Money(19_990_000, "GBP")},
        {"amount": Money(20_000_000, "EUR")},
        {"office_id": "nice"},
        {"payment_id": "other"},
    ],
)
async def test_a_success_of_another_amount_currency_or_office_credits_nothing(
    office: Office, wrong: dict[str, object]
) -> None:
    await office.save_card()
    payment = await office.buy("20")
    await office.work()
    told = succeeded(payment)
    fields = {name: getattr(told, name) for name in Succeeded.__dataclass_fields__}
    await office.tell(payment, Succeeded(**(fields | wrong)))
    assert await office.available() == gbp("0")
    assert office.mails() == [NoticeKind.OPERATOR]


# --- calls ---------------------------------------------------------------------------------------


async def test_a_call_that_lacks_money_begins_a_refill_and_says_so(
    office: Office, charging: Charging, engine: Engine, clock: ManualClock
) -> None:
    await office.save_card()
    await office.arm("10", "5")  # an account that never had money
    (refill,) = await office.refills()
    with pytest.raises(InsufficientBalance) as refused:
        await charging.authorise(request("c1"))
    assert refused.value.refill_under_way
    news = read_from(engine, lambda reader: money_news(reader, "main", "GBP", clock.now()))
    assert news == (gbp("0"), True)
    await office.work()
    await office.tell(refill, succeeded(refill))
    news = read_from(engine, lambda reader: money_news(reader, "main", "GBP", clock.now()))
    assert news == (gbp("10"), False)
    await charging.authorise(request("c1"))


async def test_a_call_needs_not_wait_where_no_refill_helps(
    office: Office, charging: Charging, clock: ManualClock
) -> None:
    await office.fill("0.05")
    await office.save_card()
    for n, prepare in enumerate([None, office.refill_is_sent]):
        if prepare is not None:
            await prepare()
            (refill,) = await office.refills()
            await office.tell(refill, declined(refill))
            await office.spend_all(key="rest")
        with pytest.raises(InsufficientBalance) as refused:
            await charging.authorise(request(f"c{n}"))
        assert not refused.value.refill_under_way
        clock.advance(1)


async def test_a_running_call_that_cannot_reserve_begins_a_refill(
    office: Office, charging: Charging
) -> None:
    await office.fill("5.2")
    await charging.authorise(request("c1"))
    await charging.answered("c1", leg="o1", answered_at=START)
    await office.save_card()
    await office.arm("10", "0.05")
    await office.spend("5.05")
    assert await office.refills() == []
    with pytest.raises(InsufficientBalance):
        await charging.reserve("c1", interval=1)
    (refill,) = await office.refills()
    assert refill.amount == gbp("10")
    await office.work()
    await office.tell(refill, succeeded(refill))
    await charging.reserve("c1", interval=1)


async def test_a_crossing_writes_the_attempt_in_the_transaction_of_the_reservation(
    office: Office, charging: Charging
) -> None:
    await office.fill("5.05")
    await office.save_card()
    await office.arm("10", "5")
    await charging.authorise(request("c1"))
    (refill,) = await office.refills()
    assert (refill.state, refill.amount, refill.actor) == (State.CLAIMED, gbp("10"), "refill")
    await charging.authorise(request("c2"))
    assert len(await office.refills()) == 1


async def test_a_batch_that_fails_writes_no_attempt(office: Office, charging: Charging) -> None:
    await office.fill("5.05")
    await office.save_card()
    await office.arm("10", "5")
    outcomes = await asyncio.gather(
        *(charging.authorise(request(f"c{n}", GERMANY)) for n in range(60)), return_exceptions=True
    )
    assert any(not isinstance(outcome, BaseException) for outcome in outcomes)
    assert len(await office.refills()) == 1


async def test_two_offices_never_share_an_open_refill(office: Office) -> None:
    for name in ("main", "nice"):
        await office.fill("6", office_id=name)
        await office.save_card(name)
        await office.arm("10", "5", office_id=name)
        await office.spend("5", office_id=name)
    opened = [*await office.refills(), *await office.refills("nice")]
    assert [payment.office_id for payment in opened] == ["main", "nice"]
    assert len({payment.payment_id for payment in opened}) == 2


async def test_a_new_card_ends_the_pause_and_is_charged(office: Office) -> None:
    await office.refill_is_sent()
    (refill,) = await office.refills()
    await office.tell(refill, declined(refill, final=True))
    assert (await office.policy()).paused_for == "card"
    await office.save_card(method_id="pm_new", last_four="1881")
    assert (await office.policy()).state is PolicyState.ARMED
    assert [each.card for each in await office.refills()] == ["visa 4242", "visa 1881"]
    status = await office.money_in.status("main")
    assert status.card is not None
    assert status.card.card.method_id == "pm_new"


async def test_a_declined_refill_is_confirmed_with_the_new_card_at_once(office: Office) -> None:
    await office.refill_is_sent()
    (refill,) = await office.refills()
    await office.tell(refill, declined(refill))
    await office.save_card(method_id="pm_new", last_four="1881")
    (work,) = await office.work()
    assert (work.payment.method_id, work.payment.attempt.tries) == ("pm_new", 2)


async def test_a_purchase_that_succeeds_ends_the_pause_for_the_card(office: Office) -> None:
    await office.refill_is_sent()
    (refill,) = await office.refills()
    await office.tell(refill, declined(refill, final=True))
    await office.bought("10")
    assert (await office.policy()).state is PolicyState.ARMED


async def test_refill_now_charges_although_there_is_enough_but_not_twice(office: Office) -> None:
    with pytest.raises(RefillNotAllowed):
        await office.money_in.refill_now("main", by="cli:me")
    await office.fill("20")
    await office.save_card()
    await office.arm("10", "5")
    await office.money_in.refill_now("main", by="cli:me")
    with pytest.raises(RefillNotAllowed):
        await office.money_in.refill_now("main", by="cli:me")
    (refill,) = await office.refills()
    assert refill.amount == gbp("10")


# --- what is asked for is checked ----------------------------------------------------------------


async def test_what_is_not_on_the_list_is_not_bought(office: Office) -> None:
    await office.save_card()
    for amount, error in ((gbp("15"), AmountNotOffered), (eur("10"), CurrencyMismatch)):
        with pytest.raises(error):
            await office.money_in.begin_top_up(
                "main", TopUpOrder(amount=amount), by="user:anna", key="k"
            )
        with pytest.raises(error):
            await office.money_in.set_refill(
                "main",
                refill_rule(amount=amount, threshold=Money(1, amount.currency)),
                by="user:anna",
                words=WORDS,
            )
    await office.buy("10", key="k")
    with pytest.raises(EntryKeyReused):
        await office.buy("20", key="k")
    assert len(await office.money_in.payments("main", limit=10)) == 1


async def test_payments_are_listed_page_by_page_and_never_those_of_others(
    office: Office, clock: ManualClock
) -> None:
    await office.save_card()
    await office.save_card("nice")
    for n in range(5):
        await office.buy("10", key=f"k{n}", confirmed=True)
        clock.advance(n % 2)
    other = await office.buy("10", office_id="nice")
    seen: list[str] = []
    before = None
    while page := await office.money_in.payments("main", limit=2, before=before):
        seen += [payment.payment_id for payment in page]
        before = seen[-1]
    assert len(seen) == len(set(seen)) == 5
    assert await office.money_in.payments("main", limit=2, before=other.payment_id) == ()
    with pytest.raises(UnknownPayment):
        await office.money_in.payment("main", other.payment_id)


async def test_every_change_leaves_who_made_it(office: Office) -> None:
    await office.refill_is_sent()
    await office.money_in.disable_refill("main", by="user:bob", reason="too dear")
    actions = office.changes()
    assert ("refill.off", "user:bob", "too dear") in actions
    assert [action for action, _, _ in actions] == ["card.replace", "refill.set", "refill.off"]


# --- what the tests say --------------------------------------------------------------------------


def succeeded(payment: Payment, intent_id: str = "") -> Succeeded:
    return Succeeded(
        intent_id=intent_id or f"intent-of-{payment.payment_id}",
        payment_id=payment.payment_id,
        office_id=payment.office_id,
        amount=payment.amount,
    )


def declined(payment: Payment, *, final: bool = False) -> Declined:
    return Declined(
        intent_id=f"intent-of-{payment.payment_id}",
        payment_id=payment.payment_id,
        final=final,
        code="insufficient_funds",
    )


def at_desk(payment: Payment, name: str, amount: str) -> Refunded:
    return Refunded(
        refund_id=name,
        intent_id=f"intent-of-{payment.payment_id}",
        payment_id="",
        amount=gbp(amount),
    )


def dispute_won(payment: Payment, name: str = "d") -> DisputeClosed:
    return DisputeClosed(
        dispute_id=name,
        intent_id=f"intent-of-{payment.payment_id}",
        payment_id="",
        amount=payment.amount,
        won=True,
    )


def dispute(payment: Payment, name: str = "d") -> DisputeOpened:
    return DisputeOpened(
        dispute_id=name,
        intent_id=f"intent-of-{payment.payment_id}",
        payment_id=payment.payment_id,
        amount=payment.amount,
        reason="fraudulent",
    )
