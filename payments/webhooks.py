"""Webhooks: signature of the raw body, one durable row for each event, and 200; handled later.

An answer of 200 promises that the event is on disk. Anything else makes the processor tell it
again: 503 while the database is away. Who sends what is not the processor's learns nothing but 400.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from assembly.serving import served
from charging.card_processor import EventInbox, ProcessorEvent, WebhookRefused
from charging.errors import ChargingUnavailable
from payments.addresses import webhook_path
from payments.signatures import HEADER, require_signed
from settings import PaymentsSettings

log = structlog.get_logger()

BODY_MAX: Final = 512 * 1024


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """The endpoint of one processor."""

    source: str
    secrets: Sequence[str]  # none that is not empty: the endpoint is off
    read_event: Callable[[str], ProcessorEvent]
    inbox: EventInbox
    kept: Callable[[], None] = lambda: None  # told after each event that is new
    now: Callable[[], datetime] = _now

    def application(self) -> Starlette:
        if not any(self.secrets):
            log.warning("webhooks_off", source=self.source, why="no secret")
            return Starlette()
        return Starlette(routes=[Route(webhook_path(self.source), self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        try:
            body = await _body_of(request)
            require_signed(body, request.headers.get(HEADER, ""), self.secrets, now=self.now())
            event = self.read_event(body.decode("utf-8"))
        except (WebhookRefused, UnicodeDecodeError, ClientDisconnect) as refused:
            log.warning("webhook_refused", source=self.source, why=str(refused))
            return PlainTextResponse("refused\n", 400)
        try:
            new = await self.inbox.keep(self.source, event)
        except ChargingUnavailable as away:
            log.warning(
                "webhook_postponed", source=self.source, event_id=event.event_id, why=str(away)
            )
            return PlainTextResponse("later\n", 503)
        log.info(
            "webhook_taken", source=self.source, event_id=event.event_id, kind=event.kind, new=new
        )
        if new:
            self.kept()
        return PlainTextResponse("taken\n")


async def _body_of(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX:
            raise WebhookRefused("it is too long")
    return body


@contextlib.asynccontextmanager
async def webhooks_served(payments: PaymentsSettings, webhooks: Webhooks) -> AsyncIterator[None]:
    """Take webhooks for as long as the block runs.

    Raises:
        SettingsError: the port cannot be had.
    """
    app = webhooks.application()
    async with served(app, section="payments", address=payments.address, port=payments.port):
        yield
