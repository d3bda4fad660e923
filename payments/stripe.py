"""The one module that knows Stripe's library: requests out, facts of `charging` back.

The sandbox speaks the same API on this machine (`payments.sandbox_server`), so what is tried there
is this code, and not a second one beside it.

Cards are entered in a page of the processor's own (a Checkout Session that only saves), and a bank
is answered in a page that the processor names: the portal needs no script of theirs, and no card
number comes near it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import aiohttp
import stripe
from pydantic import BaseModel, ValidationError

from charging.card_processor import (
    CardForm,
    CardRemoved,
    Changed,
    ChangedAnswer,
    ChargeAnswer,
    ChargeRequest,
    ConfirmRequest,
    FindCardAnswer,
    FindRefundAnswer,
    Invalid,
    LookUpAnswer,
    NotThere,
    PaymentQuery,
    ProcessorEvent,
    RefundAnswer,
    RefundRequest,
    RemoveCardAnswer,
    SaveCardAnswer,
    SaveCardRequest,
    Unknown,
    WebhookRefused,
)
from charging.money import Money
from payments import outcomes
from payments.minor_units import minor_of
from payments.objects import (
    CardSession,
    Customer,
    ErrorReply,
    Intent,
    Listed,
    Method,
    Refund,
    RequestError,
)

API_VERSION: Final = "2026-10-28.endive"  # the library's own, which a test compares
RETRIES: Final = 1  # by the library, under the same key; later ones are the worker's
PAGE: Final = 100
PAGES_MAX: Final = 50
CLOCKS_APART: Final = timedelta(minutes=10)  # ours and theirs, at most
_NOT_FOUND: Final = 404
_UNEXPECTED_STATE: Final = "payment_intent_unexpected_state"

_Model = TypeVar("_Model", bound=BaseModel)
_Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Refused:
    """A reply that is no yes, with what it says."""

    status: int
    error: RequestError

    @property
    def answer(self) -> Unknown | Invalid:
        if outcomes.is_unknown(self.status):
            return Unknown(f"HTTP {self.status}")
        return outcomes.invalid(self.status, self.error)


@contextlib.asynccontextmanager
async def connected(
    *, name: str, key: str, time_limit_s: float, address: str | None = None
) -> AsyncIterator["StripeProcessor"]:
    """Stripe, or whoever speaks its API at another address."""
    stripe.enable_telemetry = False  # how long our requests took is nobody's business
    # One limit for a request and its repetition, in `_ask`: the library would repeat what is late.
    unlimited = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=unlimited) as session:
        client = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses={} if address is None else {"api": address},
            max_network_retries=RETRIES,
            http_client=stripe.AIOHTTPClient(timeout=unlimited, session=session),
        )
        yield StripeProcessor(client, name=name, time_limit_s=time_limit_s)


class StripeProcessor:
    """Implements `charging.card_processor.CardProcessor`."""

    def __init__(self, client: stripe.StripeClient, *, name: str, time_limit_s: float) -> None:
        self.name = name
        self.clock_ahead: timedelta | None = None
        self._api = client.v1
        self._time_limit_s = time_limit_s

    # --- the card on file ------------------------------------------------------------------------

    async def begin_card(self, request: SaveCardRequest) -> SaveCardAnswer:
        customer_id = request.customer_id
        if customer_id is None:
            made = await self._new_customer(request)
            if not isinstance(made, Customer):
                return made
            customer_id = made.id
        about = {"office": request.office_id}
        params: _Params = {
            "mode": "setup",
            "customer": customer_id,
            "payment_method_types": ["card"],
            "success_url": request.return_url,
            "cancel_url": request.cancel_url,
            "locale": request.language,
            "metadata": about,
            "setup_intent_data": {"metadata": about},
        }
        session = await self._ask(CardSession, self._api.checkout.sessions.create_async, params)
        match session:
            case CardSession(id=setup_id, url=str(url)):
                return CardForm(setup_id=setup_id, customer_id=customer_id, page_url=url)
            case CardSession():
                return Unknown("a form without an address")
            case _Refused():
                return session.answer
            case Unknown():
                return session

    async def _new_customer(self, request: SaveCardRequest) -> Customer | Unknown | Invalid:
        made = await self._ask(
            Customer,
            self._api.customers.create_async,
            {"metadata": {"office": request.office_id}},
        )
        return made.answer if isinstance(made, _Refused) else made

    async def find_card(self, setup_id: str) -> FindCardAnswer:
        params = {"expand": ["setup_intent.payment_method"]}
        found = await self._ask(
            CardSession, self._api.checkout.sessions.retrieve_async, setup_id, params
        )
        if isinstance(found, _Refused):
            return _not_there_or(found)
        if isinstance(found, Unknown):
            return found
        try:
            return outcomes.of_card_session(found)
        except ValueError as error:
            return Unknown(str(error))

    async def remove_card(self, method_id: str) -> RemoveCardAnswer:
        removed = await self._ask(Method, self._api.payment_methods.detach_async, method_id)
        if isinstance(removed, _Refused):  # an earlier request of ours may have done it
            removed = await self._ask(Method, self._api.payment_methods.retrieve_async, method_id)
        match removed:
            case Method(customer=None) | _Refused(status=404):
                return CardRemoved(method_id=method_id)
            case Method():
                return Unknown("the card is still there")
            case _Refused():
                return removed.answer
            case Unknown():
                return removed

    # --- charging --------------------------------------------------------------------------------

    async def charge(self, request: ChargeRequest) -> ChargeAnswer:
        amount = _minor(request.amount)
        if isinstance(amount, Invalid):
            return amount
        params: _Params = {
            "amount": amount,
            "currency": request.amount.currency.lower(),
            "customer": request.customer_id,
            "payment_method": request.method_id,
            "payment_method_types": ["card"],
            "confirm": True,
            "metadata": {"office": request.office_id, "payment": request.payment_id},
            **_presence(off_session=request.off_session, return_url=request.return_url),
        }
        answer = await self._ask(
            Intent, self._api.payment_intents.create_async, params, key=request.key
        )
        return _charged(answer, payment_id=request.payment_id)

    async def confirm(self, request: ConfirmRequest) -> ChargeAnswer:
        params: _Params = {
            "payment_method": request.method_id,
            **_presence(off_session=request.off_session, return_url=request.return_url),
        }
        answer = await self._ask(
            Intent,
            self._api.payment_intents.confirm_async,
            request.intent_id,
            params,
            key=request.key,
        )
        return await self._charged_or_found(answer, request.intent_id)

    async def cancel(self, intent_id: str) -> ChargeAnswer:
        answer = await self._ask(Intent, self._api.payment_intents.cancel_async, intent_id)
        return await self._charged_or_found(answer, intent_id)

    async def _charged_or_found(
        self, answer: Intent | _Refused | Unknown, intent_id: str
    ) -> ChargeAnswer:
        """An intent that has gone on meanwhile refuses what is asked: then its state counts."""
        if isinstance(answer, _Refused) and answer.error.code == _UNEXPECTED_STATE:
            found = await self.find_intent(intent_id)
            if not isinstance(found, NotThere):
                return found
        return _charged(answer, intent_id=intent_id)

    async def find_intent(self, intent_id: str) -> LookUpAnswer:
        found = await self._ask(Intent, self._api.payment_intents.retrieve_async, intent_id)
        if isinstance(found, _Refused):
            return _not_there_or(found)
        return found if isinstance(found, Unknown) else outcomes.of_intent(found)

    async def find_payment(self, query: PaymentQuery) -> LookUpAnswer:
        """By listing the customer's intents: the processor's own search lags behind."""
        params: _Params = {
            "customer": query.customer_id,
            "created": {"gte": int((query.begun_at - CLOCKS_APART).timestamp())},
        }
        found = await self._list(self._api.payment_intents.list_async, params)
        if isinstance(found, Unknown | Invalid):
            return found
        try:
            intents = [Intent.model_validate(fields) for fields in found]
        except ValidationError:
            return Unknown("an intent that cannot be read")
        ours = [each for each in intents if each.metadata.payment == query.payment_id]
        if not ours:
            return NotThere()
        paid = [each for each in ours if each.status == "succeeded"]
        return outcomes.of_intent((paid or ours)[0])

    # --- money back ------------------------------------------------------------------------------

    async def refund(self, request: RefundRequest) -> RefundAnswer:
        amount = _minor(request.amount)
        if isinstance(amount, Invalid):
            return amount
        params: _Params = {
            "payment_intent": request.intent_id,
            "amount": amount,
            "metadata": {
                "office": request.office_id,
                "payment": request.payment_id,
                "key": request.key,
            },
        }
        answer = await self._ask(Refund, self._api.refunds.create_async, params, key=request.key)
        match answer:
            case Refund():
                return outcomes.of_refund(answer)
            case _Refused():
                return answer.answer
            case Unknown():
                return answer

    async def find_refund(self, *, intent_id: str, key: str) -> FindRefundAnswer:
        found = await self._list(self._api.refunds.list_async, {"payment_intent": intent_id})
        if isinstance(found, Unknown | Invalid):
            return found
        try:
            refunds = [Refund.model_validate(fields) for fields in found]
        except ValidationError:
            return Unknown("a refund that cannot be read")
        ours = [each for each in refunds if each.metadata.key == key]
        return outcomes.of_refund(ours[0]) if ours else NotThere()

    # --- what happened ---------------------------------------------------------------------------

    async def changed(self, *, since: datetime, until: datetime) -> ChangedAnswer:
        params: _Params = {
            "types": list(outcomes.LISTENED_TO),
            "created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())},
        }
        found = await self._list(self._api.events.list_async, params)
        if isinstance(found, Unknown | Invalid):
            return found
        try:
            return Changed(events=tuple(outcomes.event_of(each) for each in reversed(found)))
        except WebhookRefused as refused:
            return Unknown(str(refused))

    def read_event(self, body: str) -> ProcessorEvent:
        return outcomes.read_event(body)

    # --- one request -----------------------------------------------------------------------------

    def _note_clock(self, answer: Any) -> None:
        date = _date_of(answer)
        if date is not None:
            self.clock_ahead = date - datetime.now(UTC)

    async def _list(
        self, request: Callable[..., Awaitable[Any]], params: _Params
    ) -> list[dict[str, Any]] | Unknown | Invalid:
        """Every page, newest first."""
        found: list[dict[str, Any]] = []
        after: _Params = {}
        for _ in range(PAGES_MAX):
            page = await self._ask(Listed, request, {**params, "limit": PAGE, **after})
            if isinstance(page, Unknown):
                return page
            if isinstance(page, _Refused):
                return page.answer
            found += page.data
            if not page.has_more or not page.data:
                return found
            after = {"starting_after": page.data[-1].get("id")}
        return Unknown(f"more than {PAGES_MAX} pages")

    async def _ask(
        self,
        model: type[_Model],
        request: Callable[..., Awaitable[Any]],
        *arguments: Any,
        key: str | None = None,
    ) -> _Model | _Refused | Unknown:
        """Whatever is not a clear reply is `Unknown`: the request may have been carried out."""
        options = {} if key is None else {"options": {"idempotency_key": key}}
        try:
            async with asyncio.timeout(self._time_limit_s):
                reply = await request(*arguments, **options)
            self._note_clock(reply.last_response)
            return model.model_validate(reply.to_dict(for_json=True))
        except stripe.StripeError as error:
            return _refusal(error)
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            return Unknown(type(error).__name__)
        except ValidationError:
            return Unknown("a reply that cannot be read")


def _date_of(answer: Any) -> datetime | None:
    """When the other side says it answered; a proxy between us may say so for it."""
    headers = {} if answer is None else answer.headers
    named = {name.lower(): value for name, value in headers.items()}
    try:
        return parsedate_to_datetime(named["date"])
    except (KeyError, ValueError):
        return None


def _minor(amount: Money) -> int | Invalid:
    try:
        return minor_of(amount)
    except ValueError as error:
        return Invalid("amount_invalid", str(error))


def _presence(*, off_session: bool, return_url: str) -> _Params:
    if off_session:  # nobody could answer the bank, so a question of its is a decline
        return {"off_session": True, "error_on_requires_action": True}
    return {"return_url": return_url}


def _refusal(error: stripe.StripeError) -> _Refused | Unknown:
    if error.http_status is None:
        return Unknown(type(error).__name__)
    try:
        return _Refused(error.http_status, ErrorReply.model_validate(error.json_body).error)
    except ValidationError:  # such as a proxy's page
        return Unknown(f"HTTP {error.http_status} that cannot be read")


def _charged(
    answer: Intent | _Refused | Unknown, *, intent_id: str = "", payment_id: str = ""
) -> ChargeAnswer:
    match answer:
        case Intent():
            return outcomes.of_intent(answer)
        case _Refused(status, error):
            return outcomes.of_refusal(status, error, intent_id=intent_id, payment_id=payment_id)
        case Unknown():
            return answer


def _not_there_or(refused: _Refused) -> NotThere | Unknown | Invalid:
    return NotThere() if refused.status == _NOT_FOUND else refused.answer
