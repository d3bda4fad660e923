"""Offices of a trial of money: a card of some kind on file, a refill, a manager and who cares."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine

from charging.card_commands import ReplaceCard
from charging.card_processor import CardForm, CardProcessor, CardSaved, SaveCardRequest
from charging.money import Money
from charging.money_state import StoredCard
from charging.orders import Consent, RefillRule
from charging.people import Role
from charging.refill_commands import SetRefill
from db import people
from db.ledger import SqlLedger
from db.writing import write_to
from lab.errors import LabError
from lab.sandbox import enter_card
from payments import sandbox as sandbox_processor
from payments.sandbox_server.cards import CARDS
from trials.money_calls import CURRENCY
from trials.money_judge import UNIT

CARD_OF_EVERY_OFFICE: Final = (
    "succeeds",
    "succeeds",
    "succeeds",
    "never_answers",
    "answers_late",
    "decides_later",
    "refund_fails",
    "disputed_later",
)
_NUMBERS: Final = {card.name: card.number for card in CARDS}


def names(count: int) -> Sequence[str]:
    return [f"office{number}" for number in range(count)]


def card_numbers(offices: Sequence[str]) -> Sequence[str]:
    """The number of each office's card."""
    kinds = itertools.islice(itertools.cycle(CARD_OF_EVERY_OFFICE), len(offices))
    return [_NUMBERS[kind] for kind in kinds]


def write_settings(folder: Path, url: str, offices: Sequence[str], *, portal_port: int) -> Path:
    """Each office has one telephone, since the portal wants to know of some."""
    phones = folder / "phones.toml"
    phones.write_text(
        "".join(
            f'[phones.{number}]\noffice = "{name}"\n'
            for number, name in enumerate(offices, start=1001)
        ),
        encoding="utf-8",
    )
    settings = folder / "tollgate.toml"
    settings.write_text(
        f'[site]\nphones_file = "{phones}"\n'
        f'[database]\nurl = "{url}"\n'
        f"[portal]\nport = {portal_port}\n" + "".join(f"[offices.{name}]\n" for name in offices),
        encoding="utf-8",
    )
    return settings


def manager_of(office_id: str) -> str:
    return f"manager.{office_id}@example.com"


def care_of(office_id: str) -> str:
    return f"care.{office_id}@example.com"


def let_people_in(engine: Engine, offices: Sequence[str], password: str) -> None:
    """A manager of each, and somebody of customer care; one password, quickly hashed."""
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)
    now = datetime.now(UTC)

    def add(writer: Connection) -> None:
        for office_id in offices:
            for address, role in (
                (manager_of(office_id), Role.MANAGER),
                (care_of(office_id), Role.CUSTOMER_CARE),
            ):
                user_id = people.add_user(writer, address=address, name=role.value, at=now)
                people.give_role(writer, user_id, office_id, role)
                people.set_password(writer, user_id, hashed)

    write_to(engine, add)


async def open_accounts(
    processor: CardProcessor, ledger: SqlLedger, offices: Sequence[str]
) -> None:
    for office_id, number in zip(offices, card_numbers(offices), strict=True):
        form = await processor.begin_card(_form_of(office_id))
        if not isinstance(form, CardForm):
            raise LabError(f"no form for a card: {form}")
        await enter_card(form.page_url, number)
        found = await processor.find_card(form.setup_id)
        if not isinstance(found, CardSaved):
            raise LabError(f"no card was saved: {found}")
        await _arm(ledger, office_id, found)


def _form_of(office_id: str) -> SaveCardRequest:
    return SaveCardRequest(
        office_id=office_id,
        customer_id=None,
        currency=CURRENCY,
        return_url="http://127.0.0.1:9/",
        cancel_url="http://127.0.0.1:9/",
        language="en",
    )


async def _arm(ledger: SqlLedger, office_id: str, saved: CardSaved) -> None:
    now = datetime.now(UTC)
    stored = StoredCard(
        office_id=office_id,
        processor=sandbox_processor.NAME,
        card=saved.card,
        added_by="user:trial",
        added_at=now,
    )
    await ledger.carry_out(ReplaceCard(card=stored, at=now))
    rule = RefillRule(
        amount=Money(10 * UNIT, CURRENCY),
        threshold=Money(5 * UNIT, CURRENCY),
        day_max=Money(10_000 * UNIT, CURRENCY),
        month_max=Money(10_000 * UNIT, CURRENCY),
    )
    consent = Consent(by="user:trial", at=now, words="The card is charged whenever it is low.")
    await ledger.carry_out(SetRefill(office_id=office_id, rule=rule, consent=consent, at=now))
