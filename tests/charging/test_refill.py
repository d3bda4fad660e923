"""The table of a charge, row by row, and the rules that hold over all of it."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from charging import refill_table
from charging.card_processor import (
    KEY_GOOD_FOR,
    AuthenticationRequired,
    Cancelled,
    Declined,
    DisputeClosed,
    DisputeOpened,
    FraudWarning,
    Invalid,
    NotThere,
    Pending,
    Refunded,
    RefundFailed,
    RefundPending,
    Succeeded,
    Unknown,
)
from charging.errors import NotRefundable
from charging.money import Money
from charging.notices import NoticeKind
from charging.refill import (
    CANCEL_AFTER,
    DECLINE_RETRY,
    LONGEST_PAUSE,
    NOT_THERE_AFTER,
    OPEN,
    TOOK_NOTHING,
    Arm,
    Attempt,
    CancelIntent,
    Charge,
    ChargeBack,
    ClosedByOperator,
    Command,
    Confirm,
    ConfirmAsked,
    Credit,
    Due,
    Event,
    IssueCreditNote,
    IssueDebitNote,
    LookUp,
    LookUpRefund,
    Mail,
    Pause,
    PauseReason,
    PaymentKind,
    RefundAsked,
    Restore,
    Return,
    SendRefund,
    State,
    TakeOut,
    Told,
    Withdrawn,
    is_too_early,
    step,
)
from charging.refill_table import (
    AMOUNT,
    EVERY_EVENT,
    INTENT,
    NOW,
    OFFICE,
    PAYMENT,
    UNSPENT,
    example,
)

MINUTE = timedelta(minutes=1)
SUCCEEDED = EVERY_EVENT["succeeded"]
SOFT = EVERY_EVENT["declined for now"]
FINAL = EVERY_EVENT["declined, do not try again"]
AUTHENTICATE = EVERY_EVENT["authentication required"]
PAUSED_CARD = (Pause(PauseReason.CARD), Mail(NoticeKind.REFILL_PAUSED))
TO_OPERATOR = (Pause(PauseReason.OPERATOR), Mail(NoticeKind.OPERATOR))


def after(
    state: State | Attempt, *events: Event, at: datetime = NOW
) -> tuple[Attempt, tuple[Command, ...]]:
    """Where some events lead, and what the last of them has done."""
    attempt = state if isinstance(state, Attempt) else example(state)
    commands: tuple[Command, ...] = ()
    for event in events:
        attempt, commands = step(attempt, event, now=at)
    return attempt, commands


def top_up(state: State) -> Attempt:
    return replace(example(state), kind=PaymentKind.TOP_UP, return_url="https://portal")


def test_an_attempt_is_sent_under_the_key_of_its_try() -> None:
    sent, commands = after(State.CLAIMED, Due())
    assert (sent.state, sent.key, commands) == (State.SENT, "refill:p1:1", (Charge(),))
    again, commands = after(State.DECLINED, Due())
    assert (again.key, commands) == ("refill:p1:2", (Confirm(),))
    assert again.intent_id == INTENT


@pytest.mark.parametrize("state", sorted(OPEN | TOOK_NOTHING))
def test_a_late_success_always_credits(state: State) -> None:
    credited, commands = after(state, SUCCEEDED)
    assert credited.state is State.CREDITED
    assert commands == (Credit(), Arm(), Mail(NoticeKind.REFILL_DONE))
    assert after(credited, SUCCEEDED) == (credited, ())


def test_whoever_bought_it_gets_a_receipt() -> None:
    _, commands = after(top_up(State.SENT), SUCCEEDED)
    assert commands == (Credit(), Arm(), Mail(NoticeKind.RECEIPT))


@pytest.mark.parametrize(
    "wrong",
    [
        Succeeded(intent_id=INTENT, payment_id=PAYMENT, office_id=OFFICE, amount=UNSPENT),
        Succeeded(intent_id=INTENT, payment_id=PAYMENT, office_id="nice", amount=AMOUNT),
        Succeeded(intent_id=INTENT, payment_id="p2", office_id=OFFICE, amount=AMOUNT),
        Succeeded(
            intent_id=INTENT,
            payment_id=PAYMENT,
            office_id=OFFICE,
            amount=Money(AMOUNT.micros, "EUR"),
        ),
    ],
)
def test_a_success_of_another_amount_currency_or_office_credits_nothing_and_is_told_once(
    wrong: Succeeded,
) -> None:
    told, commands = after(State.UNKNOWN, wrong)
    assert told.open
    assert commands == TO_OPERATOR
    assert after(told, wrong) == (told, ())


def test_a_second_charge_for_one_payment_is_told_to_the_operator() -> None:
    second = EVERY_EVENT["succeeded, another intent"]
    told, commands = after(State.CREDITED, second)
    assert (told.state, told.code, commands) == (State.CREDITED, "charged_twice", TO_OPERATOR)


# --- unknown is not a decline ----------------------------------------------------------------


def test_no_reply_keeps_the_key_and_asks_ever_more_slowly() -> None:
    sent, _ = after(State.CLAIMED, Due())
    pauses = []
    for _ in range(20):
        sent, commands = after(sent, Unknown("time-out"))
        assert (sent.state, commands) == (State.UNKNOWN, ())
        assert sent.due_at is not None
        pauses.append(sent.due_at - NOW)
        sent, commands = after(sent, Due())
        assert (sent.key, sent.declines, commands) == ("refill:p1:1", 0, (Charge(),))
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_a_worker_that_died_is_replaced_under_the_same_key() -> None:
    sent, _ = after(State.CLAIMED, Due())
    again, commands = after(sent, Due(), at=NOW + MINUTE)
    assert (again.key, commands) == (sent.key, (Charge(),))


def test_a_try_of_a_known_intent_is_repeated_as_what_it_was() -> None:
    sent, _ = after(State.DECLINED, Due())
    unknown, commands = after(sent, Unknown("500"), Due())
    assert (unknown.key, commands) == ("refill:p1:2", (Confirm(),))


def test_after_23_hours_it_is_looked_up_and_then_the_operator_is_asked() -> None:
    sent, _ = after(State.CLAIMED, Due())
    late = NOW + KEY_GOOD_FOR + MINUTE
    looking, commands = after(sent, Due(), at=late)
    assert commands == (LookUp(),)
    lost, commands = after(looking, NotThere(), at=late)
    assert (lost.state, lost.due_at, commands) == (State.UNKNOWN, None, TO_OPERATOR)
    assert after(lost, ClosedByOperator())[0].state is State.CANCELLED


def test_what_is_not_there_yet_may_be_on_its_way() -> None:
    sent, _ = after(State.CLAIMED, Due())
    waiting, commands = after(sent, NotThere(), at=NOW + MINUTE)
    assert (waiting.open, commands) == (True, ())
    assert waiting.due_at == NOW + 2 * MINUTE


def test_what_is_not_decided_is_asked_about_and_not_sent_again() -> None:
    sent, _ = after(State.CLAIMED, Due())
    pending = Pending(intent_id=INTENT, payment_id=PAYMENT)
    waiting, commands = after(sent, pending, Due())
    assert (waiting.state, commands) == (State.UNKNOWN, (LookUp(),))
    assert after(waiting, SUCCEEDED)[0].state is State.CREDITED


def test_an_invalid_first_request_did_nothing_and_any_other_is_looked_up() -> None:
    invalid = Invalid("amount_too_small", "")
    first, _ = after(State.CLAIMED, Due())
    refused, commands = after(first, invalid)
    assert (refused.state, commands) == (State.REFUSED, TO_OPERATOR)
    unknown, _ = after(first, Unknown("time-out"))
    looking, commands = after(unknown, invalid, Due())
    assert (looking.open, commands) == (True, (LookUp(),))


# --- declines ------------------------------------------------------------------------------------


def test_three_soft_declines_are_all_there_are() -> None:
    attempt, at, mails = example(State.CLAIMED), NOW, []
    for pause in (*DECLINE_RETRY, None):
        attempt, _ = step(attempt, Due(), now=at)
        attempt, commands = step(attempt, SOFT, now=at)
        mails += [command for command in commands if isinstance(command, Mail)]
        if pause is not None:
            assert (attempt.state, attempt.due_at) == (State.DECLINED, at + pause)
            at += pause
    assert (attempt.state, attempt.tries, attempt.declines) == (State.REFUSED, 3, 3)
    assert mails == [Mail(NoticeKind.REFILL_DECLINED), Mail(NoticeKind.REFILL_PAUSED)]


def test_do_not_try_again_pauses_at_once() -> None:
    refused, commands = after(State.SENT, FINAL)
    assert (refused.state, refused.code, commands) == (State.REFUSED, "lost_card", PAUSED_CARD)


def test_a_decline_ends_what_a_person_buys_and_pauses_nothing() -> None:
    refused, commands = after(top_up(State.SENT), SOFT)
    assert (refused.state, commands) == (State.REFUSED, ())


def test_a_declined_attempt_is_closed_when_it_is_withdrawn() -> None:
    closing, commands = after(State.DECLINED, Withdrawn(), Due())
    assert commands == (CancelIntent(),)
    assert after(closing, Unknown("time-out"))[0].due_at == NOW + LONGEST_PAUSE
    cancelled, _ = after(closing, Cancelled(intent_id=INTENT, payment_id=PAYMENT))
    assert cancelled.state is State.CANCELLED
    assert after(closing, SUCCEEDED)[0].state is State.CREDITED


def test_a_webhook_of_a_decline_is_asked_about_and_not_counted() -> None:
    """It may be of an earlier try; the same key replays what this one was answered."""
    told = Told(Declined(intent_id=INTENT, payment_id=PAYMENT, final=True, code="lost_card"))
    asked, commands = after(State.SENT, told)
    assert (asked.state, asked.due_at, asked.declines, commands) == (State.SENT, NOW, 0, ())
    for state in (State.DECLINED, State.CREDITED, State.REFUSED):
        assert after(state, told) == (example(state), ())


# --- withdrawn ---------------------------------------------------------------------------------


def test_off_beats_what_was_not_sent() -> None:
    cancelled, commands = after(State.CLAIMED, Withdrawn())
    assert (cancelled.state, cancelled.due_at, commands) == (State.CANCELLED, None, ())


def test_what_was_sent_finishes_but_is_not_sent_again() -> None:
    sent, _ = after(State.CLAIMED, Due())
    withdrawn, commands = after(sent, Withdrawn(), Due())
    assert commands == (LookUp(),)
    gone, _ = after(withdrawn, NotThere(), at=NOW + NOT_THERE_AFTER)
    assert gone.state is State.CANCELLED
    assert after(withdrawn, SUCCEEDED)[0].state is State.CREDITED
    declined, commands = after(withdrawn, SOFT)
    assert declined.state is State.REFUSED


# --- authentication ------------------------------------------------------------------------------


def test_authentication_pauses_at_once_and_a_person_confirms_the_same_intent() -> None:
    waiting, commands = after(State.SENT, AUTHENTICATE)
    assert waiting.state is State.AUTHENTICATION
    assert commands == (
        Pause(PauseReason.AUTHENTICATION),
        Mail(NoticeKind.REFILL_PAUSED),
    )
    confirming, commands = after(waiting, ConfirmAsked("https://portal"))
    assert (confirming.key, confirming.off_session, commands) == (
        "refill:p1:2",
        False,
        (Confirm(),),
    )
    again, commands = after(confirming, AUTHENTICATE)
    assert (again.page_url, commands) == ("https://bank", ())
    assert after(again, SUCCEEDED)[0].state is State.CREDITED


def test_whoever_buys_answers_the_bank_at_once() -> None:
    waiting, commands = after(top_up(State.SENT), AUTHENTICATE)
    assert (waiting.state, waiting.page_url, commands) == (
        State.AUTHENTICATION,
        "https://bank",
        (),
    )


def test_what_nobody_answered_is_cancelled_after_a_day() -> None:
    waiting, _ = after(State.SENT, AUTHENTICATE)
    asking, commands = after(waiting, Due(), at=NOW + MINUTE)
    assert commands == (LookUp(),)
    still, _ = after(asking, AuthenticationRequired(intent_id=INTENT, payment_id=PAYMENT))
    assert still.page_url == "https://bank"
    closing, commands = after(still, Due(), at=NOW + CANCEL_AFTER)
    assert commands == (CancelIntent(),)
    closed, _ = after(closing, Cancelled(intent_id=INTENT, payment_id=PAYMENT))
    assert (closed.state, closed.page_url) == (State.CANCELLED, "")


def test_a_person_who_was_not_believed_by_the_bank_pays_nothing() -> None:
    refused, commands = after(State.AUTHENTICATION, FINAL)
    assert (refused.state, commands) == (State.REFUSED, PAUSED_CARD)
    assert after(State.AUTHENTICATION, Withdrawn())[0].due_at == NOW


# --- refunds -------------------------------------------------------------------------------------


def test_the_unspent_is_taken_out_first_and_then_sent_back() -> None:
    refunding, commands = after(State.CREDITED, RefundAsked(UNSPENT))
    assert (refunding.state, commands) == (State.REFUNDING, (TakeOut(UNSPENT),))
    sending, commands = after(refunding, Due())
    assert (sending.refund_key, commands) == ("refund:p1", (SendRefund(),))
    refunded, commands = after(sending, EVERY_EVENT["refunded"])
    assert refunded.state is State.REFUNDED
    assert commands == (IssueCreditNote(UNSPENT), Mail(NoticeKind.REFUND_DONE, UNSPENT))
    assert after(refunded, EVERY_EVENT["refunded"]) == (refunded, ())


def test_a_refund_that_fails_gives_the_money_back_to_the_account_and_is_not_tried_again() -> None:
    failed = RefundFailed(
        refund_id="r",
        intent_id=INTENT,
        payment_id=PAYMENT,
        amount=UNSPENT,
        code="closed",
        key="refund:p1",
    )
    told = Mail(NoticeKind.REFUND_FAILED, UNSPENT)
    notes: tuple[tuple[State, tuple[Command, ...]], ...] = (
        (State.REFUNDING, ()),
        (State.REFUNDED, (IssueDebitNote(UNSPENT),)),  # which was told as made
    )
    for state, note in notes:
        restored, commands = after(state, failed)
        assert restored.state is State.CREDITED
        assert commands == (Restore(UNSPENT), *note, told)
        assert after(restored, EVERY_EVENT["refunded"]) == (restored, ())
        with pytest.raises(NotRefundable):
            step(restored, RefundAsked(UNSPENT), now=NOW)
    assert after(State.REFUNDING, Invalid("no", ""))[0].state is State.CREDITED


def test_a_refund_of_which_nothing_is_known_is_asked_for_under_its_key() -> None:
    sending, _ = after(State.CREDITED, RefundAsked(UNSPENT), Due())
    again, commands = after(sending, Unknown("500"), Due())
    assert (again.state, commands) == (State.REFUNDING, (SendRefund(),))
    late, commands = after(again, Due(), at=NOW + KEY_GOOD_FOR + MINUTE)
    assert commands == (LookUpRefund(),)
    kept, commands = after(late, NotThere())
    assert (kept.state, kept.due_at, kept.code) == (State.CREDITED, None, "refund_not_found")
    assert commands == (Restore(UNSPENT), Mail(NoticeKind.REFUND_FAILED, UNSPENT))


def test_a_refund_that_was_looked_for_in_vain_and_is_told_all_the_same_leaves_the_account() -> None:
    for told in (Due(), dispute()):
        kept, _ = after(State.REFUNDING, told, NotThere())
        refunded, commands = after(kept, EVERY_EVENT["refunded"])
        assert (refunded.state, commands[0]) == (State.REFUNDED, ChargeBack(UNSPENT))
        assert after(refunded, EVERY_EVENT["refunded"]) == (refunded, ())


def test_a_pending_refund_is_looked_up() -> None:
    pending = RefundPending(
        refund_id="r", intent_id=INTENT, payment_id=PAYMENT, amount=UNSPENT, key="refund:p1"
    )
    _, commands = after(State.REFUNDING, pending, Due())
    assert commands == (LookUpRefund(),)


def test_only_what_is_credited_can_be_refunded() -> None:
    for state in set(State) - {State.CREDITED}:
        with pytest.raises(NotRefundable):
            step(example(state), RefundAsked(UNSPENT), now=NOW)


def test_a_refund_made_at_the_processors_desk_leaves_the_account_too() -> None:
    foreign = Refunded(
        refund_id="r", intent_id=INTENT, payment_id=PAYMENT, amount=AMOUNT, key="desk"
    )
    refunded, commands = after(State.CREDITED, foreign)
    assert refunded.state is State.REFUNDED
    assert commands[:2] == (ChargeBack(AMOUNT), IssueCreditNote(AMOUNT))


def test_a_second_charge_that_is_sent_back_leaves_the_account_alone() -> None:
    twice, _ = after(State.CREDITED, EVERY_EVENT["succeeded, another intent"])
    second = {"intent_id": "second", "payment_id": PAYMENT, "amount": AMOUNT}
    sent_back, commands = after(twice, Refunded(refund_id="r", **second))  # type: ignore[arg-type]
    assert (sent_back.state, sent_back.code, commands) == (State.CREDITED, "", ())
    disputed = DisputeOpened(dispute_id="d", reason="", **second)  # type: ignore[arg-type]
    assert after(sent_back, disputed) == (sent_back, ())


# --- disputes ------------------------------------------------------------------------------------


def dispute(name: str = "d", amount: Money = AMOUNT) -> DisputeOpened:
    return DisputeOpened(
        dispute_id=name, intent_id=INTENT, payment_id=PAYMENT, amount=amount, reason=""
    )


def at_desk(name: str, amount: Money) -> Refunded:
    return Refunded(refund_id=name, intent_id=INTENT, payment_id="", amount=amount)


def desk_failed(name: str) -> RefundFailed:
    return RefundFailed(
        refund_id=name, intent_id=INTENT, payment_id="", amount=UNSPENT, code="lost_card"
    )


def closed(*, won: bool, name: str = "d") -> DisputeClosed:
    return DisputeClosed(
        dispute_id=name, intent_id=INTENT, payment_id=PAYMENT, amount=AMOUNT, won=won
    )


def test_a_dispute_takes_the_money_back_once_and_pauses() -> None:
    disputed, commands = after(State.CREDITED, dispute())
    assert disputed.state is State.DISPUTED
    assert commands == (
        ChargeBack(AMOUNT),
        Pause(PauseReason.DISPUTE),
        Mail(NoticeKind.DISPUTE, AMOUNT),
    )
    assert after(disputed, dispute()) == (disputed, ())
    _, commands = after(disputed, dispute("another"))
    assert not any(isinstance(each, ChargeBack) for each in commands)
    lost, commands = after(disputed, closed(won=False))
    assert (lost.state, commands) == (State.DISPUTED, ())


def test_a_dispute_that_is_won_returns_the_money_in_whatever_order_it_is_told() -> None:
    won, commands = after(State.CREDITED, dispute(), closed(won=True))
    assert (won.state, commands) == (State.CREDITED, (Return(AMOUNT),))
    shuffled, commands = after(State.CREDITED, closed(won=True), dispute())
    assert (shuffled.state, commands) == (State.CREDITED, ())
    only_the_end, commands = after(State.CREDITED, closed(won=False))
    assert (only_the_end.state, commands[0]) == (State.DISPUTED, ChargeBack(AMOUNT))


def test_of_what_was_refunded_only_the_rest_can_be_taken_back() -> None:
    disputed, commands = after(State.REFUNDED, dispute())
    assert (disputed.state, commands[0]) == (State.DISPUTED, ChargeBack(AMOUNT - UNSPENT))
    whole = replace(example(State.REFUNDED), refund=AMOUNT)
    disputed, commands = after(whole, dispute())
    assert (disputed.state, disputed.taken_back) == (State.DISPUTED, AMOUNT)
    assert commands == (Pause(PauseReason.DISPUTE), Mail(NoticeKind.DISPUTE, AMOUNT))


def test_everything_that_is_taken_of_a_payment_is_taken_once_and_never_more_than_was_paid() -> None:
    first, commands = after(State.CREDITED, at_desk("one", UNSPENT))
    assert (first.state, commands[0]) == (State.REFUNDED, ChargeBack(UNSPENT, time=1))
    assert after(first, at_desk("one", UNSPENT)) == (first, ())
    second, commands = after(first, at_desk("two", UNSPENT))
    assert commands[:2] == (ChargeBack(UNSPENT, time=2), IssueCreditNote(UNSPENT))
    rest = AMOUNT - UNSPENT - UNSPENT
    disputed, commands = after(second, dispute())
    assert (disputed.state, commands[0]) == (State.DISPUTED, ChargeBack(rest, time=3))
    assert disputed.taken_back == AMOUNT
    more, commands = after(disputed, at_desk("three", UNSPENT))
    assert more.taken_back == AMOUNT
    # The desk did send it back, and two notes say 8 already.
    assert commands == (IssueCreditNote(rest), Mail(NoticeKind.REFUND_DONE, UNSPENT))


def test_what_is_told_in_the_wrong_order_comes_to_the_same() -> None:
    """One failed before two was made, and is told last."""
    told: list[Event] = [at_desk("one", UNSPENT), desk_failed("one"), at_desk("two", AMOUNT)]
    for events in itertools.permutations(told):
        attempt, taken = example(State.CREDITED), Money(0, "GBP")
        for event in events:
            attempt, commands = after(attempt, event)
            for command in commands:
                taken += command.amount if isinstance(command, ChargeBack) else Money(0, "GBP")
                taken -= command.amount if isinstance(command, Return) else Money(0, "GBP")
        assert (attempt.state, attempt.taken_back, taken) == (State.REFUNDED, AMOUNT, AMOUNT)


def test_what_a_dispute_took_is_not_given_back_with_a_refund() -> None:
    disputed, _ = after(State.REFUNDED, dispute())  # of the whole, though a part was sent back
    restored, commands = after(disputed, EVERY_EVENT["refund failed"])
    assert (restored.state, restored.taken_back) == (State.DISPUTED, AMOUNT)
    assert commands == (IssueDebitNote(UNSPENT), Mail(NoticeKind.REFUND_FAILED, UNSPENT))


def test_each_that_is_taken_comes_back_by_itself() -> None:
    taken, _ = after(State.CREDITED, at_desk("one", UNSPENT), at_desk("two", AMOUNT - UNSPENT))
    one_back, commands = after(taken, desk_failed("one"))
    assert one_back.state is State.REFUNDED
    assert commands == (Return(UNSPENT, time=1), IssueDebitNote(UNSPENT))
    assert after(one_back, desk_failed("one")) == (one_back, ())
    both_back, commands = after(one_back, desk_failed("two"))
    assert both_back.state is State.CREDITED
    rest = AMOUNT - UNSPENT
    assert commands == (Return(rest, time=2), IssueDebitNote(rest))
    failed_first, commands = after(State.CREDITED, desk_failed("one"), at_desk("one", UNSPENT))
    assert (failed_first.state, commands) == (State.CREDITED, ())


def test_a_dispute_that_is_won_leaves_what_was_sent_back_before() -> None:
    won, commands = after(State.REFUNDED, dispute(), closed(won=True))
    assert (won.state, won.taken_back) == (State.REFUNDED, UNSPENT)
    assert commands == (Return(AMOUNT - UNSPENT),)
    shuffled, commands = after(State.REFUNDED, closed(won=True), dispute())
    assert (shuffled.state, shuffled.taken_back, commands) == (State.REFUNDED, UNSPENT, ())
    lost, commands = after(State.REFUNDED, closed(won=False))
    assert (lost.state, commands[0]) == (State.DISPUTED, ChargeBack(AMOUNT - UNSPENT))


def test_a_refund_that_comes_back_after_a_dispute_of_the_rest_is_the_offices_again() -> None:
    disputed, _ = after(State.REFUNDED, dispute(amount=AMOUNT - UNSPENT))
    restored, commands = after(disputed, EVERY_EVENT["refund failed"])
    assert (restored.state, restored.taken_back) == (State.DISPUTED, AMOUNT - UNSPENT)
    came_back = Mail(NoticeKind.REFUND_FAILED, UNSPENT)
    assert commands == (Restore(UNSPENT), IssueDebitNote(UNSPENT), came_back)
    assert after(restored, EVERY_EVENT["refund failed"]) == (restored, ())


def test_while_a_refund_is_pending_for_days_the_rest_is_taken_at_once() -> None:
    pending, _ = after(State.REFUNDING, EVERY_EVENT["refund pending"])
    assert not is_too_early(pending, dispute())
    disputed, commands = after(pending, dispute(amount=AMOUNT - UNSPENT))
    assert (disputed.state, commands[0]) == (State.REFUNDING, ChargeBack(AMOUNT - UNSPENT))
    assert disputed.due_at == pending.due_at  # the refund is still to be asked about
    assert after(disputed, EVERY_EVENT["refunded"])[0].state is State.DISPUTED
    restored, commands = after(disputed, EVERY_EVENT["refund failed"])
    assert (restored.state, commands[0]) == (State.DISPUTED, Restore(UNSPENT))


def test_what_can_not_be_judged_yet_is_told_again() -> None:
    """The table remembers none of it."""
    of_others = (dispute(), closed(won=True), at_desk("one", UNSPENT), desk_failed("one"))
    for event in of_others:
        for state in (*OPEN, *TOOK_NOTHING, State.REFUNDING):
            assert is_too_early(example(state), event)
        for state in (State.CREDITED, State.REFUNDED, State.DISPUTED):
            assert not is_too_early(example(state), event)
    for name in ("refunded", "refund pending", "refund failed"):
        assert not is_too_early(example(State.REFUNDING), EVERY_EVENT[name])
    assert is_too_early(example(State.SENT), FraudWarning(intent_id=INTENT))
    assert not is_too_early(example(State.REFUSED), FraudWarning(intent_id=INTENT))


def test_a_dispute_while_nobody_knows_of_the_refund_has_it_looked_up_and_not_sent_again() -> None:
    """A processor may repeat an error of its own to the refund's key for a day."""
    looking, commands = after(State.REFUNDING, Due(), Unknown("HTTP 500"), dispute())
    assert (looking.state, looking.due_at, commands) == (State.REFUNDING, NOW, ())
    asked, commands = after(looking, Due())
    assert commands == (LookUpRefund(),)
    still_looking, _ = after(asked, Unknown("HTTP 500"))
    assert after(still_looking, Due())[1] == (LookUpRefund(),)


