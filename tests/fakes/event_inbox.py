"""An inbox in memory, which may be away."""

import asyncio

from charging.card_processor import ProcessorEvent
from charging.errors import ChargingUnavailable


class MemoryInbox:
    """Implements `charging.card_processor.EventInbox`."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], ProcessorEvent] = {}
        self.away = False

    async def keep(self, source: str, event: ProcessorEvent) -> bool:
        if self.away:
            raise ChargingUnavailable("away")
        await asyncio.sleep(0)  # others come in between, as with a database
        name = (source, event.event_id)
        if name in self.events:
            return False
        self.events[name] = event
        return True
