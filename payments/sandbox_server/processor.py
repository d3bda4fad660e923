"""What the sandbox does with a request: cards, intents, refunds, disputes, and events of each.

Every method is called within a transaction of the store and changes nothing else; what is to
happen later is an appointment in the same transaction, so a kill at any moment loses nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from payments.sandbox_server.cards import TestCard, card_of
from payments.sandbox_server.store import Answer, Object, Store, Which

LEAST: Final = 30  # of the smallest unit, as card schemes have it
MOST: Final = 99_999_999
FORM_GOOD_FOR_S: Final = 24 * 3600
CONFIRMABLE: Final = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action"}
)
_DECLINED: Final = "card_declined"
_NOT_AUTHENTICATED: Final = "payment_intent_authentication_failure"
_AUTHENTICATE: Final = "authentication_required"


class ProblemError(Exception):
    """A request that is refused; nothing of it was done."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        kind = "card_error" if status == 402 else "invalid_request_error"  # noqa: PLR2004 - HTTP's
        self.answer = Answer(
            status, {"error": {"type": kind, "code": code, "message": message, **more}}
        )


class Processor:
    def __init__(self, store: Store, *, now: Callable[[], float], address: str) -> None:
        self._store = store
        self._now = now
        self._address = address

    # --- customers and cards ---------------------------------------------------------------------

    def create_customer(self, params: Mapping[str, Any]) -> Object:
        return self._store.add("customer", self._new("cus", "customer", metadata=_metadata(params)))

    def create_form(self, params: Mapping[str, Any]) -> Object:
        """A page in which a card is entered, which charges nothing."""
        customer = self._require("customer", params.get("customer"))
        if params.get("mode") != "setup":
            raise ProblemError(400, "parameter_invalid", "the sandbox only saves cards: mode=setup")
        form = self._new(
            "cs",
            "checkout.session",
            mode="setup",
            status="open",
            customer=customer["id"],
            setup_intent=None,
            success_url=_text(params, "success_url"),
            cancel_url=_text(params, "cancel_url"),
            locale=str(params.get("locale", "en")),
            metadata=_metadata(params),
        )
        form["url"] = f"{self._address}/card/{form['id']}"
        self._appoint("expire_form", form["id"], FORM_GOOD_FOR_S)
        return self._store.add("checkout.session", form, belongs_to=customer["id"])

    def save_card(self, form_id: str, number: str, expiry: tuple[int, int]) -> Object:
        """Save the card that was entered in a form.

        Raises:
            ProblemError: it cannot be saved, and an open form stays open.
        """
        form = self._require("checkout.session", form_id)
        if form["status"] != "open":
            raise ProblemError(400, "form_closed", "a form takes one card")
        card = card_of(number)
        if card is None:
            raise ProblemError(402, "incorrect_number", "no card of the sandbox's")
        if card.declines_to_be_saved:
            raise ProblemError(402, _DECLINED, "declined", decline_code=card.declines)
        month, year = expiry
        method = self._new(
            "pm",
            "payment_method",
            type="card",
            customer=form["customer"],
            card={
                "brand": card.brand,
                "last4": number[-4:],
                "exp_month": month,
                "exp_year": year,
            },
            metadata={},
            _number=number,
        )
        self._store.add("payment_method", method, belongs_to=form["customer"])
        setup = self._new(
            "seti",
            "setup_intent",
            status="succeeded",
            usage="off_session",
            customer=form["customer"],
            payment_method=method["id"],
            metadata=form["metadata"],
        )
        self._store.add("setup_intent", setup, belongs_to=form["customer"])
        self._tell("setup_intent.succeeded", setup)
        done = self._store.change(
            {**form, "status": "complete", "setup_intent": setup["id"], "url": None}
        )
        self._tell("checkout.session.completed", done)
        return done

    def form_in_full(self, form: Object) -> Object:
        """With the objects in place of their ids."""
        setup = self._store.find("setup_intent", form["setup_intent"] or "")
        if setup is None:
            return form
        method = self._store.find("payment_method", setup["payment_method"])
        return {**form, "setup_intent": {**setup, "payment_method": method}}

    def expire_form(self, name: str) -> None:
        form = self._require("checkout.session", name)
        if form["status"] == "open":
            expired = self._store.change({**form, "status": "expired", "url": None})
            self._tell("checkout.session.expired", expired)

    def remove_card(self, name: str) -> Object:
        method = self._require("payment_method", name)
        if method["customer"] is None:
            raise ProblemError(400, "payment_method_not_attached", "it is no customer's card")
        removed = self._store.change({**method, "customer": None})
        self._tell("payment_method.detached", removed)
        return removed

    # --- intents ---------------------------------------------------------------------------------

    def create_intent(self, params: Mapping[str, Any]) -> Answer:
        customer = self._require("customer", params.get("customer"))
        amount = _amount(params)
        if amount < LEAST:
            raise ProblemError(400, "amount_too_small", f"the least is {LEAST}")
        if params.get("confirm") != "true":
            raise ProblemError(400, "parameter_missing", "the sandbox confirms at once: confirm")
        method = self._method_of(customer["id"], params.get("payment_method"))
        intent = self._new(
            "pi",
            "payment_intent",
            status="requires_confirmation",
            amount=amount,
            amount_received=0,
            currency=_currency(params),
            customer=customer["id"],
            payment_method=method["id"],
            metadata=_metadata(params),
            last_payment_error=None,
            next_action=None,
            _tries=0,
            _return_url="",
        )
        self._store.add("payment_intent", intent, belongs_to=customer["id"])
        return self._confirm(intent, params)

    def confirm_intent(self, name: str, params: Mapping[str, Any]) -> Answer:
        intent = self._require("payment_intent", name)
        if intent["status"] not in CONFIRMABLE:
            raise _unexpected_state(intent)
        method = self._method_of(
            intent["customer"], params.get("payment_method", intent["payment_method"])
        )
        return self._confirm({**intent, "payment_method": method["id"]}, params)

    def cancel_intent(self, name: str) -> Object:
        intent = self._require("payment_intent", name)
        if intent["status"] not in CONFIRMABLE:
            raise _unexpected_state(intent)
        cancelled = self._store.change({**intent, "status": "canceled", "next_action": None})
        self._tell("payment_intent.canceled", cancelled)
        return cancelled

    def _confirm(self, intent: Object, params: Mapping[str, Any]) -> Answer:
        off_session = params.get("off_session") == "true"
        card = self._card_of(intent)
        tried = {**intent, "_tries": intent["_tries"] + 1, "next_action": None}
        if card.authenticates and off_session:
            return self._decline(tried, _AUTHENTICATE, _AUTHENTICATE)
        if card.authenticates:
            return self._ask_the_bank(tried, _text(params, "return_url"))
        later_s = card.answers_after_s or card.decides_after_s
        if later_s:
            waiting = self._store.change({**tried, "status": "processing"})
            self._appoint("decide", waiting["id"], later_s)
            return Answer(200, waiting)
        return self._decide(tried, card)

    def _ask_the_bank(self, intent: Object, return_url: str) -> Answer:
        page = {"url": f"{self._address}/authenticate/{intent['id']}", "return_url": return_url}
        asked = self._store.change(
            {
                **intent,
                "status": "requires_action",
                "next_action": {"type": "redirect_to_url", "redirect_to_url": page},
                "_return_url": return_url,
            }
        )
        self._tell("payment_intent.requires_action", asked)
        return Answer(200, asked)

    def authenticated(self, name: str, *, convinced: bool) -> None:
        """What the person answered their bank; the first answer counts."""
        intent = self._require("payment_intent", name)
        if intent["status"] != "requires_action":
            return
        answered = {**intent, "next_action": None}
        if convinced:
            self._decide(answered, self._card_of(intent))
        else:
            self._decline(answered, _NOT_AUTHENTICATED, "")

    def decide(self, name: str) -> Answer:
        """What became of an intent that was being worked on."""
        intent = self._require("payment_intent", name)
        if intent["status"] != "processing":
            return _answer_about(intent)
        return self._decide(intent, self._card_of(intent))

    def late_s(self, intent: Object) -> float:
        """How much later than asked the request about this intent is answered."""
        waits = intent.get("status") == "processing"
        return self._paced(self._card_of(intent).answers_after_s) if waits else 0

    def _decide(self, intent: Object, card: TestCard) -> Answer:
        if card.declines and not (card.declines_once and intent["_tries"] > 1):
            return self._decline(intent, _DECLINED, card.declines, card.advice)
        paid = self._store.change(
            {
                **intent,
                "status": "succeeded",
                "amount_received": intent["amount"],
                "last_payment_error": None,
            }
        )
        self._store.log("charged", paid, at=self._now(), amount=paid["amount"])
        self._tell("payment_intent.succeeded", paid)
        if card.disputed_after_s:
            self._appoint("dispute", paid["id"], card.disputed_after_s)
        return Answer(200, paid, silent=card.never_answers)

    def _decline(self, intent: Object, code: str, decline_code: str, advice: str = "") -> Answer:
        error = {
            "type": "card_error",
            "code": code if decline_code != "expired_card" else decline_code,
            "decline_code": decline_code or None,
            "advice_code": advice or None,
            "message": "The sandbox's card was declined.",
        }
        declined = self._store.change(
            {**intent, "status": "requires_payment_method", "last_payment_error": error}
        )
        self._tell("payment_intent.payment_failed", declined)
        return _answer_about(declined)

    # --- money back ------------------------------------------------------------------------------

    def create_refund(self, params: Mapping[str, Any]) -> Object:
        intent = self._require("payment_intent", params.get("payment_intent"))
        if intent["status"] != "succeeded":
            raise ProblemError(400, "payment_intent_unexpected_state", "nothing was charged")
        if self._store.listed("dispute", Which(belongs_to=intent["id"])):
            raise ProblemError(400, "charge_disputed", "the bank has taken it back already")
        amount = _amount(params) if "amount" in params else intent["amount"]
        left = self._left_of(intent)
        if amount > left:
            code = "charge_already_refunded" if left <= 0 else "amount_too_large"
            raise ProblemError(400, code, f"{left} may still be refunded")
        card = self._card_of(intent)
        refund = self._new(
            "re",
            "refund",
            status="pending" if card.refund_settles_after_s else "succeeded",
            amount=amount,
            currency=intent["currency"],
            payment_intent=intent["id"],
            failure_reason=None,
            metadata=_metadata(params),
        )
        self._store.add("refund", refund, belongs_to=intent["id"])
        self._store.log("refunded", intent, at=self._now(), amount=amount)
        self._tell("refund.created", refund)
        if card.refund_settles_after_s:
            self._appoint("settle_refund", refund["id"], card.refund_settles_after_s)
        if card.refund_fails_after_s:
            self._appoint("fail_refund", refund["id"], card.refund_fails_after_s)
        return refund

    def _left_of(self, intent: Object) -> int:
        """What was charged and has not gone back."""
        refunds = self._store.listed("refund", Which(belongs_to=intent["id"]))
        gone = sum(int(each["amount"]) for each in refunds if each["status"] != "failed")
        return int(intent["amount"]) - gone

    def settle_refund(self, name: str) -> None:
        settled = self._store.change({**self._require("refund", name), "status": "succeeded"})
        self._tell("refund.updated", settled)

    def fail_refund(self, name: str) -> None:
        refund = self._require("refund", name)
        failed = self._store.change(
            {**refund, "status": "failed", "failure_reason": "expired_or_canceled_card"}
        )
        intent = self._require("payment_intent", refund["payment_intent"])
        self._store.log("refund_failed", intent, at=self._now(), amount=refund["amount"])
        self._tell("refund.failed", failed)

    def dispute(self, name: str) -> Object:
        """The cardholder has the bank take the money back, once for each payment."""
        intent = self._require("payment_intent", name)
        if intent["status"] != "succeeded":
            raise ProblemError(400, "payment_intent_unexpected_state", "nothing was charged")
        before = self._store.listed("dispute", Which(belongs_to=name))
        if before:
            return before[0]
        left = self._left_of(intent)
        if not left:
            raise ProblemError(400, "charge_already_refunded", "there is nothing to take back")
        dispute = self._new(
            "dp",
            "dispute",
            status="needs_response",
            amount=left,
            currency=intent["currency"],
            payment_intent=intent["id"],
            reason="fraudulent",
            metadata={},
        )
        self._store.add("dispute", dispute, belongs_to=intent["id"])
        self._store.log("disputed", intent, at=self._now(), amount=left)
        self._tell("charge.dispute.created", dispute)
        self._tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, name: str, *, won: bool) -> Object:
        dispute = self._require("dispute", name)
        if dispute["status"] != "needs_response":
            return dispute
        closed = self._store.change({**dispute, "status": "won" if won else "lost"})
        if won:
            intent = self._require("payment_intent", dispute["payment_intent"])
            self._store.log("dispute_won", intent, at=self._now(), amount=dispute["amount"])
        self._tell("charge.dispute.closed", closed)
        return closed

    # --- what all of it needs --------------------------------------------------------------------

    def find(self, kind: str, name: str) -> Object:
        return self._require(kind, name)

    def keep_appointment(self, what: str, about: str) -> None:
        match what:
            case "decide":
                self.decide(about)
            case "dispute":
                self.dispute(about)
            case "settle_refund":
                self.settle_refund(about)
            case "fail_refund":
                self.fail_refund(about)
            case "expire_form":
                self.expire_form(about)

    def _require(self, kind: str, name: object) -> Object:
        found = self._store.find(kind, name) if isinstance(name, str) else None
        if found is None:
            raise ProblemError(404, "resource_missing", f"no such {kind}")
        return found

    def _method_of(self, customer_id: str, name: object) -> Object:
        method = self._require("payment_method", name)
        if method["customer"] != customer_id:
            raise ProblemError(400, "payment_method_unexpected_state", "another customer's card")
        return method

    def _card_of(self, intent: Object) -> TestCard:
        method = self._require("payment_method", intent["payment_method"])
        card = card_of(method["_number"])
        if card is None:  # the file was written by a sandbox that knew other cards
            raise ProblemError(400, "payment_method_unexpected_state", "no card of this sandbox's")
        return card

    def _new(self, prefix: str, kind: str, **fields: Any) -> Object:
        created = int(self._now())
        return {"id": self._store.new_id(prefix), "object": kind, "created": created, **fields}

    def _appoint(self, what: str, about: str, after_s: float) -> None:
        self._store.appoint(what, about, due_at=self._now() + self._paced(after_s))

    def _paced(self, seconds: float) -> float:
        """Tests make its days shorter."""
        return seconds * float(self._store.chosen("pace", "1"))

    def _tell(self, kind: str, about: Object) -> None:
        """An event, and its webhook, unless it was ordered otherwise."""
        event = self._new("evt", "event", type=kind, data={"object": shown(about)})
        event["livemode"] = False
        self._store.add("event", event)
        webhooks = self._store.chosen("webhooks", "sent")
        states = {"sent": ["due"], "doubled": ["due", "due"], "held": ["held"], "lost": ["lost"]}
        for state in states[webhooks]:
            self._store.deliver(event["id"], due_at=self._now(), state=state)


