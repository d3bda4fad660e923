"""Asterisk's log of legs, read on every few seconds for whoever watches it, beside all calls."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from ari_app.tail import Tail
from charging.errors import ChargingUnavailable
from telephony.cel import fields_of

log = structlog.get_logger()

READ_EVERY_S = 2.0
BEGIN_BYTES = 256 * 1024  # of the log are read where nobody says since when
NOTED_AT_ONCE = 200  # events; then whoever waits for the event loop has a turn

Fields = Mapping[str, Any]


class Watch(Protocol):
    def note(self, event: Fields, *, now_s: float) -> None:
        """Take one event, without waiting for anything."""

    async def judge(self, now_s: float) -> None:
        """Act on what was noted.

        Raises:
            OSError, ChargingUnavailable: not now; it is tried again at the next reading.
        """


class LegEvents:
    """Each line is read and understood once, however many watch."""

    def __init__(
        self,
        file: Path,
        watches: Sequence[Watch],
        *,
        since_ms: Callable[[], Awaitable[int | None]],
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Read nothing yet.

        Args:
            file: the log, beside which are those that were moved aside.
            watches: who is told.
            since_ms: asked once, where to begin; None: not far before the end.
            has_room: whether there is room for more; the log waits.
        """
        self._file = file
        self._watches = watches
        self._since_ms = since_ms
        self._has_room = has_room
        self._tail: Tail | None = None

    async def run(self) -> None:
        """Until cancelled. What cannot be read or asked now is judged at the next reading."""
        try:
            while True:
                await self._look_safely()
                await asyncio.sleep(READ_EVERY_S)
        finally:
            self.close()

    def close(self) -> None:
        if self._tail is not None:
            self._tail.close()

    async def _look_safely(self) -> None:
        try:
            await self.look(time.monotonic())
        except (OSError, ChargingUnavailable) as error:
            log.warning("legs_not_judged", error=str(error))
        except Exception:  # no defect of who watches is worth a call
            log.exception("legs_not_judged")

    async def look(self, now_s: float) -> None:
        """Read on, and let everybody judge what was noted.

        Raises:
            OSError: the log cannot be read.
            ChargingUnavailable: the database is away.
        """
        if self._tail is None:
            since_ms = await self._since_ms()
            self._tail = Tail(self._file, begin_bytes=BEGIN_BYTES, since_ms=since_ms)
        if self._has_room():
            await self._note(await asyncio.to_thread(self._read, self._tail), now_s)
        for watch in self._watches:
            await watch.judge(now_s)

    @staticmethod
    def _read(tail: Tail) -> list[Fields]:
        found = map(fields_of, tail.lines())
        return [fields for fields in found if fields is not None]

    async def _note(self, events: Sequence[Fields], now_s: float) -> None:
        for number, event in enumerate(events, start=1):
            for watch in self._watches:
                watch.note(event, now_s=now_s)
            if number % NOTED_AT_ONCE == 0:
                await asyncio.sleep(0)
