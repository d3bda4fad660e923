"""The order in which a lost connection, and the events of the next one, reach the calls."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from ari_app.ami import Ami
from ari_app.application import Application
from ari_app.ari import Ari, AriUnavailableError
from ari_app.driver import Driver
from ari_app.recovery import Recovery

FIRST, SECOND = {"type": "first"}, {"type": "second"}


class TwoConnections:
    """Each brings one event and is lost; there is no third."""

    app_name = "tollgate"
    connected = False

    def __init__(self) -> None:
        self._events = iter((FIRST, SECOND))
        self.none_left = asyncio.Event()

    async def has_another(self) -> bool:
        return False

    async def connect(self) -> None:
        """Says yes."""

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        event = next(self._events, None)
        if event is None:
            self.none_left.set()
            await asyncio.Event().wait()
        else:
            yield event
        raise AriUnavailableError("the connection to Asterisk was lost")

    async def ask_time(self) -> None:
        raise AriUnavailableError("nobody asks it anything here")


class Noting:
    def __init__(self) -> None:
        self.noted: list[str] = []

    live_calls = 0

    def take(self, message: Mapping[str, Any]) -> None:
        self.noted.append(message["type"])

    def note_events_lost(self) -> None:
        self.noted.append("events lost")

    async def close(self) -> None:
        """Has nothing open."""


async def test_calls_are_told_of_a_lost_connection_before_any_event_of_the_next() -> None:
    ari, driver = TwoConnections(), Noting()
    application = Application(
        ari=cast(Ari, ari),
        ami=cast(Ami, None),
        driver=cast(Driver, driver),
        recovery=cast(Recovery, None),
        sweep_wanted=asyncio.Event(),
    )
    listening = asyncio.create_task(application._listen())  # noqa: SLF001 - the part under test
    await ari.none_left.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert driver.noted[:4] == ["first", "events lost", "second", "events lost"]
