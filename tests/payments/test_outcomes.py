"""What a processor says, and what that means for a payment."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.card_processor import (
    Advice,
    AuthenticationRequired,
    Cancelled,
    CardFormClosed,
    CardNotEntered,
    CardNotSaved,
    CardRemoved,
    CardSaved,
    CardUpdated,
    Declined,
    DisputeClosed,
    DisputeOpened,
    FraudWarning,
    Invalid,
    NothingOfOurs,
    Pending,
    Refunded,
    RefundFailed,
    RefundPending,
    Succeeded,
    Unknown,
    WebhookRefused,
)
from payments.objects import CardSession, Intent, PaymentError, Refund, RequestError
from payments.outcomes import (
    AUTHENTICATION_CODES,
    FINAL_CODES,
    LISTENED_TO,
    SOFT_CODES,
    of_card_session,
    of_intent,
    of_refund,
    of_refusal,
    read_event,
)
from tests.fakes.charging import eur, gbp

OURS = {"office": "main", "payment": "p1"}
CARD = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}


def intent(status: str, **fields: Any) -> Intent:
    return Intent.model_validate(intent_fields(status, **fields))


def intent_fields(status: str, **fields: Any) -> dict[str, Any]:
    base = {"id": "pi_1", "status": status, "amount": 2000, "currency": "gbp", "metadata": OURS}
    return {**base, **fields}


# --- payments ------------------------------------------------------------------------------------


def test_what_was_received_counts_and_not_what_was_asked_for() -> None:
    assert of_intent(intent("succeeded", amount_received=1500)) == Succeeded(
        intent_id="pi_1", payment_id="p1", office_id="main", amount=gbp("15")
    )
    assert of_intent(intent("succeeded")) == Succeeded(
        intent_id="pi_1", payment_id="p1", office_id="main", amount=gbp("20")
    )


@pytest.mark.parametrize("status", ["processing", "requires_confirmation", "requires_capture"])
def test_what_is_not_decided_is_pending(status: str) -> None:
    assert of_intent(intent(status)) == Pending(intent_id="pi_1", payment_id="p1")


def test_a_cancelled_intent_takes_no_money() -> None:
    assert of_intent(intent("canceled")) == Cancelled(intent_id="pi_1", payment_id="p1")


def test_the_page_of_the_bank_is_told_where_there_is_one() -> None:
    page = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank"}}
    for action, url in ((page, "https://bank"), ({"type": "use_stripe_sdk"}, ""), (None, "")):
        assert of_intent(intent("requires_action", next_action=action)) == AuthenticationRequired(
            intent_id="pi_1", payment_id="p1", page_url=url
        )


def declined(code: str, advice: str | None = None) -> Declined | AuthenticationRequired:
    error = {"code": "card_declined", "decline_code": code, "advice_code": advice}
    answer = of_intent(intent("requires_payment_method", last_payment_error=error))
    assert isinstance(answer, Declined | AuthenticationRequired)
    return answer


@pytest.mark.parametrize("code", sorted(FINAL_CODES))
def test_what_is_wrong_with_the_card_does_not_mend_by_waiting(code: str) -> None:
    assert declined(code) == Declined(intent_id="pi_1", payment_id="p1", final=True, code=code)


@pytest.mark.parametrize("code", sorted(SOFT_CODES | {"a_code_of_next_year"}))
def test_what_may_be_another_time_is_tried_again(code: str) -> None:
    assert declined(code) == Declined(intent_id="pi_1", payment_id="p1", final=False, code=code)


@pytest.mark.parametrize("code", sorted(AUTHENTICATION_CODES))
def test_a_bank_that_wants_to_hear_the_cardholder_has_not_declined(code: str) -> None:
    assert declined(code) == AuthenticationRequired(intent_id="pi_1", payment_id="p1")


def test_no_code_means_two_things() -> None:
    assert not FINAL_CODES & SOFT_CODES
    assert not AUTHENTICATION_CODES & (FINAL_CODES | SOFT_CODES)


@pytest.mark.parametrize(
    ("advice", "final"),
    [
        ("do_not_try_again", True),
        ("confirm_card_data", True),
        ("try_again_later", False),
        ("a_word_of_next_year", False),
    ],
)
def test_the_advice_of_the_issuer_wins_over_a_soft_code(advice: str, *, final: bool) -> None:
    answer = declined("insufficient_funds", advice)
    assert isinstance(answer, Declined)
    assert answer.final is final
    assert answer.advice in {advice, Advice.NONE}


def test_an_intent_that_nobody_paid_is_declined_without_a_reason() -> None:
    assert of_intent(intent("requires_payment_method")) == Declined(
        intent_id="pi_1", payment_id="p1", final=False, code="card_declined"
    )


# --- replies that are no yes ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503, 504, 599])
def test_a_server_that_is_in_trouble_may_have_charged_all_the_same(status: int) -> None:
    error = RequestError(code="card_declined", payment_intent=intent("requires_payment_method"))
    assert of_refusal(status, error) == Unknown(f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_request_that_makes_no_sense_is_our_fault(status: int) -> None:
    error = RequestError(type="idempotency_error", message="used for another request")
    assert of_refusal(status, error) == Invalid("idempotency_error", "used for another request")
    assert of_refusal(status, RequestError()) == Invalid(f"http_{status}", "")


def test_a_declined_request_names_the_intent_that_is_tried_again() -> None:
    error = RequestError(
        code="card_declined",
        decline_code="insufficient_funds",
        payment_intent=intent("requires_payment_method"),
    )
    said = Declined(intent_id="pi_1", payment_id="p1", final=False, code="insufficient_funds")
    assert of_refusal(402, error, intent_id="pi_x", payment_id="p_x") == said
    silent = RequestError(code="card_declined")
    assert of_refusal(402, silent, intent_id="pi_x", payment_id="p_x") == Declined(
        intent_id="pi_x", payment_id="p_x", final=False, code="card_declined"
    )


# --- cards ---------------------------------------------------------------------------------------


def session(status: str, setup: Any = None) -> CardSession:
    return CardSession.model_validate(
        {"id": "cs_1", "status": status, "setup_intent": setup, "metadata": {"office": "main"}}
    )


def setup_fields(status: str, **fields: Any) -> dict[str, Any]:
    method = {"id": "pm_1", "customer": {"id": "cus_1"}, "card": CARD}
    return {"id": "seti_1", "status": status, "payment_method": method, **fields}


def test_a_finished_form_has_a_card() -> None:
    saved = of_card_session(session("complete", setup_fields("succeeded")))
    assert isinstance(saved, CardSaved)
    assert (saved.setup_id, saved.office_id) == ("cs_1", "main")
    assert (saved.card.customer_id, saved.card.method_id) == ("cus_1", "pm_1")
    assert (saved.card.brand, saved.card.last_four) == ("visa", "4242")
    assert (saved.card.expiry_month, saved.card.expiry_year) == (12, 2030)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (session("expired"), "form_expired"),
        (session("complete"), "form_expired"),
        (session("complete", setup_fields("canceled")), "cancelled"),
        (
            session(
                "complete",
                setup_fields(
                    "requires_payment_method", last_setup_error={"decline_code": "expired_card"}
                ),
            ),
            "expired_card",
        ),
        (
            session("complete", setup_fields("requires_payment_method", last_setup_error={})),
            "card_declined",
        ),
    ],
)
def test_a_form_without_a_card_says_why(asked: CardSession, code: str) -> None:
    assert of_card_session(asked) == CardNotSaved(setup_id="cs_1", office_id="main", code=code)


@pytest.mark.parametrize(
    "asked", [session("open"), session("complete", setup_fields("processing"))]
)
def test_an_open_form_is_waited_for(asked: CardSession) -> None:
    assert of_card_session(asked) == CardNotEntered(setup_id="cs_1")


# --- money back ----------------------------------------------------------------------------------


def refund_fields(status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "re_1",
        "status": status,
        "amount": 500,
        "currency": "eur",
        "payment_intent": "pi_1",
        "metadata": {**OURS, "key": "k1"},
        **fields,
    }


@pytest.mark.parametrize(
    ("status", "kind", "more"),
    [
        ("succeeded", Refunded, {}),
        ("pending", RefundPending, {}),
        ("requires_action", RefundPending, {}),
        ("failed", RefundFailed, {"code": "expired_or_canceled_card"}),
        ("canceled", RefundFailed, {"code": "canceled"}),
    ],
)
def test_a_refund_is_done_under_way_or_failed(status: str, kind: type, more: Any) -> None:
    reason = "expired_or_canceled_card" if status == "failed" else None
    refund = Refund.model_validate(refund_fields(status, failure_reason=reason))
    assert of_refund(refund) == kind(
        refund_id="re_1",
        intent_id="pi_1",
        payment_id="p1",
        amount=eur("5"),
        key="k1",
        **more,
    )


# --- events --------------------------------------------------------------------------------------


def event(kind: str, fields: Any, **more: Any) -> str:
    return json.dumps(
        {"id": "evt_1", "type": kind, "created": 1_800_000_000, "data": {"object": fields}, **more}
    )


DISPUTE = {"id": "dp_1", "amount": 2000, "currency": "gbp", "payment_intent": "pi_1"}
FACTS = {
    "payment_intent.succeeded": (
        intent_fields("succeeded"),
        Succeeded(intent_id="pi_1", payment_id="p1", office_id="main", amount=gbp("20")),
    ),
    "payment_intent.payment_failed": (
        intent_fields("requires_payment_method", last_payment_error={"code": "expired_card"}),
        Declined(intent_id="pi_1", payment_id="p1", final=True, code="expired_card"),
    ),
    "payment_intent.requires_action": (
        intent_fields("requires_action"),
        AuthenticationRequired(intent_id="pi_1", payment_id="p1"),
    ),
    "payment_intent.canceled": (
        intent_fields("canceled"),
        Cancelled(intent_id="pi_1", payment_id="p1"),
    ),
    "checkout.session.completed": (
        {"id": "cs_1", "status": "complete", "metadata": OURS},
        CardFormClosed(setup_id="cs_1", office_id="main"),
    ),
    "checkout.session.expired": (
        {"id": "cs_1", "status": "expired", "metadata": OURS},
        CardFormClosed(setup_id="cs_1", office_id="main"),
    ),
    "payment_method.automatically_updated": (
        {"id": "pm_1", "customer": "cus_1", "card": CARD},
        None,
    ),
    "payment_method.detached": ({"id": "pm_1"}, CardRemoved(method_id="pm_1")),
    "refund.created": (refund_fields("pending"), None),
    "refund.updated": (refund_fields("succeeded"), None),
    "refund.failed": (refund_fields("failed"), None),
    "charge.dispute.created": (
        {**DISPUTE, "status": "needs_response", "reason": "fraudulent"},
        DisputeOpened(
            dispute_id="dp_1",
            intent_id="pi_1",
            payment_id="",
            amount=gbp("20"),
            reason="fraudulent",
        ),
    ),
    "charge.dispute.funds_withdrawn": (
        {**DISPUTE, "status": "needs_response"},
        DisputeOpened(
            dispute_id="dp_1", intent_id="pi_1", payment_id="", amount=gbp("20"), reason=""
        ),
    ),
    "charge.dispute.closed": (
        {**DISPUTE, "status": "won"},
        DisputeClosed(
            dispute_id="dp_1", intent_id="pi_1", payment_id="", amount=gbp("20"), won=True
        ),
    ),
    "radar.early_fraud_warning.created": (
        {"id": "issfr_1", "payment_intent": "pi_1"},
        FraudWarning(intent_id="pi_1"),
    ),
}


def test_every_kind_of_event_that_is_listened_to_is_tried_here() -> None:
    assert set(FACTS) == set(LISTENED_TO)


def test_whoever_goes_live_is_told_to_choose_these_events() -> None:
    text = (Path(__file__).parents[2] / "docs" / "payments.md").read_text(encoding="utf-8")
    assert re.findall(r"^       ([a-z_.]+)$", text, re.MULTILINE) == list(LISTENED_TO)


@pytest.mark.parametrize("kind", FACTS)
def test_an_event_is_the_same_fact_as_a_reply(kind: str) -> None:
    fields, fact = FACTS[kind]
    told = read_event(event(kind, fields))
    assert (told.event_id, told.kind, told.at.timestamp()) == ("evt_1", kind, 1_800_000_000)
    if fact is None and kind.startswith("refund"):
        fact = of_refund(Refund.model_validate(fields))
    if fact is None:
        assert isinstance(told.fact, CardUpdated)
        assert (told.fact.card.customer_id, told.fact.card.last_four) == ("cus_1", "4242")
    else:
        assert told.fact == fact
    assert read_event(told.body) == told


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("charge.dispute.created", {**DISPUTE, "status": "warning_needs_response"}),
        ("charge.dispute.funds_withdrawn", {**DISPUTE, "status": "warning_under_review"}),
    ],
)
def test_a_question_of_the_bank_takes_no_money(kind: str, fields: Any) -> None:
    assert read_event(event(kind, fields)).fact == FraudWarning(intent_id="pi_1")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("customer.created", {"id": "cus_1"}),
        ("charge.dispute.closed", {**DISPUTE, "status": "warning_closed"}),
        ("checkout.session.completed", {"id": "cs_1", "mode": "payment", "status": "complete"}),
        ("payment_method.automatically_updated", {"id": "pm_1"}),
        ("payment_intent.succeeded", intent_fields("processing")),
    ],
)
def test_what_changes_nothing_here_is_said_to_be_nothing_of_ours(kind: str, fields: Any) -> None:
    assert isinstance(read_event(event(kind, fields)).fact, NothingOfOurs)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        '{"id": "evt_1"}',
        event("payment_intent.succeeded", {}),
        event("payment_intent.succeeded", intent_fields("succeeded", amount=-1)),
        event("payment_intent.succeeded", intent_fields("succeeded", amount=20.5)),
        event("payment_intent.succeeded", intent_fields("succeeded", amount=True)),
        event("payment_intent.succeeded", intent_fields("succeeded", amount="2000")),
        event("payment_intent.succeeded", intent_fields("succeeded", currency="pounds")),
        event("payment_intent.succeeded", intent_fields("a state of next year")),
        event("payment_intent.succeeded", intent_fields("succeeded"), created=10**12),
        event("payment_intent.succeeded", intent_fields("succeeded"), id=""),
        event(
            "payment_method.automatically_updated", {"id": "pm_1", "card": {**CARD, "last4": "x"}}
        ),
    ],
)
def test_what_cannot_be_read_is_refused_whole(body: str) -> None:
    with pytest.raises(WebhookRefused, match="no event"):
        read_event(body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(kind=st.sampled_from(LISTENED_TO), changed=st.dictionaries(st.text(max_size=8), _json))
def test_a_damaged_event_is_read_or_refused_and_nothing_else(kind: str, changed: Any) -> None:
    fields, _ = FACTS[kind]
    for name, value in [*changed.items(), *zip(fields, changed.values(), strict=False)]:
        try:
            read_event(event(kind, {**fields, name: value}))
        except WebhookRefused:
            continue


def test_an_error_of_the_processor_may_say_nothing() -> None:
    assert PaymentError().decline_code is None