def shown(about: Object) -> Object:
    """Without what is the sandbox's own business."""
    return {name: value for name, value in about.items() if not name.startswith("_")}


def _answer_about(intent: Object) -> Answer:
    error = intent["last_payment_error"]
    if intent["status"] != "requires_payment_method" or error is None:
        return Answer(200, intent)
    return Answer(402, {"error": {**error, "payment_intent": shown(intent)}})


def _unexpected_state(intent: Object) -> ProblemError:
    return ProblemError(
        400,
        "payment_intent_unexpected_state",
        f"the intent is {intent['status']}",
        payment_intent=shown(intent),
    )


def _metadata(params: Mapping[str, Any]) -> dict[str, str]:
    told = params.get("metadata", {})
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ProblemError(400, "parameter_invalid", "metadata is a table of texts")
    return told


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise ProblemError(400, "parameter_invalid", f"{name} is not an address of the web")
    return value


def _amount(params: Mapping[str, Any]) -> int:
    value = params.get("amount")
    if not isinstance(value, str) or not value.isascii() or not value.isdigit():
        raise ProblemError(400, "parameter_invalid_integer", "amount is not a whole number")
    if not 0 < int(value[:12]) <= MOST:
        raise ProblemError(400, "amount_too_large", f"an amount is from 1 to {MOST}")
    return int(value[:12])


def _currency(params: Mapping[str, Any]) -> str:
    value = params.get("currency")
    if not isinstance(value, str) or len(value) != 3 or not value.isalpha() or not value.isascii():  # noqa: PLR2004 - ISO 4217
        raise ProblemError(400, "parameter_invalid", "currency is three letters")
    return value.lower()