def test_a_refund_that_was_not_made_before_the_dispute_is_given_back_and_then_disputed() -> None:
    for told in (dispute(), closed(won=False)):
        kept, commands = after(State.REFUNDING, told, Due(), NotThere())
        assert (kept.state, kept.due_at, kept.code) == (State.CREDITED, None, "disputed")
        assert commands == (Restore(UNSPENT), Mail(NoticeKind.REFUND_FAILED, UNSPENT))
        disputed, commands = after(kept, told)
        assert (disputed.state, commands[0]) == (State.DISPUTED, ChargeBack(AMOUNT))
        assert after(disputed, Due()) == (disputed, ())


def test_a_refund_that_was_made_before_the_dispute_leaves_the_rest_to_it() -> None:
    refunded, commands = after(State.REFUNDING, dispute(), Due(), EVERY_EVENT["refunded"])
    assert (refunded.state, commands[0]) == (State.REFUNDED, IssueCreditNote(UNSPENT))
    disputed, commands = after(refunded, dispute())
    assert (disputed.state, commands[0]) == (State.DISPUTED, ChargeBack(AMOUNT - UNSPENT))


def test_a_fraud_warning_pauses_and_takes_nothing() -> None:
    warned, commands = after(State.CREDITED, FraudWarning(intent_id=INTENT))
    assert warned.state is State.CREDITED
    assert commands == (Pause(PauseReason.DISPUTE), Mail(NoticeKind.DISPUTE))


