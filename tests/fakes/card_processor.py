"""A card processor in memory: no network, no clock but the test's, and it can be made to lie.

What it claims is replayed against the sandbox and a foreign server by tests/payments/contract.py.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from charging.card_processor import (
    Advice,
    AuthenticationRequired,
    Cancelled,
    CardForm,
    CardNotEntered,
    CardOnFile,
    CardRemoved,
    CardSaved,
    Changed,
    ChangedAnswer,
    ChargeAnswer,
    ChargeRequest,
    ConfirmRequest,
    Declined,
    FindCardAnswer,
    FindRefundAnswer,
    Invalid,
    LookUpAnswer,
    NotThere,
    PaymentQuery,
    Pending,
    ProcessorEvent,
    RefundAnswer,
    Refunded,
    RefundFailed,
    RefundPending,
    RefundRequest,
    RemoveCardAnswer,
    SaveCardAnswer,
    SaveCardRequest,
    Succeeded,
    Unknown,
)
from charging.money import Money
from payments import outcomes
from payments.minor_units import minor_of
from payments.outcomes import is_final
from tests.fakes.clock import ManualClock

_Answer = TypeVar("_Answer")
LOST = Unknown("TimeoutError")
CLOSED = (Succeeded, Cancelled)


@dataclass(slots=True)
class MemoryIntent:
    """One payment at the processor."""

    intent_id: str
    request: ChargeRequest
    state: ChargeAnswer
    tries: int = 0
    created: datetime | None = None
    refunds: dict[str, Refunded | RefundPending | RefundFailed] = field(default_factory=dict)
    disputed: Money | None = None  # once, of what was not refunded
    dispute_won: bool | None = None  # None: it is open, or there is none

    @property
    def charged(self) -> Money:
        nothing = Money(0, self.request.amount.currency)
        return self.state.amount if isinstance(self.state, Succeeded) else nothing

    @property
    def kept(self) -> Money:
        """What the processor has of it for us."""
        lost = None if self.dispute_won else self.disputed
        return self.charged - self.refunded - (lost or Money(0, self.request.amount.currency))

    @property
    def refunded(self) -> Money:
        nothing = Money(0, self.request.amount.currency)
        kept = [each.amount for each in self.refunds.values() if not isinstance(each, RefundFailed)]
        return sum(kept, nothing)


class MemoryProcessor:
    """Implements `charging.card_processor.CardProcessor`.

    A card behaves as its method id says: "pm_succeeds", "pm_authenticates", "pm_decides_later",
    "pm_refund_pends", "pm_refund_fails", or "pm_CODE" for a decline with that code, followed by
    anything after a dot.
    `lie` is asked before each request is answered: "lost_before" loses it, "lost_after" its reply.
    """

    name = "memory"
    clock_ahead: timedelta | None = None

    def __init__(
        self, clock: ManualClock | None = None, *, lie: Callable[[str], str] = lambda _: ""
    ) -> None:
        self.clock = clock or ManualClock()
        self.lie = lie
        self.intents: dict[str, MemoryIntent] = {}
        self.events: list[ProcessorEvent] = []
        self.answered: dict[str, tuple[object, Any]] = {}
        self.forms: dict[str, tuple[SaveCardRequest, str, CardOnFile | None]] = {}
        self.removed: set[str] = set()
        self._names = itertools.count(1)

    def charges_of(self, payment_id: str) -> list[MemoryIntent]:
        """The intents of a payment that took money: more than one is a double charge."""
        return [
            intent
            for intent in self.intents.values()
            if intent.request.payment_id == payment_id and isinstance(intent.state, Succeeded)
        ]

    # --- the card on file ------------------------------------------------------------------------

    async def begin_card(self, request: SaveCardRequest) -> SaveCardAnswer:
        return self._unless_lost("begin_card", lambda: self._form(request))

    def _form(self, request: SaveCardRequest) -> CardForm:
        setup_id, customer_id = self._name("cs"), request.customer_id or self._name("cus")
        self.forms[setup_id] = (request, customer_id, None)
        return CardForm(
            setup_id=setup_id, customer_id=customer_id, page_url=f"https://memory/{setup_id}"
        )

    def enter(self, setup_id: str, method: str = "succeeds") -> CardOnFile:
        """What a person does in the form."""
        request, customer_id, _ = self.forms[setup_id]
        card = CardOnFile(
            customer_id=customer_id,
            method_id=f"pm_{method}.{next(self._names)}",
            brand="visa",
            last_four="4242",
            expiry_month=12,
            expiry_year=2034,
        )
        self.forms[setup_id] = (request, customer_id, card)
        about = {"id": setup_id, "status": "complete", "metadata": {"office": request.office_id}}
        self._tell("checkout.session.completed", about)
        return card

    async def find_card(self, setup_id: str) -> FindCardAnswer:
        if self._asked("find_card"):
            return LOST
        if setup_id not in self.forms:
            return NotThere()
        request, _, card = self.forms[setup_id]
        if card is None:
            return CardNotEntered(setup_id=setup_id)
        return CardSaved(setup_id=setup_id, office_id=request.office_id, card=card)

    async def remove_card(self, method_id: str) -> RemoveCardAnswer:
        if self._asked("remove_card"):
            return LOST
        if method_id not in self.removed:
            self.removed.add(method_id)
            self._tell("payment_method.detached", {"id": method_id})
        return CardRemoved(method_id=method_id)

    # --- charging --------------------------------------------------------------------------------

    async def charge(self, request: ChargeRequest) -> ChargeAnswer:
        return self._once("charge", request.key, request, lambda: self._charge(request))

    def _charge(self, request: ChargeRequest) -> ChargeAnswer:
        if request.method_id in self.removed:
            return Invalid("payment_method_unexpected_state", "the card was removed")
        name = self._name("pi")
        pending = Pending(intent_id=name, payment_id=request.payment_id)
        self.intents[name] = MemoryIntent(name, request, pending, created=self.clock.now())
        return self._try(self.intents[name], request.method_id, off_session=request.off_session)

    async def confirm(self, request: ConfirmRequest) -> ChargeAnswer:
        return self._once("confirm", request.key, request, lambda: self._confirm(request))

    def _confirm(self, request: ConfirmRequest) -> ChargeAnswer:
        intent = self.intents.get(request.intent_id)
        if intent is None:
            return Invalid("resource_missing", "no such intent")
        if isinstance(intent.state, CLOSED):
            return intent.state
        return self._try(intent, request.method_id, off_session=request.off_session)

    def _try(self, intent: MemoryIntent, method_id: str, *, off_session: bool) -> ChargeAnswer:
        intent.tries += 1
        behaviour = method_id.removeprefix("pm_").partition(".")[0]
        if behaviour == "authenticates":
            url = "" if off_session else f"https://memory/bank/{intent.intent_id}"
            return self._become(
                intent,
                AuthenticationRequired(
                    intent_id=intent.intent_id,
                    payment_id=intent.request.payment_id,
                    page_url=url,
                ),
            )
        if behaviour == "decides_later":
            return intent.state
        if behaviour in {"succeeds", "refund_pends", "refund_fails"}:
            return self.succeed(intent.intent_id)
        return self._become(
            intent,
            Declined(
                intent_id=intent.intent_id,
                payment_id=intent.request.payment_id,
                final=is_final(behaviour, Advice.NONE),
                code=behaviour,
            ),
        )

    def succeed(self, intent_id: str) -> ChargeAnswer:
        """The money is taken: at once, after a person answered their bank, or much later."""
        intent = self.intents[intent_id]
        if isinstance(intent.state, CLOSED):
            return intent.state
        return self._become(
            intent,
            Succeeded(
                intent_id=intent_id,
                payment_id=intent.request.payment_id,
                office_id=intent.request.office_id,
                amount=intent.request.amount,
            ),
        )

    async def cancel(self, intent_id: str) -> ChargeAnswer:
        return self._unless_lost("cancel", lambda: self._cancel(intent_id))

    def _cancel(self, intent_id: str) -> ChargeAnswer:
        intent = self.intents.get(intent_id)
        if intent is None:
            return Invalid("resource_missing", "no such intent")
        if isinstance(intent.state, (*CLOSED, Pending)):
            return intent.state
        return self._become(
            intent, Cancelled(intent_id=intent_id, payment_id=intent.request.payment_id)
        )

    async def find_intent(self, intent_id: str) -> LookUpAnswer:
        if self._asked("find_intent"):
            return LOST
        intent = self.intents.get(intent_id)
        return NotThere() if intent is None else intent.state

    async def find_payment(self, query: PaymentQuery) -> LookUpAnswer:
        if self._asked("find_payment"):
            return LOST
        ours = [
            intent.state
            for intent in self.intents.values()
            if intent.request.payment_id == query.payment_id
            and intent.request.customer_id == query.customer_id
        ]
        paid = [state for state in ours if isinstance(state, Succeeded)]
        return next(iter(paid + ours[::-1]), NotThere())

    def _become(self, intent: MemoryIntent, state: ChargeAnswer) -> ChargeAnswer:
        intent.state = state
        kind, status, more = _as_told(state)
        self._tell(
            kind,
            {
                "id": intent.intent_id,
                "status": status,
                "amount": minor_of(intent.request.amount),
                "currency": intent.request.amount.currency.lower(),
                "metadata": {
                    "office": intent.request.office_id,
                    "payment": intent.request.payment_id,
                },
                **more,
            },
        )
        return state

    # --- money back ------------------------------------------------------------------------------

    async def refund(self, request: RefundRequest) -> RefundAnswer:
        return self._once("refund", request.key, request, lambda: self._refund(request))

    def _refund(self, request: RefundRequest) -> RefundAnswer:
        intent = self.intents.get(request.intent_id)
        if intent is None:
            return Invalid("resource_missing", "no such intent")
        if intent.disputed is not None:
            return Invalid("charge_disputed", "the bank has taken it back already")
        if request.amount > intent.charged - intent.refunded:
            return Invalid("charge_already_refunded", "more than was charged")
        return self._make_refund(
            intent, request.amount, payment_id=request.payment_id, key=request.key
        )

    def refund_at_desk(self, intent_id: str, amount: Money) -> None:
        """Somebody sends money back without us: nothing but the intent says whose it is."""
        intent = self.intents[intent_id]
        if intent.disputed is None and amount <= intent.charged - intent.refunded:
            self._make_refund(intent, amount, payment_id="", key="")

    def _make_refund(
        self, intent: MemoryIntent, amount: Money, *, payment_id: str, key: str
    ) -> Refunded | RefundPending:
        pends = "refund_pends" in intent.request.method_id
        done = (RefundPending if pends else Refunded)(
            refund_id=self._name("re"),
            intent_id=intent.intent_id,
            payment_id=payment_id,
            amount=amount,
            key=key,
        )
        intent.refunds[done.refund_id] = done
        self._tell_of_refund("refund.created", "pending" if pends else "succeeded", done)
        return done

    def settle_refund(self, refund_id: str) -> None:
        """The cardholder has it."""
        intent, before = self._refund_named(refund_id)
        if isinstance(before, RefundPending):
            self._tell_of_refund("refund.updated", "succeeded", before)
            intent.refunds[refund_id] = Refunded(
                refund_id=refund_id,
                intent_id=before.intent_id,
                payment_id=before.payment_id,
                amount=before.amount,
                key=before.key,
            )

    def fail_refund(self, refund_id: str) -> None:
        """The bank sends the money back to us."""
        intent, before = self._refund_named(refund_id)
        if not isinstance(before, RefundFailed):
            self._tell_of_refund("refund.failed", "failed", before)
            intent.refunds[refund_id] = RefundFailed(
                refund_id=refund_id,
                intent_id=before.intent_id,
                payment_id=before.payment_id,
                amount=before.amount,
                code="expired_or_canceled_card",
                key=before.key,
            )

    def _refund_named(
        self, refund_id: str
    ) -> tuple[MemoryIntent, Refunded | RefundPending | RefundFailed]:
        """Raises StopIteration: there is none of this name."""
        intent = next(each for each in self.intents.values() if refund_id in each.refunds)
        return intent, intent.refunds[refund_id]

    async def find_refund(self, *, intent_id: str, key: str) -> FindRefundAnswer:
        if self._asked("find_refund"):
            return LOST
        intent = self.intents.get(intent_id)
        found = (
            [] if intent is None else [each for each in intent.refunds.values() if each.key == key]
        )
        return found[0] if found else NotThere()

    # --- what happened ---------------------------------------------------------------------------

    async def changed(self, *, since: datetime, until: datetime) -> ChangedAnswer:
        if self._asked("changed"):
            return LOST
        return Changed(events=tuple(each for each in self.events if since <= each.at <= until))

    def read_event(self, body: str) -> ProcessorEvent:
        return outcomes.read_event(body)

    def dispute(self, intent_id: str) -> None:
        """The cardholder has the bank take the money back: once, and what was not refunded."""
        intent = self.intents[intent_id]
        if intent.disputed is None and intent.kept:
            intent.disputed = intent.kept
            self._tell("charge.dispute.created", self._dispute(intent, "needs_response"))

    def close_dispute(self, intent_id: str, *, won: bool) -> None:
        self.dispute(intent_id)
        intent = self.intents[intent_id]
        if intent.disputed is not None and intent.dispute_won is None:
            intent.dispute_won = won
            status = "won" if won else "lost"
            self._tell("charge.dispute.closed", self._dispute(intent, status))

    def _dispute(self, intent: MemoryIntent, status: str) -> dict[str, Any]:
        amount = intent.disputed or intent.charged
        return {
            "id": f"dp_{intent.intent_id}",
            "status": status,
            "amount": minor_of(amount),
            "currency": amount.currency.lower(),
            "payment_intent": intent.intent_id,
            "reason": "fraudulent",
        }

    # --- what all of it needs --------------------------------------------------------------------

    def _once(
        self, what: str, key: str, request: object, act: Callable[[], _Answer]
    ) -> _Answer | Unknown | Invalid:
        """A key replays its first answer, and is an error for anything else."""
        lie = self.lie(what)
        if lie == "lost_before":
            return LOST
        if key not in self.answered:
            first = act()
            if isinstance(first, Invalid):
                return first
            self.answered[key] = (request, first)
        before, given = self.answered[key]
        answer: _Answer = given
        if before != request:
            return Invalid("idempotency_error", "the key was used with other parameters")
        return LOST if lie == "lost_after" else answer

    def _unless_lost(self, what: str, act: Callable[[], _Answer]) -> _Answer | Unknown:
        lie = self.lie(what)
        if lie == "lost_before":
            return LOST
        answer = act()
        return LOST if lie == "lost_after" else answer

    def _asked(self, what: str) -> bool:
        return bool(self.lie(what))

    def _name(self, prefix: str) -> str:
        return f"{prefix}_{next(self._names)}"

    def _tell_of_refund(
        self, kind: str, status: str, refund: Refunded | RefundPending | RefundFailed
    ) -> None:
        self._tell(
            kind,
            {
                "id": refund.refund_id,
                "status": status,
                "amount": minor_of(refund.amount),
                "currency": refund.amount.currency.lower(),
                "payment_intent": refund.intent_id,
                "metadata": {"payment": refund.payment_id, "key": refund.key},
                "failure_reason": "expired_or_canceled_card" if status == "failed" else None,
            },
        )

    def _tell(self, kind: str, about: dict[str, Any]) -> None:
        at = self.clock.now()
        body = json.dumps(
            {
                "id": self._name("evt"),
                "type": kind,
                "created": int(at.timestamp()),
                "data": {"object": about},
            }
        )
        self.events.append(replace(outcomes.read_event(body), at=at))


def _as_told(state: ChargeAnswer) -> tuple[str, str, dict[str, Any]]:
    match state:
        case Succeeded():
            return "payment_intent.succeeded", "succeeded", {}
        case Cancelled():
            return "payment_intent.canceled", "canceled", {}
        case AuthenticationRequired(page_url=""):
            error = {"last_payment_error": {"code": "authentication_required"}}
            return "payment_intent.payment_failed", "requires_payment_method", error
        case AuthenticationRequired(page_url=url):
            page = {"next_action": {"redirect_to_url": {"url": url}}}
            return "payment_intent.requires_action", "requires_action", page
        case Declined(code=code):
            error = {"last_payment_error": {"decline_code": code}}
            return "payment_intent.payment_failed", "requires_payment_method", error
        case _:
            raise AssertionError(state)
