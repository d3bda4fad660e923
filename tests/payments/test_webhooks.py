"""Webhooks over HTTP: what is kept, what is refused, and what that says to whoever sent it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from assembly.serving import served
from payments.outcomes import read_event
from payments.signatures import HEADER, TOLERANCE, signature
from payments.webhooks import BODY_MAX, Webhooks
from settings import SettingsError
from tests.fakes.event_inbox import MemoryInbox
from tests.payments.events import succeeded

SECRET, OLD_SECRET = "whsec_new", "whsec_old"
EVENT = succeeded("evt_1", payment_id="p1").encode()


@dataclass
class Endpoint:
    """A running endpoint, and what it kept."""

    url: str
    inbox: MemoryInbox
    told: list[str]
    _session: aiohttp.ClientSession = field(repr=False)

    async def send(
        self, body: bytes = EVENT, *, header: str | None = None, method: str = "POST"
    ) -> int:
        signed = signature(body, SECRET, at=datetime.now(UTC)) if header is None else header
        headers = {HEADER: signed} if signed else {}
        async with self._session.request(method, self.url, data=body, headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def endpoint(*secrets: str, path: str = "/webhooks/stripe") -> AsyncIterator[Endpoint]:
    inbox, told = MemoryInbox(), list[str]()
    webhooks = Webhooks(
        source="stripe",
        secrets=secrets,
        read_event=read_event,
        inbox=inbox,
        kept=lambda: told.append("kept"),
    )
    app = webhooks.application()
    async with (
        served(app, section="payments", address="127.0.0.1", port=0) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Endpoint(f"http://127.0.0.1:{port}{path}", inbox, told, session)


async def test_what_is_signed_is_kept_before_it_is_answered() -> None:
    async with endpoint(SECRET) as there:
        assert await there.send() == 200
        assert list(there.inbox.events) == [("stripe", "evt_1")]
        assert there.told == ["kept"]


async def test_two_webhooks_at_once_are_one_event() -> None:
    async with endpoint(SECRET) as there:
        assert await asyncio.gather(*(there.send() for _ in range(20))) == [200] * 20
        assert len(there.inbox.events) == 1
        assert there.told == ["kept"]


async def test_a_webhook_of_yesterday_replayed_with_its_signature_is_refused() -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    async with endpoint(SECRET) as there:
        for at in (yesterday, datetime.now(UTC) - TOLERANCE * 1.1):
            assert await there.send(header=signature(EVENT, SECRET, at=at)) == 400
        assert not there.inbox.events


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"null", EVENT[:-1]])
async def test_what_is_signed_and_is_no_event_is_refused(body: bytes) -> None:
    async with endpoint(SECRET) as there:
        assert await there.send(body) == 400
        assert not there.inbox.events


async def test_what_another_signed_is_refused() -> None:
    now = datetime.now(UTC)
    signed = signature(EVENT, SECRET, at=now)
    async with endpoint(SECRET) as there:
        for body, header in (
            (EVENT, ""),
            (EVENT, "t=1,v1=x"),
            (EVENT, signature(EVENT, "whsec_forged", at=now)),
            (EVENT, signature(EVENT, "", at=now)),
            (succeeded("evt_1", payment_id="p2").encode(), signed),
            (EVENT + b" ", signed),
        ):
            assert await there.send(body, header=header) == 400
        assert not there.inbox.events


async def test_while_the_secret_is_changed_either_is_good() -> None:
    async with endpoint(SECRET, OLD_SECRET) as there:
        old = signature(EVENT, OLD_SECRET, at=datetime.now(UTC))
        assert [await there.send(header=old), await there.send()] == [200, 200]


@pytest.mark.parametrize("secrets", [(), ("",)])
async def test_an_empty_secret_switches_the_endpoint_off(secrets: tuple[str, ...]) -> None:
    async with endpoint(*secrets) as there:
        unsigned = signature(EVENT, "", at=datetime.now(UTC))
        assert await there.send(header=unsigned) == 404
        assert not there.inbox.events


async def test_while_the_database_is_away_the_processor_is_to_tell_again() -> None:
    async with endpoint(SECRET) as there:
        there.inbox.away = True
        assert await there.send() == 503
        there.inbox.away = False
        assert await there.send() == 200
        assert there.told == ["kept"]


async def test_a_body_without_end_is_not_read_to_its_end() -> None:
    async with endpoint(SECRET) as there:
        assert await there.send(b" " * (BODY_MAX + 1)) == 400


async def test_only_the_one_path_takes_webhooks() -> None:
    async with endpoint(SECRET) as there:
        assert await there.send(method="GET") == 405
    async with endpoint(SECRET, path="/webhooks/sandbox") as there:
        assert await there.send() == 404


async def test_a_port_that_is_taken_is_told_in_one_sentence() -> None:
    app = Webhooks(source="x", secrets=(), read_event=read_event, inbox=MemoryInbox())
    async with served(app.application(), section="payments", address="127.0.0.1", port=0) as port:
        second = served(app.application(), section="payments", address="127.0.0.1", port=port)
        with pytest.raises(SettingsError, match=f"payments: port {port} of 127.0.0.1"):
            await second.__aenter__()
