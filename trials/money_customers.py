"""People at the portal while everything is killed: they buy, replace cards, and have one cancelled.

They use its own forms. Whoever gets no answer sends the same form again, as a browser's reload
does. What each of them wanted, and what was shown in the end, is kept for the judge.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from html import unescape
from http import HTTPStatus
from random import Random
from typing import Any, Final

import aiohttp
import httpx

from charging.money import parse_money
from lab.errors import LabError
from lab.sandbox import PageShownError, enter_card
from lab.web_forms import form_in

AGAIN_S: Final = 0.1
REQUEST_TIMEOUT_S: Final = 10.0
PATIENCE_S: Final = 120.0  # with everything; the portal is down for some seconds at a time
SIGNED_IN_FOR_S: Final = 600.0  # a card is only replaced soon after the password was typed
ASKED_ABOUT_S: Final = 75.0  # after the same amount; a minute, and what a killed portal takes
CARDS_PART: Final = 0.1
CANCELLED_PART: Final = 0.1
IMPATIENT_PART: Final = 0.3
SENT: Final = "http11.send_request_body.complete"  # the client library's name for it

# Moments at which something may be killed while a person is under way.
FORM_FILLED: Final = "form filled"
REDIRECTED: Final = "redirected"
CARD_ASKED: Final = "card asked for"
CANCEL_SENT: Final = "cancel sent"

_CARD_PAGE: Final = re.compile(r'class="button primary" href="(http[^"]+)"')
_SAVED: Final = "The card is saved"
_CARD_DONE: Final = re.compile(f"{_SAVED}|No card was saved")
_CODE: Final = re.compile(r'<p class="balance" translate="no">([0-9 ]+)</p>')


def form_sent(key: str) -> str:
    """The moment at which the purchase of that key has left the browser."""
    return f"form sent {key}"


@dataclass(slots=True)
class Purchase:
    """What somebody wanted to buy, once."""

    key: str
    micros: int
    shown: str = ""  # the payment whose page the portal showed in the end


@dataclass(slots=True)
class _Held:
    reached: asyncio.Future[str]
    lost: bool
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Moments:
    """People pass these; whoever breaks things holds one of them, and the person waits there."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def awaited(self, name: str) -> bool:
        return name in self._held

    async def passes(self, name: str, about: str = "") -> bool:
        """Wait for as long as somebody holds this moment; whether the answer is lost."""
        held = self._held.pop(name, None)
        if held is None:
            return False
        held.reached.set_result(about)
        await held.over.wait()
        return held.lost

    @asynccontextmanager
    async def held(self, name: str, *, patience_s: float, lost: bool = False) -> AsyncIterator[str]:
        """Whoever comes there first stays until the block ends.

        Raises:
            TimeoutError: nobody came.
        """
        held = _Held(asyncio.get_running_loop().create_future(), lost)
        self._held[name] = held
        try:
            async with asyncio.timeout(patience_s):
                about = await held.reached
            yield about
        finally:
            self._held.pop(name, None)
            held.over.set()


class Person:
    """Somebody with a browser, who knows a password."""

    def __init__(self, browser: httpx.AsyncClient, address: str, password: str) -> None:
        self._browser = browser
        self.address = address
        self._fields = {"address": address, "password": password}
        self._signed_in_at_s: float | None = None

    async def page(self, path: str) -> str:
        """Raises LabError: there is no such page for this person."""
        await self._signed_in()
        answer = await self._ask("GET", path)
        if answer.status_code != HTTPStatus.OK:
            raise LabError(f"GET {path}: {answer.status_code}")
        return answer.text

    async def send(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        moments: Moments | None = None,
        moment: str = "",
    ) -> httpx.Response:
        """Send a form until it is answered; each time it is sent, this moment is passed."""
        await self._signed_in()
        return await self._ask("POST", path, fields, moments, moment)

    async def _signed_in(self) -> None:
        now_s = time.monotonic()
        if self._signed_in_at_s is None or now_s > self._signed_in_at_s + SIGNED_IN_FOR_S:
            answer = await self._ask("POST", "/sign-in", self._fields)
            if answer.status_code != HTTPStatus.SEE_OTHER:
                raise LabError(f"not signed in: {answer.status_code}")
            self._signed_in_at_s = now_s

    async def _ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        moments: Moments | None = None,
        moment: str = "",
    ) -> httpx.Response:
        watch = {} if moments is None else {"trace": partial(_pass_when_sent, moments, moment)}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = await self._browser.request(
                        method, path, data=fields, extensions=watch
                    )
                    if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                        return answer
                await asyncio.sleep(AGAIN_S)


async def _pass_when_sent(moments: Moments, moment: str, event: str, _: Mapping[str, Any]) -> None:
    if event == SENT and await moments.passes(moment):
        raise httpx.ReadError("whoever was to answer was killed")


