"""The sandbox over HTTP, as processors are asked: keys that replay, and faults that are ordered."""

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from payments.sandbox_server.forms import parsed
from payments.sandbox_server.processor import ProblemError, Processor, shown
from payments.sandbox_server.store import Answer, Fault, Object, Store, Which

BODY_MAX: Final = 64 * 1024
KEY_MAX: Final = 255
FAULTS: Final = frozenset(
    {
        "stall",  # no answer, and nothing was done
        "stall_after",  # done, and no answer
        "cut",
        "cut_after",
        "error",  # a 500 that its key replays, and nothing was done
        "error_after",  # the same, and it was done
        "unavailable",  # a 503 that no key remembers
        "too_many",  # a 429 likewise
        "late",  # done at once, and answered that many seconds later
    }
)
_TROUBLE: Final = {
    "error": (500, "api_error"),
    "error_after": (500, "api_error"),
    "unavailable": (503, "api_error"),
    "too_many": (429, "rate_limit"),
}

Act = Callable[[dict[str, Any], dict[str, str]], Answer | Object]


@dataclass(frozen=True)
class Api:
    """What every endpoint works with."""

    store: Store
    processor: Processor
    key: str
    changed: asyncio.Event  # set when there may be a webhook to send
    under_way: set[str] = field(default_factory=set)

    def routes(self) -> list[Route]:
        processor = self.processor
        find = processor.find
        return [
            self._route("POST", "/v1/customers", lambda form, _: processor.create_customer(form)),
            self._route(
                "POST", "/v1/checkout/sessions", lambda form, _: processor.create_form(form)
            ),
            self._route(
                "GET",
                "/v1/checkout/sessions/{id}",
                lambda _, path: processor.form_in_full(find("checkout.session", path["id"])),
            ),
            self._route(
                "GET",
                "/v1/payment_methods/{id}",
                lambda _, path: find("payment_method", path["id"]),
            ),
            self._route(
                "POST",
                "/v1/payment_methods/{id}/detach",
                lambda _, path: processor.remove_card(path["id"]),
            ),
            self._route(
                "POST", "/v1/payment_intents", lambda form, _: processor.create_intent(form)
            ),
            self._route(
                "GET",
                "/v1/payment_intents/{id}",
                lambda _, path: find("payment_intent", path["id"]),
            ),
            self._route(
                "POST",
                "/v1/payment_intents/{id}/confirm",
                lambda form, path: processor.confirm_intent(path["id"], form),
            ),
            self._route(
                "POST",
                "/v1/payment_intents/{id}/cancel",
                lambda _, path: processor.cancel_intent(path["id"]),
            ),
            self._route("POST", "/v1/refunds", lambda form, _: processor.create_refund(form)),
            self._list("payment_intent", "/v1/payment_intents", of="customer"),
            self._list("refund", "/v1/refunds", of="payment_intent"),
            self._list("event", "/v1/events", of=""),
        ]

    def _route(self, method: str, path: str, act: Act) -> Route:
        async def endpoint(request: Request) -> Response:
            return await self._answered(request, act)

        return Route(path, endpoint, methods=[method])

    def _list(self, kind: str, path: str, *, of: str) -> Route:
        return self._route("GET", path, lambda form, _: self._page(kind, form, of))

    def _page(self, kind: str, form: dict[str, Any], of: str) -> Object:
        created = form.get("created", {})
        limit = int(form.get("limit", 10))
        found = self.store.listed(
            kind,
            Which(
                belongs_to=form.get(of),
                since=int(created.get("gte", 0)),
                until=int(created.get("lte", 2**60)),
                after=form.get("starting_after"),
                limit=limit + 1,
            ),
        )
        wanted = form.get("types")
        page = [shown(each) for each in found[:limit]]
        if wanted:
            page = [each for each in page if each["type"] in wanted]
        return {"object": "list", "data": page, "has_more": len(found) > limit, "url": "/"}

    # --- one request -----------------------------------------------------------------------------

    async def _answered(self, request: Request, act: Act) -> Response:
        if not self.is_ours(request):
            return _refused(401, "api_key_invalid", "the sandbox's key is in its folder")
        with self.store.transaction():
            fault = self.store.take_fault(request.url.path)
        if fault is not None and fault.kind in {"stall", "cut"}:
            return _Silence(cut=fault.kind == "cut")
        if fault is not None and fault.kind in {"unavailable", "too_many"}:
            return _response(_trouble(fault))
        try:
            text = await _text_of(request)
            return await self._once(request, text, act, fault)
        except ProblemError as problem:  # nothing was done, so no key remembers it
            return _response(problem.answer)
        except ValueError as error:
            return _refused(400, "parameter_invalid", str(error))

    def is_ours(self, request: Request) -> bool:
        told = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(told, f"Bearer {self.key}".encode())

    async def _once(self, request: Request, text: str, act: Act, fault: Fault | None) -> Response:
        """Carry out what is asked, or say again what was said under the same key."""
        key = request.headers.get("idempotency-key", "")
        asked = hashlib.sha256(f"{request.method} {request.url.path} {text}".encode()).hexdigest()
        if len(key) > KEY_MAX:
            return _refused(400, "parameter_invalid", f"a key has at most {KEY_MAX} characters")
        if key in self.under_way:
            return _refused(409, "idempotency_key_in_use", "its first request is being worked on")
        before = self.store.answered(key) if key else None
        if before is not None and before[0] != asked:
            return _refused(
                400,
                "idempotency_error",
                "the key was used with other parameters",
                kind="idempotency_error",
            )
        if before is not None:
            return _response(before[1], replayed=True)
        with self.store.transaction():
            answer = self._carried_out(request, text, act, fault)
            if key:
                self.store.keep_answer(key, asked, answer)
        self.changed.set()
        return await self._when_due(key, asked, answer, fault)

    def _carried_out(self, request: Request, text: str, act: Act, fault: Fault | None) -> Answer:
        if fault is not None and fault.kind == "error":
            return _trouble(fault)
        done = act(parsed(text), request.path_params)
        if fault is not None and fault.kind == "error_after":
            return _trouble(fault)
        return done if isinstance(done, Answer) else Answer(200, done)

    async def _when_due(
        self, key: str, asked: str, answer: Answer, fault: Fault | None
    ) -> Response:
        if fault is not None and fault.kind in {"stall_after", "cut_after"}:
            return _Silence(cut=fault.kind == "cut_after")
        if fault is not None and fault.kind == "late":
            await asyncio.sleep(fault.seconds)
        late_s = self._late_s(answer)
        if not late_s:
            return _response(answer)
        with self._worked_on(key):
            await asyncio.sleep(late_s)
        with self.store.transaction():
            answer = self.processor.decide(answer.body["id"])
            if key:
                self.store.keep_answer(key, asked, answer)
        self.changed.set()
        return _response(answer)

    @contextlib.contextmanager
    def _worked_on(self, key: str) -> Iterator[None]:
        """Who asks again meanwhile under the same key is told so."""
        if key:
            self.under_way.add(key)
        try:
            yield
        finally:
            self.under_way.discard(key)

    def _late_s(self, answer: Answer) -> float:
        if answer.body.get("object") != "payment_intent":
            return 0
        return self.processor.late_s(answer.body)


class _Silence(Response):
    """No answer: the line stays open until the other side leaves, or is cut at once."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__()
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        if not self._cut:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # Returning before the promised length is sent makes the server close the connection.
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _response(answer: Answer, *, replayed: bool = False) -> Response:
    if answer.silent:
        return _Silence(cut=False)
    # As the real one does: what its key replays is not worth asking for again.
    headers = {"stripe-should-retry": "false"} if answer.status == 500 else {}  # noqa: PLR2004 - HTTP
    if replayed:
        headers["idempotent-replayed"] = "true"
    return JSONResponse(shown(answer.body), answer.status, headers)


def _trouble(fault: Fault) -> Answer:
    status, code = _TROUBLE[fault.kind]
    error = {"type": "api_error", "code": code, "message": "ordered by a test"}
    return Answer(status, {"error": error})


def _refused(
    status: int, code: str, message: str, *, kind: str = "invalid_request_error"
) -> Response:
    return JSONResponse({"error": {"type": kind, "code": code, "message": message}}, status)


async def _text_of(request: Request) -> str:
    if request.method == "GET":
        return request.url.query
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX:
            raise ValueError("too long")
    return body.decode("utf-8")
