"""Notices reach an SMTP server once each, in the reader's language; or the log, or a later try."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr
from sqlalchemy import Engine

from charging.notices import Notice, NoticeKind
from db.ledger import read_from
from db.money_rows import tell
from db.outbox import NoticeAddress, add_address, last_notices, remove_address, waiting_since
from db.writing import write_to
from lab.ports import find_free_port
from payments.notices import AGAIN_AFTER, Mailer, Outbox, mailer_of
from settings import NoticeSettings
from tests.fakes.clock import START, ManualClock


class Inbox:
    """Who receives mail; it may refuse."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refuses = False

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: object, session: object, envelope: Any
    ) -> str:
        del server, session
        if self.refuses:
            return "451 try again later"
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


class TlsController(Controller):
    def _trigger_server(self) -> None:
        """Its own cannot speak to a server with TLS from the first byte."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection((self.hostname, self.port), timeout=10) as plain:
            context.wrap_socket(plain).close()


def _authenticated(*asked: Any) -> AuthResult:
    wanted = LoginPassword(b"tollgate", b"secret")
    return AuthResult(success=asked[-1] == wanted)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its certificate for 127.0.0.1, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    file = folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    both = (folder / "key.pem").read_text() + (folder / "cert.pem").read_text()
    file.write_text(both)
    return file


@pytest.fixture(params=["none", "starttls", "tls"])
def mail_server(
    request: pytest.FixtureRequest, certificate: Path
) -> Iterator[tuple[Inbox, NoticeSettings]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    kind, inbox = request.param, Inbox()
    encrypted = kind != "none"
    make = TlsController if kind == "tls" else Controller
    controller = make(
        inbox,
        hostname="127.0.0.1",
        port=find_free_port(),
        ssl_context=context if kind == "tls" else None,
        tls_context=context if kind == "starttls" else None,
        require_starttls=kind == "starttls",
        authenticator=_authenticated,
        auth_required=kind == "starttls",  # it takes TLS from the first byte for none
        auth_require_tls=kind == "starttls",
    )
    controller.start()
    yield (
        inbox,
        NoticeSettings(
            smtp_host="127.0.0.1",
            smtp_port=controller.port,
            smtp_tls=kind,
            smtp_user="tollgate" if encrypted else "",
            smtp_password=SecretStr("secret") if encrypted else None,
            smtp_ca_file=certificate,
            sender="Tollgate <tollgate@example.com>",
            operator="operator@example.com",
        ),
    )
    controller.stop()


def write(engine: Engine, key: str, kind: NoticeKind = NoticeKind.LOW_BALANCE) -> None:
    notice = Notice(
        key=key,
        office_id="main",
        kind=kind,
        at=START,
        facts={"micros": 4_000_000, "currency": "GBP"},
    )
    write_to(engine, lambda writer: tell(writer, notice))


def add(engine: Engine, address: str, language: str = "en") -> None:
    to = NoticeAddress(address, language)
    write_to(engine, lambda writer: add_address(writer, "main", to, by="user:anna", at=START))


def an_outbox(
    engine: Engine, settings: NoticeSettings, clock: ManualClock, name: str = "one"
) -> Outbox:
    return Outbox(
        engine=engine, mailer=mailer_of(settings), settings=settings, clock=clock, name=name
    )


async def test_each_address_gets_each_notice_once_in_its_language(
    engine: Engine, mail_server: tuple[Inbox, NoticeSettings], clock: ManualClock
) -> None:
    inbox, settings = mail_server
    add(engine, "anna@example.com")
    add(engine, "zoe@example.fr", "fr")
    for _ in range(2):
        write(engine, "low-balance:main:7")  # told once, whoever finds it out how often
    outboxes = [an_outbox(engine, settings, clock, name) for name in ("one", "other")]
    for _ in range(2):
        await asyncio.gather(*(outbox.send_due() for outbox in outboxes))
    assert sorted(mail["To"] for mail in inbox.mails) == ["anna@example.com", "zoe@example.fr"]
    by_address = {mail["To"]: mail for mail in inbox.mails}
    assert by_address["anna@example.com"]["Subject"] == "Your prepaid balance is low: £4.00"
    french = by_address["zoe@example.fr"]
    assert french["Subject"] == "Votre solde prépayé est bas : 4,00\xa0£GB"
    assert "Vous pouvez ajouter des fonds" in french.get_content()
    assert french["Message-ID"].endswith("@example.com>")
    (sent,) = read_from(engine, lambda reader: last_notices(reader, "main", 10))
    assert (sent.sent_at, sent.problem) == (START, "")


async def test_what_no_office_would_read_goes_to_the_operator(
    engine: Engine, mail_server: tuple[Inbox, NoticeSettings], clock: ManualClock
) -> None:
    inbox, settings = mail_server
    write(engine, "one")
    add(engine, "anna@example.com")
    write(engine, "two", NoticeKind.OPERATOR)
    write_to(
        engine,
        lambda writer: remove_address(writer, "main", "anna@example.com", by="user:anna", at=START),
    )
    await an_outbox(engine, settings, clock).send_due()
    assert [mail["To"] for mail in inbox.mails] == ["operator@example.com"] * 2


class OneServer:
    """A mail server that refuses, and is counted."""

    def __init__(self) -> None:
        self.asked = 0

    def send(self, message: EmailMessage) -> None:
        del message
        self.asked += 1


class SlowServer:
    """Takes each mail after four minutes, in which somebody else may look."""

    def __init__(self, clock: ManualClock, meanwhile: Callable[[], None]) -> None:
        self._clock = clock
        self._meanwhile = meanwhile
        self.sent: list[str] = []

    def send(self, message: EmailMessage) -> None:
        self.sent.append(message["Message-ID"])
        self._clock.advance(240)
        self._meanwhile()


async def test_a_mail_server_that_is_slow_for_many_gets_none_of_them_twice(
    engine: Engine, clock: ManualClock
) -> None:
    """All of them take longer than the lease that one who died would leave."""
    add(engine, "anna@example.com")
    for key in ("one", "two", "three", "four"):
        write(engine, key)
    loop = asyncio.get_running_loop()
    server = SlowServer(
        clock, lambda: asyncio.run_coroutine_threadsafe(other.send_due(), loop).result(30)
    )
    quick = SlowServer(clock, lambda: None)
    settings = NoticeSettings()

    def outbox_of(mailer: Mailer, name: str) -> Outbox:
        return Outbox(engine=engine, mailer=mailer, settings=settings, clock=clock, name=name)

    other = outbox_of(quick, "other")
    await outbox_of(server, "one").send_due()
    sent = server.sent + quick.sent
    assert len(sent) == len(set(sent)) == 4


async def test_a_server_that_is_away_is_tried_again_and_then_given_up(
    engine: Engine, clock: ManualClock
) -> None:
    settings = NoticeSettings(
        smtp_host="127.0.0.1", smtp_port=find_free_port(), smtp_tls="none", operator="o@example.com"
    )
    write(engine, "one")
    outbox = an_outbox(engine, settings, clock)
    for pause in AGAIN_AFTER:
        await outbox.send_due()
        (waiting,) = read_from(engine, lambda r: waiting_since(r, clock.now()))
        assert "o@example.com: ConnectionRefusedError" in waiting.problem
        clock.advance(round(pause.total_seconds()))
    await outbox.send_due()
    assert read_from(engine, lambda reader: waiting_since(reader, clock.now())) == []
    (given_up,) = read_from(engine, lambda reader: last_notices(reader, "main", 10))
    assert given_up.sent_at is None
    clock.advance(round(timedelta(days=1).total_seconds()))
    counting: Mailer = OneServer()
    later = Outbox(engine=engine, mailer=counting, settings=settings, clock=clock, name="one")
    await later.send_due()
    assert counting.asked == 0  # type: ignore[attr-defined]


async def test_a_server_that_refuses_a_mail_gets_it_again(
    engine: Engine, mail_server: tuple[Inbox, NoticeSettings], clock: ManualClock
) -> None:
    inbox, settings = mail_server
    inbox.refuses = True
    write(engine, "one")
    outbox = an_outbox(engine, settings, clock)
    await outbox.send_due()
    inbox.refuses = False
    await outbox.send_due()  # not due yet
    assert inbox.mails == []
    clock.advance(60)
    await outbox.send_due()
    assert len(inbox.mails) == 1


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(
    engine: Engine, mail_server: tuple[Inbox, NoticeSettings], clock: ManualClock
) -> None:
    inbox, settings = mail_server
    if settings.smtp_tls == "none":
        return
    write(engine, "one")
    strangers = settings.model_copy(update={"smtp_ca_file": None})
    await an_outbox(engine, strangers, clock).send_due()
    assert inbox.mails == []
    (waiting,) = read_from(engine, lambda reader: waiting_since(reader, START))
    assert "certificate" in waiting.problem.lower()


async def test_without_a_server_a_notice_is_a_line_of_the_log(
    engine: Engine, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    write(engine, "one")
    await an_outbox(engine, NoticeSettings(), clock).send_due()
    assert "Your prepaid balance is low: £4.00" in capsys.readouterr().out
