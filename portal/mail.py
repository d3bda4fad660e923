"""Mails with a link: asked for here, sent by `payments`, which alone knows the mail server."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from charging.notices import link_notice
from charging.people import LinkPurpose, Role, User
from db.money_rows import tell
from portal.store import Store


class Mail(Protocol):
    @property
    def is_sent(self) -> bool:
        """Whether there is a mail server; without one the administrator hands links over."""
        ...

    async def send_link(
        self,
        user: User,
        purpose: LinkPurpose,
        *,
        office_id: str,
        language: str,
        role: Role | None = None,
    ) -> None:
        """Have somebody sent the address of a page that works once; `role`: what it offers."""
        ...


class MailedLinks:
    """In the outbox of notices, which holds no link."""

    def __init__(
        self, store: Store, now: Callable[[], datetime], *, public_url: str, is_sent: bool
    ) -> None:
        self.is_sent = is_sent
        self._store = store
        self._now = now
        self._page = f"{public_url}/welcome/"

    async def send_link(
        self,
        user: User,
        purpose: LinkPurpose,
        *,
        office_id: str,
        language: str,
        role: Role | None = None,
    ) -> None:
        notice = link_notice(
            user,
            purpose,
            office_id=office_id,
            page=self._page,
            language=user.language or language,
            at=self._now(),
            role=role,
        )
        await self._store.write(lambda writer: tell(writer, notice))
