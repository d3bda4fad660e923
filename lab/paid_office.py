"""A whole office with a Prepaid Account: Asterisk, carrier, phones, the ledger and the application.

What `make run`, the live tests and the benchmarks stand on.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from assembly.charging import open_charging
from assembly.routes import with_routes
from charging.deck_file import DeckFormat, read_deck_text
from charging.entries import PostedEntry
from charging.ledger import Balances, CallRecord
from charging.money import Money
from charging.rate_deck import DeckKey
from db.audit import Audit, audit
from db.call_lists import ListedCall, list_calls
from db.call_rows import call_of
from db.engine import open_engine
from db.history import Wanted, last_entries
from db.ledger import read_one_moment
from db.models import calls
from db.rate_decks import import_deck
from db.schema import upgrade
from dialplan.phones import Phone
from dialplan.render import AsteriskConfig
from lab.addresses import Addresses
from lab.application import Application
from lab.carrier import ANSWERS, Behaviour, Rule
from lab.lifecycle import Runnable
from lab.office import Office
from prompts.library import default_sounds_folder
from settings import Settings, load_settings
from telephony.tools import Telephony

Result = TypeVar("Result")
OFFICE_ID = "main"
ENTRIES_MAX = 1000
Sections = Mapping[str, Mapping[str, object]]


class PaidOffice(Runnable):
    """`async with PaidOffice(office, …) as paid:` runs all of it; nothing outlives the block."""

    def __init__(  # noqa: PLR0913 - each is one setting, given by name
        self,
        office: Office,
        *,
        deck: str,
        currency: str = "GBP",
        opening: Money | None,
        settings: Sections | None = None,
        module: str = "ari_app",
        other_decks: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare nothing yet.

        Args:
            office: not yet running.
            deck: the rate deck as CSV.
            currency: of the deck, and of the office's plan.
            opening: topped up before the first call; None for an account that is as it was.
            settings: sections of the settings file, beside what the instance itself decides.
            module: what runs as the application; a benchmark compares it with another.
            other_decks: of other currencies, as CSV, where the settings name several offices.
        """
        self.office = office
        self.settings_file = office.folder / "tollgate.toml"
        self.application = Application(
            self.settings_file, office.folder / "application", module=module
        )
        # Started by whoever wants it: `async with paid.feature_codes:`.
        self.feature_codes = Application(
            self.settings_file, office.folder / "feature-codes", module="agi"
        )
        self._decks = {currency: deck, **(other_decks or {})}
        self._opening = opening
        self._extra = settings or {}
        self._running = AsyncExitStack()

    @property
    def settings(self) -> Settings:
        return load_settings(self.settings_file)

    def reach_asterisk_at(self, *, ari: str | None = None, ami_port: int | None = None) -> None:
        """Send the application's connections another way, before it starts: through a proxy."""
        if ari is not None:
            self._extra = {**self._extra, "ari": {"base_url": ari}}
        if ami_port is not None:
            self._extra = {**self._extra, "ami": {"port": ami_port}}

    async def start(self) -> None:
        try:
            await self._running.enter_async_context(self.office)
            self._write_settings()
            await self._prepare_ledger()
            await self._running.enter_async_context(self.application)
        except BaseException:
            await self._running.aclose()
            raise

    async def stop(self) -> None:
        await self._running.aclose()

    async def top_up(self, amount: Money, office_id: str = OFFICE_ID) -> Balances:
        """As the office manager would."""
        async with open_charging(self.settings) as assembled:
            key = f"lab-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
            return await assembled.charging.top_up(
                office_id, amount=amount, key=key, actor="lab", reason="laboratory"
            )

    async def balances(self, office_id: str = OFFICE_ID) -> Balances:
        async with open_charging(self.settings) as assembled:
            return await assembled.charging.balance(office_id)

    async def entries(
        self, call_id: str | None = None, *, office_id: str = OFFICE_ID
    ) -> Sequence[PostedEntry]:
        """The ledger's entries, oldest first: all of the office, or of one call."""
        return await self._read(
            partial(
                last_entries,
                office_id=office_id,
                limit=ENTRIES_MAX,
                wanted=Wanted(call_id=call_id),
            )
        )

    async def calls(self) -> Sequence[CallRecord]:
        """Every paid call that was ever authorised through this Asterisk, in no order."""
        ours = select(calls).where(calls.c.asterisk == self.office.config.name)

        def query(reader: Connection) -> Sequence[CallRecord]:
            return [call_of(row) for row in reader.execute(ours)]

        return await self._read(query)

    async def every_call(self) -> Sequence[ListedCall]:
        """Every outbound call of the office, paid or not, the newest first."""
        page = await self._read(partial(list_calls, office_id=OFFICE_ID, limit=ENTRIES_MAX))
        return page.calls

    async def audit(self) -> Audit:
        """The ledger's own proof, over everything."""
        return await self._read(audit)

    async def _read(self, query: Callable[[Connection], Result]) -> Result:
        engine = open_engine(self.settings.database.url)
        try:
            return await asyncio.to_thread(read_one_moment, engine, query)
        finally:
            engine.dispose()

    def _write_settings(self) -> None:
        text = settings_text(
            self.office.config, legs_file=self.office.asterisk.legs_file, extra=self._extra
        )
        descriptor = os.open(self.settings_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)

    async def _prepare_ledger(self) -> None:
        for currency, deck in self._decks.items():
            await asyncio.to_thread(import_rates, self.settings, deck, currency)
        if self._opening is not None:
            await self.top_up(self._opening)


