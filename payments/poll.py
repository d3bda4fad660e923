"""What no webhook told: the processor's own list of events, asked for now and then.

It goes into the same inbox as webhooks do, under the same ids, so what both tell is kept once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from charging.card_processor import CardProcessor, Changed, EventInbox, Invalid, Unknown

log = structlog.get_logger()

FIRST_LOOK: Final = timedelta(days=3)  # as long as a processor repeats a webhook
LOOK_AGAIN: Final = timedelta(minutes=10)  # clocks differ, and lists are filled late


@dataclass(slots=True)
class Poll:
    """Asks for everything since it last had an answer."""

    processor: CardProcessor
    inbox: EventInbox
    since: datetime | None = None  # up to here every event is in the inbox

    async def ask(self, *, now: datetime) -> int | Unknown | Invalid:
        """Keep what is new.

        Returns:
            How many events were new, or why nothing was learned; the same span is then asked again.

        Raises:
            ChargingUnavailable: the database is away; asking again is safe.
        """
        since = now - FIRST_LOOK if self.since is None else self.since
        answer = await self.processor.changed(since=since, until=now + LOOK_AGAIN)
        if not isinstance(answer, Changed):
            log.warning("poll_without_answer", processor=self.processor.name, answer=repr(answer))
            return answer
        ids = [event.event_id for event in answer.events]
        missing = await self.inbox.missing(self.processor.name, ids)
        new = 0
        for event in answer.events:
            if event.event_id in missing and await self.inbox.keep(self.processor.name, event):
                new += 1
                log.info("event_found", event_id=event.event_id, kind=event.kind)
        self.since = now - LOOK_AGAIN
        return new
