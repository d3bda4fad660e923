"""An inbox in memory, which may be away."""

import asyncio
from collections.abc import Sequence

from charging.card_processor import ProcessorEvent
from charging.errors import ChargingUnavailable


class MemoryInbox:
    """Implements `charging.card_processor.EventInbox`."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], ProcessorEvent] = {}
        self.away = False
        self.written = 0  # how often somebody asked for an event to be kept

    async def keep(self, source: str, event: ProcessorEvent) -> bool:
        if self.away:
            raise ChargingUnavailable("away")
        self.written += 1
        await asyncio.sleep(0)  # others come in between, as with a database
        name = (source, event.event_id)
        if name in self.events:
            return False
        self.events[name] = event
        return True

    async def missing(self, source: str, event_ids: Sequence[str]) -> frozenset[str]:
        if self.away:
            raise ChargingUnavailable("away")
        return frozenset(each for each in event_ids if (source, each) not in self.events)
