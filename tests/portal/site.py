"""The portal of a test: two offices, a person of every role, and browsers without a browser."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from gettext import NullTranslations
from pathlib import Path
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

import httpx
from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine

from charging.errors import UnknownExtension
from charging.extension_settings import extension_settings
from charging.ledger import Balances, CallRecord, LedgerCommand, MoneyNews
from charging.managers_settings import SettingChange
from charging.money_in import MoneyIn
from charging.orders import offer_of
from charging.people import Client, Role, User
from charging.provenance import FromFile, Sourced
from charging.receipts import Party, ReceiptTerms, VatAt
from db import people
from db.batches import BatchRunner
from db.engine import WRITER, open_engine
from db.ledger import SqlLedger, balances_of, read_from
from db.managers_settings import read_settings, store_setting
from db.money_reads import SqlMoney
from lab.believable import phones
from payments.notices import Outbox
from portal.app import portal_app
from portal.assets import Assets
from portal.languages import load_catalogues
from portal.mail import MailedLinks
from portal.offices import Offices
from portal.pages import Pages
from portal.parts import Parts
from portal.passwords import Passwords
from portal.printing import Printer
from portal.sessions import COOKIE, Sessions
from portal.store import Store
from portal.words import Words
from settings import NoticeSettings
from tests.fakes.charging import UK_PLAN, FixedOffices, OneDeck, office_on
from tests.fakes.clock import ManualClock
from tests.programs import make_ledger

Result = TypeVar("Result")

HOST = "127.0.0.1:8181"
ADDRESS = f"http://{HOST}"
PASSWORD = "correct horse battery"  # noqa: S105 - of nobody but the tests
FRANCE_PLAN = replace(
    UK_PLAN,
    name="france",
    title="France",
    country="FR",
    currency="EUR",
    language="fr",
    timezone=ZoneInfo("Europe/Paris"),
)
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class SentMail:
    """The mail server of a test; what was sent there."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> None:
        self.messages.append(message)

    @property
    def to(self) -> list[str]:
        return [message["To"] for message in self.messages]

    @property
    def links(self) -> list[str]:
        """The address in each mail with a link."""
        texts = [message.get_content() for message in self.messages]
        return [found[0] for text in texts if (found := re.search(r"http\S+", text))]


class DirectLedger:
    """charging.ports.Ledger without threads, so that it outlives the loop of one test."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def carry_out(self, command: LedgerCommand[Result]) -> Result:
        batches = BatchRunner(self._engine)
        [outcome] = batches.run([command])
        batches.close()
        if isinstance(outcome, Exception):
            raise outcome
        result: Result = outcome
        return result

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        return read_from(self._engine, query)

    async def balances(self, office_id: str, currency: str) -> Balances:
        return await self.read(lambda reader: balances_of(reader, office_id, currency))

    async def money_news(self, office_id: str, currency: str, now: datetime) -> MoneyNews:
        raise NotImplementedError

    async def last_call(self, office_id: str, endpoint: str) -> CallRecord | None:
        raise NotImplementedError

    async def open_calls(self, asterisk: str) -> Sequence[CallRecord]:
        raise NotImplementedError


@dataclass(frozen=True)
class Site:
    engine: Engine
    clock: ManualClock
    mail: SentMail
    ledger: DirectLedger
    parts: Parts
    users: Mapping[str, User]

    async def deliver(self) -> None:
        """What the process of payments does with the outbox."""
        settings = NoticeSettings(smtp_host="mail.example")
        outbox = Outbox(
            engine=self.engine, mailer=self.mail, settings=settings, clock=self.clock, name="test"
        )
        await outbox.send_due()

    def write(self, change: Callable[[Connection], Result]) -> Result:
        with self.engine.connect().execution_options(**WRITER) as writer, writer.begin():
            return change(writer)

    def read(self, query: Callable[[Connection], Result]) -> Result:
        with self.engine.connect() as reader:
            return query(reader)

    def token(self, who: str) -> str:
        """Of a new session of one of the users."""
        user = self.users[who]
        return self.write(
            lambda writer: people.begin_session(
                writer,
                user,
                next(iter(user.roles)),
                at=self.clock.now(),
                client=Client(address="127.0.0.1"),
            )
        )

    def browser(self, who: str | None = None) -> httpx.AsyncClient:
        """A browser in which somebody is signed in, or nobody."""
        cookies = {} if who is None else {COOKIE: self.token(who)}
        app = portal_app(self.parts, hosts={HOST})
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=ADDRESS,
            cookies=cookies,
            headers={"origin": ADDRESS, "sec-fetch-site": "same-origin"},
        )


PEOPLE: Mapping[str, Mapping[str, Role]] = {
    "anna": {"main": Role.MANAGER},
    "vic": {"main": Role.VIEWER},
    "remi": {"nice": Role.MANAGER},
    "carol": {"main": Role.CUSTOMER_CARE, "nice": Role.CUSTOMER_CARE},
}


class Said:
    """Who says what of extensions: a file fixes every name, the rest is the manager's."""

    def __init__(self, engine: Engine, known: FixedOffices) -> None:
        self._engine = engine
        self._known = known

    def in_force(self, office_id: str, endpoint: str = "") -> dict[str, Sourced]:
        extension = self._known.snapshot().extension(endpoint)
        if extension.office_id != office_id:
            raise UnknownExtension(endpoint)
        with self._engine.connect() as reader:
            manager = read_settings(reader).get((office_id, endpoint), {})
        entry = {"name": Sourced(extension.name, FromFile("phones.toml"))}
        return extension_settings(extension.number, entry=entry, manager=manager)

    async def change(self, change: SettingChange, client_address: str) -> None:
        store_setting(self._engine, change, client_address=client_address)