class Customer:
    """The manager of an office, and who cares for it."""

    def __init__(  # noqa: PLR0913 - each is one fact of the office, given by name
        self,
        *,
        manager: Person,
        care: Person,
        card_number: str,
        chance: Random,
        moments: Moments,
        pause_s: float,
    ) -> None:
        self._manager, self._care = manager, care
        self._card_number = card_number
        self._chance = chance
        self._moments = moments
        self._pause_s = pause_s
        self._bought_at_s: dict[str, float] = {}
        self.purchases: list[Purchase] = []
        self.problems: list[str] = []
        self.cards = 0
        self.cancelled = 0

    async def go_on(self, enough: asyncio.Event) -> None:
        """Until it is enough; what was begun then is finished."""
        while not enough.is_set():
            what, do = self._drawn()
            try:
                await do()
            except LabError as error:
                self.problems.append(f"{self._manager.address} wanted {what}: {error}")
            except TimeoutError:
                self.problems.append(
                    f"{self._manager.address} wanted {what}: not done in {PATIENCE_S:.0f} s,"
                    f" at {datetime.now(UTC):%H:%M:%S}"
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(0, 2 * self._pause_s)):
                    await enough.wait()

    def _drawn(self) -> tuple[str, Callable[[], Awaitable[None]]]:
        drawn = self._chance.random()
        if self._moments.awaited(CARD_ASKED) or drawn < CARDS_PART:
            return "to replace a card", self._replace_card
        if self._moments.awaited(CANCEL_SENT) or drawn < CARDS_PART + CANCELLED_PART:
            return "to have a payment cancelled", self._have_one_cancelled
        return "to buy", self._buy

    async def _buy(self) -> None:
        form = form_in(await self._manager.page("/"), "/top-ups")
        fresh = [each for each in form.choices["amount"] if not self._just_bought(each)]
        amount = self._chance.choice(fresh or form.choices["amount"])
        fields = form.fields | {"amount": amount}
        purchase = Purchase(fields["key"], parse_money(amount, "GBP").micros)
        self.purchases.append(purchase)
        self._bought_at_s[amount] = time.monotonic()
        if fresh:  # any other is asked about, and written only then
            await self._moments.passes(FORM_FILLED, purchase.key)
        clicks = 2 if self._chance.random() < IMPATIENT_PART else 1
        answer, *_ = await asyncio.gather(
            *(self._send_purchase(purchase.key, fields) for _ in range(clicks))
        )
        if answer.status_code == HTTPStatus.CONFLICT:  # as much was bought a moment ago: yes, again
            again = form_in(answer.text, "/top-ups").fields | {"amount": amount}
            answer = await self._send_purchase(purchase.key, again)
        if answer.status_code != HTTPStatus.SEE_OTHER:
            raise LabError(f"a purchase was answered {answer.status_code}")
        to = answer.headers["location"]
        await self._moments.passes(REDIRECTED)
        await self._manager.page(to)
        purchase.shown = to.rpartition("/")[2]

    def _just_bought(self, amount: str) -> bool:
        at_s = self._bought_at_s.get(amount)
        return at_s is not None and time.monotonic() < at_s + ASKED_ABOUT_S

    async def _send_purchase(self, key: str, fields: Mapping[str, str]) -> httpx.Response:
        return await self._manager.send(
            "/top-ups", fields, moments=self._moments, moment=form_sent(key)
        )

    async def _replace_card(self) -> None:
        asked = await self._manager.send("/billing/card", {})
        form_page = asked.headers["location"]
        await self._moments.passes(CARD_ASKED)
        async with asyncio.timeout(PATIENCE_S):
            found = _CARD_PAGE.search(await self._page_with(form_page, _CARD_PAGE))
            if found is None:
                raise LabError(f"no card can be entered at {form_page}")
            await _enter(unescape(found[1]), self._card_number)
            if _SAVED not in await self._page_with(form_page, _CARD_DONE):
                raise LabError(f"no card was saved at {form_page}")
        self.cards += 1

    async def _page_with(self, path: str, wanted: re.Pattern[str]) -> str:
        """The page as soon as it shows that, loaded again and again as its own script does."""
        while True:
            page = await self._manager.page(path)
            if wanted.search(page) or _CARD_DONE.search(page):
                return page
            await asyncio.sleep(AGAIN_S)

    async def _have_one_cancelled(self) -> None:
        """Against a code that the manager reads out. It may be too late: then nothing is done."""
        shown = [each.shown for each in self.purchases if each.shown]
        if not shown:
            return
        path = f"/payments/{shown[-1]}"  # of those before it more is spent
        if f'action="{path}/cancel"' not in await self._care.page(path):
            return
        code = _CODE.search((await self._manager.send("/billing/support-code", {})).text)
        if code is None:
            raise LabError("no code for customer care was shown")
        answer = await self._care.send(
            f"{path}/cancel",
            {"code": code[1], "reason": "by mistake"},
            moments=self._moments,
            moment=CANCEL_SENT,
        )
        # A code works once: when the first answer was lost, the second says that it is no good.
        if answer.status_code not in {HTTPStatus.SEE_OTHER, HTTPStatus.CONFLICT}:
            raise LabError(f"a cancellation was answered {answer.status_code}")
        self.cancelled += 1


async def _enter(page_url: str, number: str) -> None:
    """The sandbox may just be killed; and a form that was filled in is not shown again."""
    while True:
        try:
            await enter_card(page_url, number)
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(AGAIN_S)
        except PageShownError as shown:
            if shown.status == HTTPStatus.GONE:
                return
            raise
        else:
            return