def test_a_dispute_before_the_credit_makes_us_look() -> None:
    looking, _ = after(State.UNKNOWN, dispute())
    assert looking.due_at == NOW


# --- over the whole table --------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY_EVENT)
@pytest.mark.parametrize("state", State)
def test_whatever_comes_is_understood_and_money_is_credited_by_a_success_alone(
    state: State, name: str
) -> None:
    event = EVERY_EVENT[name]
    try:
        changed, commands = step(example(state), event, now=NOW)
    except NotRefundable:
        assert isinstance(event, RefundAsked)
        return
    assert (Credit() in commands) == (
        changed.state is State.CREDITED and (state in OPEN or state in TOOK_NOTHING)
    )
    assert (Credit() in commands) <= isinstance(event, Succeeded)
    assert changed.key.startswith("refill:p1:")
    if not changed.open and changed.state not in {State.REFUNDING, *TOOK_NOTHING}:
        assert changed.tries == example(state).tries  # nothing is charged any more


@pytest.mark.parametrize("state", sorted(OPEN))
def test_what_is_open_is_looked_at_again(state: State) -> None:
    """But for what only the operator can tell, no attempt is forgotten."""
    for event in EVERY_EVENT.values():
        try:
            changed, _ = step(example(state), event, now=NOW)
        except NotRefundable:
            continue
        if changed.open and changed.code not in {"differs", "not_found"}:
            assert changed.due_at is not None


def test_the_document_is_the_table() -> None:
    written = Path(__file__).parents[2] / "docs" / "refill.md"
    assert written.read_text(encoding="utf-8") == refill_table.document(), "run `make docs`"
