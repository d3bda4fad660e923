"""The sandbox by itself: appointments are kept, and webhooks sent until somebody takes them."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp
import structlog

from payments.sandbox_server.processor import ProblemError, Processor
from payments.sandbox_server.store import Delivery, Store
from payments.signatures import HEADER, signature

log = structlog.get_logger()

AT_ONCE: Final = 16
ANSWER_LIMIT_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
TRIES_MAX: Final = 4000  # about three days
IDLE_S: Final = 60.0
_TAKEN: Final = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Who is told; no secret: nobody."""

    url: str
    secret: str


async def keep_telling(
    store: Store,
    processor: Processor,
    endpoint: Endpoint,
    *,
    changed: asyncio.Event,
    now: Callable[[], float],
) -> None:
    """Until cancelled."""
    limit = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
    async with aiohttp.ClientSession(timeout=limit) as session:
        sender = _Sender(store, session, endpoint, now)
        while True:
            changed.clear()
            keep_appointments(store, processor, now=now())
            due = store.due_deliveries(now=now(), limit=AT_ONCE) if endpoint.secret else []
            await asyncio.gather(*map(sender.send, due))
            if not due:
                await _until_due(store, changed, now=now())


def keep_appointments(store: Store, processor: Processor, *, now: float) -> None:
    """All that are due, each in a transaction of its own."""
    kept = True
    while kept:
        with store.transaction():
            due = store.take_due_appointment(now=now)
            kept = due is not None
            if due is None:
                continue
            try:
                processor.keep_appointment(*due)
            except ProblemError as problem:
                log.error("appointment_failed", what=due[0], about=due[1], problem=str(problem))


async def _until_due(store: Store, changed: asyncio.Event, *, now: float) -> None:
    due_at = store.next_due_at()
    wait_s = IDLE_S if due_at is None else min(max(due_at - now, 0.01), IDLE_S)
    try:
        async with asyncio.timeout(wait_s):
            await changed.wait()
    except TimeoutError:
        return


@dataclass(frozen=True)
class _Sender:
    store: Store
    session: aiohttp.ClientSession
    endpoint: Endpoint
    now: Callable[[], float]

    async def send(self, delivery: Delivery) -> None:
        taken = await self._taken(delivery)
        with self.store.transaction():
            if taken:
                self.store.delivered(delivery)
            elif delivery.tries >= TRIES_MAX:
                self.store.give_up(delivery)
            else:
                pause_s = min(FIRST_PAUSE_S * 2 ** min(delivery.tries, 20), LONGEST_PAUSE_S)
                self.store.deliver_again(delivery, due_at=self.now() + pause_s)

    async def _taken(self, delivery: Delivery) -> bool:
        event = self.store.find("event", delivery.event_id)
        if event is None:
            return True
        body = json.dumps(event).encode()
        at = datetime.fromtimestamp(self.now(), UTC)
        headers = {
            "content-type": "application/json",
            HEADER: signature(body, self.endpoint.secret, at=at),
        }
        try:
            sending = self.session.post(self.endpoint.url, data=body, headers=headers)
            async with sending as answer:
                return answer.status in _TAKEN
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
