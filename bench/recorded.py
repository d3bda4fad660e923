"""One call as Asterisk 22.10.1 told of it over ARI, to be told again of any number of calls."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ari_app.ami import Ami
from ari_app.ari import Ari

_OFFERED, _DIALLED, _ANSWERED, _CALLER_ENDED, _LEG_ENDED = (
    Path(__file__).with_name("recorded_call.jsonl").read_text(encoding="utf-8").splitlines()
)
Message = Mapping[str, Any]


class RecordedCall:
    """The events of one call, each as of the moment it is asked for."""

    def __init__(self, number: int) -> None:
        self.caller = f"pbx-{number}.0"
        self.leg = f"pbx-{number}.1"
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None

    def offered(self) -> Message:
        return self._told(_OFFERED, now())

    def dialled(self) -> Message:
        return self._told(_DIALLED, now())

    def answered(self) -> Message:
        self.answered_at = now()
        return self._told(_ANSWERED, self.answered_at)

    def caller_ended(self) -> Message:
        return self._told(_CALLER_ENDED, now())

    def leg_ended(self) -> Message:
        self.ended_at = now()
        return self._told(_LEG_ENDED, self.ended_at)

    def _told(self, text: str, at: datetime) -> Message:
        """Read anew each time, as the application reads what comes over the socket."""
        message: Message = json.loads(
            text.replace("CALLER", self.caller)
            .replace("LEG", self.leg)
            .replace("TIMESTAMP", at.isoformat(timespec="milliseconds"))
        )
        return message


class WillingAri(Ari):
    """Says yes to every request at once; there is no Asterisk."""

    async def _exchange(self, request: dict[str, Any]) -> Message:
        """Put the request into words, as for the socket, and no further."""
        json.dumps(request)
        return {"status_code": HTTPStatus.NO_CONTENT}


class WillingAmi(Ami):
    """Says yes to every action at once."""

    def __init__(self) -> None:
        """No manager: nothing connects."""

    async def end_at(self, channel: str, *, at_s: float) -> None:
        del channel, at_s

    async def set_variable(self, channel: str, *, name: str, value: str) -> None:
        del channel, name, value


def now() -> datetime:
    """To the millisecond, as Asterisk tells it."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
