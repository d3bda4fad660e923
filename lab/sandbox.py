"""The sandbox of card payments on a laboratory's own ports, and what is ordered of it."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from sqlalchemy import Engine

from db.card_forms import CardFormRow, ask_for_form, find_form
from db.ledger import read_from
from db.writing import write_to
from lab.errors import LabError
from lab.paid_office import OFFICE_ID
from lab.patience import patience
from lab.ports import find_free_port
from payments.addresses import sandbox_url
from payments.keys import sandbox_keys
from settings import PaymentsSettings

PROGRAM: Final = "payments.sandbox_server"
TEST_CARD: Final = "4242424242424242"
EXPIRED_CARD: Final = "4000000000000069"  # it can be saved, and every charge is declined
LOOK_EVERY_S: Final = 0.1
ORDER_TIMEOUT_S: Final = 30.0
_ASKED: Final = frozenset({"log", "waiting", "faults"})  # what changes nothing


@dataclass(frozen=True)
class Sandbox:
    """Where it runs; whoever starts it gives it `environment`."""

    payments: PaymentsSettings

    @classmethod
    def in_folder(cls, folder: Path, *, request_timeout_s: float = 20) -> "Sandbox":
        return cls(
            PaymentsSettings(
                sandbox_folder=folder,
                sandbox_port=find_free_port(),
                port=find_free_port(),
                request_timeout_s=request_timeout_s,
            )
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings of the sandbox, and of whoever asks it."""
        names = ("sandbox_folder", "sandbox_port", "port", "request_timeout_s")
        return {
            f"TOLLGATE_PAYMENTS__{name.upper()}": str(getattr(self.payments, name))
            for name in names
        }

    async def order(self, what: str, **told: Any) -> Any:
        """One of its control paths.

        Raises:
            LabError: it says no.
            aiohttp.ClientError, TimeoutError: it is not there, or does not answer.
        """
        key = sandbox_keys(self.payments.sandbox_folder).api_key
        limit = aiohttp.ClientTimeout(total=ORDER_TIMEOUT_S)
        headers = {"authorization": f"Bearer {key}"}
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.request(
                "GET" if what in _ASKED else "POST",
                f"{sandbox_url(self.payments)}/sandbox/{what}",
                data=json.dumps(told),
            ) as answer,
        ):
            if answer.status != 200:  # noqa: PLR2004 - HTTP's
                raise LabError(f"the sandbox: {what}: {await answer.text()}")
            return await answer.json()

    async def charges_of(self, payment_id: str) -> int:
        """How often it charged for a payment, by its own log."""
        log = await self.order("log")
        return sum(row["what"] == "charged" and row["payment"] == payment_id for row in log)


async def put_card_on_file(engine: Engine, *, currency: str, number: str) -> None:
    """As a manager does: a page asks, the worker opens the form, and a person fills it in.

    Raises:
        PageShownError: the card was not saved.
        TimeoutError: no worker of card payments runs.
    """
    now = datetime.now(UTC)
    form = CardFormRow(
        form_id=secrets.token_hex(16),
        office_id=OFFICE_ID,
        asked_by="user:anna@example.com",
        asked_at=now,
        return_url="http://127.0.0.1/",
        cancel_url="http://127.0.0.1/",
        language="en",
        currency=currency,
        due_at=now,
    )
    await asyncio.to_thread(write_to, engine, lambda writer: ask_for_form(writer, form))
    await enter_card((await _form_in(engine, form.form_id, "open")).page_url, number)
    await _form_in(engine, form.form_id, "saved")


async def _form_in(engine: Engine, form_id: str, state: str) -> CardFormRow:
    """The form as soon as it is in a state; nothing tells a row's change, so it is looked at."""
    async with patience(ORDER_TIMEOUT_S):
        while True:
            found = await asyncio.to_thread(
                read_from, engine, lambda reader: find_form(reader, form_id)
            )
            if found is not None and found.state == state:
                return found
            await asyncio.sleep(LOOK_EVERY_S)


class PageShownError(LabError):
    """The sandbox took no form, and shows a page that says why."""

    def __init__(self, status: int, page_url: str) -> None:
        super().__init__(f"the sandbox: {status} for {page_url}")
        self.status = status


async def enter_card(page_url: str, number: str = TEST_CARD) -> str:
    """What a person does in a card form; where the browser is sent afterwards.

    Raises:
        PageShownError: the card was not saved.
    """
    fields = {"number": number, "expiry": "12/34", "code": "123"}
    return await submit(page_url, fields)


async def submit(page_url: str, fields: Mapping[str, str]) -> str:
    """Send a form of the sandbox's; where the browser is sent afterwards.

    Raises:
        PageShownError: it shows a page instead.
    """
    async with (
        aiohttp.ClientSession() as browser,
        browser.post(page_url, data=fields, allow_redirects=False) as answer,
    ):
        if answer.status != 303:  # noqa: PLR2004 - HTTP's
            raise PageShownError(answer.status, page_url)
        return answer.headers["location"]
