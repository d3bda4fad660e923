"""Money to call with, and prices for it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import phonenumbers
from sqlalchemy import Connection, Engine

from admin.amounts import shown
from admin.checks.database import ledger_of
from admin.checks.findings import Finding, listed, ok, problem, warning
from admin.checks.site import good_offices
from charging.ledger import Balances
from charging.offices import Office
from charging.plan import Plan
from charging.rate_deck import STANDARD_DECK
from db.ledger import SqlLedger
from db.rate_decks import count_free_rates, count_rates, deck_history, decks_in_force, has_rates
from settings import Settings

LOW_MICROS = 5_000_000  # 5 of any currency that is spoken: an hour at most, to most places
DECK_AGE_DAYS = 180
IMPORT = "`tollgate rates import FILE`"


def check_balances(settings: Settings) -> Iterator[Finding]:
    with ledger_of(settings) as engine:
        if engine is None:
            return
        for office in good_offices(settings).values():
            found = asyncio.run(_balances(engine, office.id, office.currency))
            yield judge_balance(found, office_id=office.id, currency=office.currency)


async def _balances(engine: Engine, office_id: str, currency: str) -> Balances:
    async with SqlLedger(engine) as ledger:
        return await ledger.balances(office_id, currency)


def judge_balance(found: Balances, *, office_id: str, currency: str) -> Finding:
    available = found.available
    said = f"office {office_id}: {shown(available.micros, available.currency)} available"
    if available.currency != currency:
        return problem(
            f"{said}, but its plan counts in {currency}",
            f"give the office a plan in {available.currency}, or empty its account first",
        )
    remedy = "`tollgate topup AMOUNT`"
    if available.micros == 0:
        return warning(f"{said}: only included, free and emergency calls connect", remedy)
    if available.micros < LOW_MICROS:
        return warning(f"{said}: paid calls will soon be refused", remedy)
    return ok(said)


def check_rates(settings: Settings) -> Iterator[Finding]:
    with ledger_of(settings) as engine:
        if engine is None:
            return
        now = datetime.now(UTC)
        for office in good_offices(settings).values():
            with engine.connect() as reader:
                yield from judge_deck(reader, office, now)


def judge_deck(reader: Connection, office: Office, now: datetime) -> Iterator[Finding]:
    plan, key = office.plan, office.deck_key
    history = deck_history(reader, key)
    rows = count_rates(reader, key)
    if not rows:
        others = sorted(map(str, decks_in_force(reader).keys() - {key}))
        but = f", only in {listed(others)}" if others and not history else ""
        yield problem(
            f"the {plan.title} plan wants rates in {key} and there are none{but}:"
            " every paid call is refused",
            IMPORT if key.name == STANDARD_DECK else f"{IMPORT[:-1]} --deck {key.name}`",
        )
        return
    deck = history[0]
    age_days = (now - deck.changed_at).days
    said = f"{rows} {key} rates of {deck.source}, in force for {age_days} days"
    if age_days > DECK_AGE_DAYS:
        yield warning(said, f"ask the carrier for its present prices, then {IMPORT}")
    else:
        yield ok(said)
    if free := count_free_rates(reader, key):
        yield warning(
            f"{free} {key} rates of {deck.source} are 0: calls there cost nothing",
            "`tollgate rates show` lists them; if the sheet was misread, `tollgate rates rollback`",
        )
    unpriced = [c for c in plan_countries(plan) if not _is_priced(reader, office, c, now)]
    if unpriced:
        yield warning(
            f"the {plan.title} plan knows countries without any rate: {listed(unpriced)};"
            " what it does not include there is refused",
            f"a deck with them: {IMPORT}; `tollgate explain NUMBER` shows what happens",
        )


def plan_countries(plan: Plan) -> list[str]:
    included = (country for rule in plan.inclusions for country in rule.countries)
    return sorted({plan.country, *included} - plan.barred_countries)


def _is_priced(reader: Connection, office: Office, country: str, now: datetime) -> bool:
    prefix = str(phonenumbers.country_code_for_region(country))
    return has_rates(reader, office.deck_key, prefix=prefix, on=office.day_of(now))
