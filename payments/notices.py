"""The outbox: sends what is told, by any SMTP server, or into the log where none is set up."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Connection, Engine

from charging.errors import ChargingUnavailable
from charging.notices import WITH_LINK, Notice, NoticeKind
from charging.people import LINK_LASTS, LinkPurpose, Offered, Role
from charging.ports import Clock
from db import people
from db.leases import acquire
from db.ledger import read_from
from db.outbox import (
    NoticeAddress,
    WaitingNotice,
    addresses_of,
    due_notices,
    note_not_sent,
    note_sent,
)
from db.writing import write_to
from payments.letters import letter
from settings import NoticeSettings

log = structlog.get_logger()

LOOK_EVERY_S: Final = 2.0
_PURPOSES: Final = {kind: purpose for purpose, kind in WITH_LINK.items()}
AT_ONCE: Final = 20
LEASE: Final = timedelta(minutes=5)  # longer than sending one notice to every address takes
SEND_TIMEOUT_S: Final = 30
AGAIN_AFTER: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)  # then it is given up, and the doctor tells of it


class MailNotSentError(Exception):
    """The mail server cannot be reached, or does not take it; the message is one sentence."""


class Mailer(Protocol):
    def send(self, message: EmailMessage) -> None:
        """In a thread.

        Raises:
            MailNotSentError: it was not taken.
        """
        ...


class SmtpMailer:
    def __init__(self, settings: NoticeSettings) -> None:
        self._settings = settings

    def send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                server.send_message(message)
        # smtplib speaks ASCII where it signs in.
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise MailNotSentError(f"{type(error).__name__}: {error}") from error

    def _connected(self) -> smtplib.SMTP:
        """Encrypted and signed in, as the settings say."""
        settings = self._settings
        host, port = str(settings.smtp_host), settings.smtp_port
        if settings.smtp_tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=SEND_TIMEOUT_S, context=self._context()
            )
        else:
            server = smtplib.SMTP(host, port, timeout=SEND_TIMEOUT_S)
        try:
            if settings.smtp_tls == "starttls":
                server.starttls(context=self._context())
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.password)
        except BaseException:
            server.close()
            raise
        return server

    def _context(self) -> ssl.SSLContext:
        authorities = self._settings.smtp_ca_file
        return ssl.create_default_context(cafile=None if authorities is None else str(authorities))


class LogMailer:
    """Where no mail server is set up, what would be sent is a line of the log."""

    def send(self, message: EmailMessage) -> None:
        log.info("notice", to=message["To"], subject=message["Subject"])


class Outbox:
    def __init__(
        self,
        *,
        engine: Engine,
        mailer: Mailer,
        settings: NoticeSettings,
        clock: Clock,
        name: str,
    ) -> None:
        self._engine = engine
        self._mailer = mailer
        self._settings = settings
        self._clock = clock
        self._name = name

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.send_due()
            except ChargingUnavailable as error:
                log.warning("notices_wait", error=str(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def send_due(self) -> None:
        """Raises ChargingUnavailable: the database is away; what waits is sent later."""
        if not await self._has_turn():
            return
        now = self._clock.now()
        for waiting in await self._read(lambda reader: due_notices(reader, now, AT_ONCE)):
            if not await self._has_turn():  # prolonged: all of them may take longer than a lease
                return
            await self._send(waiting, self._clock.now())

    async def _has_turn(self) -> bool:
        """One process sends at a time, so that a mail is not sent twice."""
        now = self._clock.now()
        ours: bool = await self._write(
            lambda writer: acquire(writer, "notices", holder=self._name, now=now, lasts=LEASE)
        )
        return ours

    async def _send(self, waiting: WaitingNotice, now: datetime) -> None:
        """To every address in one go: a mail that some got is not sent again for the others."""
        problems = []
        for to, notice in await self._told(waiting.notice, now):
            message = self._message(waiting, notice, to)
            try:
                await asyncio.to_thread(self._mailer.send, message)
            except MailNotSentError as error:
                log.error("mail_not_sent", key=waiting.notice.key, error=str(error))
                problems.append(f"{to.address}: {error}")
        if not problems:
            await self._write(lambda writer: note_sent(writer, waiting.notice_id, now))
            return
        pauses = AGAIN_AFTER[waiting.tries : waiting.tries + 1]
        again_at = now + pauses[0] if pauses else None
        await self._write(
            lambda writer: note_not_sent(
                writer, waiting, again_at=again_at, problem="; ".join(problems)[:500]
            )
        )

    async def _told(self, notice: Notice, now: datetime) -> Sequence[tuple[NoticeAddress, Notice]]:
        """To whom, and what."""
        purpose = _PURPOSES.get(notice.kind)
        if purpose is None:
            return [(to, notice) for to in await self._addresses(notice)]
        with_link: tuple[NoticeAddress, Notice] | None = await self._write(
            lambda writer: _with_link(writer, notice, purpose, now)
        )
        return [] if with_link is None else [with_link]

    async def _addresses(self, notice: Notice) -> Sequence[NoticeAddress]:
        """The office's; or the operator's, who also gets what nobody of the office would."""
        operator = NoticeAddress(self._settings.operator or "operator", "en")
        if notice.kind is NoticeKind.OPERATOR:
            return [operator]
        found: Sequence[NoticeAddress] = await self._read(
            lambda reader: addresses_of(reader, notice.office_id)
        )
        return found or [operator]

    def _message(self, waiting: WaitingNotice, notice: Notice, to: NoticeAddress) -> EmailMessage:
        """Its id is made of the notice's: a copy that is sent again is known as the same.

        With a link no copy is the same: the link that an earlier one had no longer works.
        """
        told = letter(notice, to.language)
        message = EmailMessage(policy=SMTP)
        message["From"] = self._settings.sender
        message["To"] = to.address
        message["Subject"] = told.subject
        message["Date"] = format_datetime(waiting.notice.at)
        domain = self._settings.sender.rpartition("@")[2].rstrip(">")
        of_try = f".{waiting.tries}" if notice.kind in _PURPOSES else ""
        message["Message-ID"] = f"<notice-{waiting.notice_id}{of_try}.{_hex(to.address)}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(told.text)
        return message

    async def _read(self, query: Callable[[Connection], Any]) -> Any:
        return await asyncio.to_thread(read_from, self._engine, query)

    async def _write(self, change: Callable[[Connection], Any]) -> Any:
        return await asyncio.to_thread(write_to, self._engine, change)


def _with_link(
    writer: Connection, notice: Notice, purpose: LinkPurpose, now: datetime
) -> tuple[NoticeAddress, Notice] | None:
    """A link that works from now on, and no earlier one does; None: the person has left."""
    user = people.user_of(writer, int(notice.facts["user"]))
    if user is None or user.disabled:
        return None
    offered = None
    if purpose is LinkPurpose.ACCESS:
        offered = Offered(notice.office_id, Role(str(notice.facts["role"])))
    token = people.make_link(writer, user.user_id, purpose, now, offered=offered)
    kind = notice.kind
    if purpose is LinkPurpose.ACCESS and user.password_hash is None:
        kind = NoticeKind.INVITATION  # the letter to somebody who has to choose a password first
    facts: dict[str, str | int] = {
        "name": user.name,
        "link": f"{notice.facts['page']}{token}",
        "minutes": LINK_LASTS // timedelta(minutes=1),
    }
    return NoticeAddress(user.address, str(notice.facts["language"])), replace(
        notice, kind=kind, facts=facts
    )


def mailer_of(settings: NoticeSettings) -> Mailer:
    return LogMailer() if settings.smtp_host is None else SmtpMailer(settings)


def _hex(address: str) -> str:
    return address.encode().hex()[:40]
