"""Callers who wait while their office's card is charged: one look at the ledger for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from charging.errors import ChargingError
from charging.ledger import MoneyNews
from charging.money import Money

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.25

News = Callable[[str, str], Awaitable[MoneyNews]]  # of an office, in a currency


class RefillWait:
    def __init__(self, news: News, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._news = news
        self._look_every_s = look_every_s
        self._next: dict[str, asyncio.Task[MoneyNews | None]] = {}  # the next look, by office

    async def until_settled(self, office_id: str, needed: Money, *, at_most_s: float) -> None:
        """Return when the office has what is needed, when no money is coming, or after a time."""
        try:
            async with asyncio.timeout(at_most_s):
                while not await self._settled(office_id, needed):
                    pass
        except TimeoutError:
            log.info("refill_too_slow", office=office_id, waited_s=at_most_s)

    async def _settled(self, office_id: str, needed: Money) -> bool:
        news = await self._look(office_id, needed.currency)
        return news is not None and (news.available >= needed or not news.under_way)

    async def _look(self, office_id: str, currency: str) -> MoneyNews | None:
        """The next look at this office, which whoever else waits for it shares."""
        looking = self._next.get(office_id)
        if looking is None or looking.done():
            looking = asyncio.create_task(self._look_later(office_id, currency))
            self._next[office_id] = looking
        return await asyncio.shield(looking)

    async def _look_later(self, office_id: str, currency: str) -> MoneyNews | None:
        await asyncio.sleep(self._look_every_s)
        try:
            return await self._news(office_id, currency)
        except ChargingError as error:  # unknown: who waits waits on
            log.warning("money_not_checked", error=str(error))
            return None