def make_paid_office(  # noqa: PLR0913 - each is one setting, given by name
    telephony: Telephony,
    folder: Path,
    *,
    deck: str,
    opening: Money | None,
    currency: str = "GBP",
    settings: Sections | None = None,
    module: str = "ari_app",
    rules: Sequence[Rule] = (),
    default: Behaviour = ANSWERS,
    media: bool = True,
    addresses: Addresses | None = None,
    adapt: Callable[[AsteriskConfig], AsteriskConfig] = lambda config: config,
    phones: Sequence[Phone] | None = None,
    other_decks: Mapping[str, str] | None = None,
) -> PaidOffice:
    """A paid office whose dialplan is rendered from its plan; `adapt` has the last word.

    Raises:
        ValidationError: `settings` are none.
    """
    sections = settings or {}
    routed = Settings.model_validate(sections)
    office = Office(
        telephony,
        folder,
        sounds=default_sounds_folder(os.environ),
        rules=rules,
        default=default,
        media=media,
        addresses=addresses,
        phones=phones,
        adapt=lambda config: adapt(
            replace(with_routes(config, routed), agi_address=config.control_address)
        ),
    )
    return PaidOffice(
        office,
        deck=deck,
        currency=currency,
        opening=opening,
        settings=sections,
        module=module,
        other_decks=other_decks,
    )


def import_rates(settings: Settings, deck: str, currency: str) -> None:
    """Create the tables where they are missing, and put the deck in force."""
    engine = open_engine(settings.database.url)
    upgrade(engine)
    form = DeckFormat(columns={}, currency=currency, effective=date(2020, 1, 1))
    import_deck(
        engine,
        read_deck_text(deck.encode(), form).rows,
        key=DeckKey(currency),
        source="laboratory",
        sha256=hashlib.sha256(deck.encode()).hexdigest(),
        at=datetime.now(UTC),
    )
    engine.dispose()


def settings_text(config: AsteriskConfig, *, legs_file: Path, extra: Sections) -> str:
    """The settings file of an instance: how to reach its Asterisk, and whatever `extra` says."""
    sections: dict[str, dict[str, Any]] = {
        "asterisk": {"name": config.name, "cel_file": str(legs_file)},
        "ari": {
            "base_url": f"http://{config.control_address}:{config.http_port}",
            "username": config.secrets.ari_username,
            "password": config.secrets.ari_password,
        },
        "ami": {
            "host": config.control_address,
            "port": config.ami_port,
            "username": config.secrets.ami_username,
            "secret": config.secrets.ami_password,
        },
        "agi": {"address": config.agi_address, "port": config.agi_port},
    }
    for name, fields in extra.items():
        sections.setdefault(name, {}).update(fields)
    return "\n".join(_section(name, fields) for name, fields in sections.items())


def _section(name: str, fields: Mapping[str, Any]) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's too."""
    tables = {field: value for field, value in fields.items() if isinstance(value, Mapping)}
    lines = [f"{field} = {json.dumps(v)}" for field, v in fields.items() if field not in tables]
    inner = [_section(f"{name}.{field}", value) for field, value in tables.items()]
    return "\n".join([f"[{name}]", *lines, *inner, ""])