TERMS = ReceiptTerms(
    seller=Party(name="Example Telecom Ltd", address=("1 High Street",), vat_number="GB123"),
    vat_at=VatAt.TOP_UP,
    vat_basis_points=2000,
)


@contextmanager
def portal_site(
    folder: Path,
    *,
    catalogues: Mapping[str, NullTranslations] | None = None,
    speak: Callable[..., Words] = Words,
    host: str = HOST,
    mailed: bool = True,
) -> Iterator[Site]:
    engine = open_engine(f"sqlite:///{make_ledger(folder)}")
    clock, mail, store = ManualClock(), SentMail(), Store(engine)
    passwords, printer, assets = Passwords(HASHER), Printer(), Assets()
    known = FixedOffices([office_on(UK_PLAN), office_on(FRANCE_PLAN, "nice")], phones("main"))
    said = Said(engine, known)
    offices = Offices(known, lambda: said)
    ledger = DirectLedger(engine)
    numbers = itertools.count(1)
    money_in = MoneyIn(
        ledger=ledger,
        reader=SqlMoney(cast("SqlLedger", ledger)),  # only its `read` is used
        clock=clock,
        offer_of=lambda office_id: offer_of(offices.office(office_id).currency),
        new_id=lambda: f"pay-{next(numbers)}",
        terms_of=lambda _: TERMS,
    )
    pages = Pages(
        catalogues or load_catalogues(),
        assets,
        lambda office: offices.office(office).time_zone,
        speak=speak,
    )
    public_url = f"http://{host}"
    parts = Parts(
        store=store,
        sessions=Sessions(store, clock.now, secure=False),
        passwords=passwords,
        printer=printer,
        pages=pages,
        mail=MailedLinks(store, clock.now, public_url=public_url, is_sent=mailed),
        offices=offices,
        money_in=money_in,
        decks=OneDeck(),
        change_setting=said.change,
        assets=assets,
        now=clock.now,
        public_url=public_url,
    )
    site = Site(engine, clock, mail, ledger, parts, {})
    site.write(lambda writer: _add_people(writer, clock))
    users = {name: _user(site, name) for name in PEOPLE}
    yield replace(site, users=users)
    store.close()
    passwords.close()
    printer.close()
    engine.dispose()


def _add_people(writer: Connection, clock: ManualClock) -> None:
    hashed = HASHER.hash(PASSWORD)
    for name, roles in PEOPLE.items():
        user_id = people.add_user(
            writer, address=f"{name}@example.com", name=name.title(), at=clock.now()
        )
        people.set_password(writer, user_id, hashed)
        for office_id, role in roles.items():
            people.give_role(writer, user_id, office_id, role)


def _user(site: Site, name: str) -> User:
    user = site.read(lambda reader: people.find_user(reader, f"{name}@example.com"))
    assert user is not None
    return user


def text_of(answer: httpx.Response) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
