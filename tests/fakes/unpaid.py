"""Takes note of what is not charged, in memory."""

from charging.errors import Refusal
from charging.usecases import CallRequest, UnmeteredAuthorisation


class NotedUnpaidCalls:
    def __init__(self) -> None:
        self.refusals: list[tuple[CallRequest, str]] = []
        self.connections: list[UnmeteredAuthorisation] = []

    def refused(self, request: CallRequest, code: str, refusal: Refusal | None = None) -> None:
        del refusal
        self.refusals.append((request, code))

    def connected(self, request: CallRequest, authorised: UnmeteredAuthorisation) -> None:
        del request
        self.connections.append(authorised)
