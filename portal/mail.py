"""Mails with a link. They go to the outbox; until a mail server is set, they are only logged."""

from collections.abc import Callable
from typing import Protocol

import structlog

from charging.people import LinkPurpose, User

log = structlog.get_logger()


class Mail(Protocol):
    async def send_link(self, user: User, purpose: LinkPurpose, address: str) -> None:
        """Send somebody the address of a page that works once."""
        ...


class LoggedMail:
    """For an installation without a mail server: whoever reads this log can pass the link on."""

    def __init__(self, write: Callable[..., object] = log.warning) -> None:
        self._write = write

    async def send_link(self, user: User, purpose: LinkPurpose, address: str) -> None:
        self._write("link_not_mailed", user=user.address, purpose=purpose.value, link=address)
