from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, insert, text

from charging.errors import ChargingUnavailable
from charging.money import Money
from charging.rate_deck import DeckKey, RateFields
from db.ledger import read_from
from db.models import rate_decks
from db.rate_decks import (
    LiveDecks,
    NothingToRollBackTo,
    count_rates,
    deck_history,
    has_rates,
    import_deck,
    load_rates_of,
    roll_back,
)
from tests.fakes.charging import deck_row, rate
from tests.fakes.clock import START

TODAY = date(2026, 11, 21)


GBP = DeckKey("GBP")
EUR = DeckKey("EUR")
INTERNATIONAL = DeckKey("GBP", "international")


def store(engine: Engine, *rows: tuple[str, RateFields], key: DeckKey = GBP) -> int:
    return import_deck(engine, rows, key=key, source="deck.csv", sha256="0" * 64, at=START)


def price(decks: LiveDecks, digits: str, key: DeckKey = GBP) -> Money | None:
    row = decks.deck(key).lookup(digits, TODAY)
    return None if row is None else row.rate.per_minute


async def test_an_imported_deck_is_in_force_when_decks_are_refreshed(engine: Engine) -> None:
    decks = LiveDecks(engine)
    assert not await decks.refresh()
    assert price(decks, "336123") is None
    store(engine, deck_row("33", "France", rate("0.02")), deck_row("336", "mobile", rate("0.1")))
    store(engine, deck_row("33", "France", rate("0.03")), key=EUR)
    assert await decks.refresh()
    assert not await decks.refresh()
    assert price(decks, "336123") == Money(100_000, "GBP")
    assert price(decks, "331234") == Money(20_000, "GBP")
    assert price(decks, "331234", EUR) == Money(30_000, "EUR")


def test_a_deck_is_counted_and_searched_for_what_begins_so(engine: Engine) -> None:
    store(engine, deck_row("33", "France", rate("0.01")), deck_row("336", "mobile", rate("0.1")))

    def begins(prefix: str, key: DeckKey = GBP, on: date = TODAY) -> bool:
        return read_from(engine, lambda reader: has_rates(reader, key, prefix=prefix, on=on))

    assert read_from(engine, lambda reader: count_rates(reader, GBP)) == 2
    assert read_from(engine, lambda reader: count_rates(reader, EUR)) == 0
    assert begins("33")
    assert not begins("44")
    assert not begins("33", EUR)
    assert not begins("33", on=date(1999, 1, 1))


async def test_rolling_back_goes_to_the_deck_before_and_on_from_there(engine: Engine) -> None:
    decks = LiveDecks(engine)
    with pytest.raises(NothingToRollBackTo, match="no earlier GBP deck"):
        roll_back(engine, GBP, at=START)
    first = store(engine, deck_row("33", "France", rate("0.01")))
    with pytest.raises(NothingToRollBackTo):
        roll_back(engine, GBP, at=START)
    store(engine, deck_row("33", "France", rate("0.02")))
    third = store(engine, deck_row("33", "France", rate("0.03")))
    roll_back(engine, GBP, at=START + timedelta(hours=1))
    await decks.refresh()
    assert price(decks, "331") == Money(20_000, "GBP")
    assert roll_back(engine, GBP, at=START) == first
    assert roll_back(engine, GBP, at=START, deck_id=third) == third
    await decks.refresh()
    assert price(decks, "331") == Money(30_000, "GBP")
    with pytest.raises(NothingToRollBackTo):
        roll_back(engine, GBP, at=START, deck_id=99)
    history = read_from(engine, lambda reader: deck_history(reader, GBP))
    assert [change.action for change in history] == [*["rollback"] * 3, *["import"] * 3]


async def test_offices_of_one_currency_may_be_on_decks_of_their_own(engine: Engine) -> None:
    decks = LiveDecks(engine)
    store(engine, deck_row("33", "France", rate("0.02")))
    await decks.refresh()
    assert price(decks, "331") == Money(20_000, "GBP")
    assert price(decks, "331", INTERNATIONAL) is None
    cheap = store(engine, deck_row("33", "France", rate("0.01")), key=INTERNATIONAL)
    dear = store(engine, deck_row("33", "France", rate("0.05")), key=INTERNATIONAL)
    await decks.refresh()
    assert price(decks, "331") == Money(20_000, "GBP")
    assert price(decks, "331", INTERNATIONAL) == Money(50_000, "GBP")
    with pytest.raises(NothingToRollBackTo, match="no earlier GBP deck"):
        roll_back(engine, GBP, at=START)  # those of another name are no earlier ones
    assert roll_back(engine, INTERNATIONAL, at=START) == cheap
    await decks.refresh()
    assert price(decks, "331") == Money(20_000, "GBP")
    assert price(decks, "331", INTERNATIONAL) == Money(10_000, "GBP")
    with pytest.raises(NothingToRollBackTo, match="no earlier GBP international deck"):
        roll_back(engine, INTERNATIONAL, at=START)
    assert roll_back(engine, GBP, at=START, deck_id=dear) == dear  # a number says the name, too
    await decks.refresh()
    assert price(decks, "331", INTERNATIONAL) == Money(50_000, "GBP")
    history = read_from(engine, lambda reader: deck_history(reader, INTERNATIONAL))
    assert [change.deck_id for change in history] == [dear, cheap, dear, cheap]


def test_a_deck_of_before_decks_had_names_is_the_standard_one(engine: Engine) -> None:
    of_before = {"currency": "GBP", "source": "old.csv", "sha256": "0" * 64, "imported_at": START}
    with engine.begin() as connection:
        connection.execute(insert(rate_decks), of_before)
        assert connection.scalar(text("SELECT name FROM rate_decks")) == "standard"


async def test_a_deck_that_cannot_be_stored_whole_is_not_stored_at_all(engine: Engine) -> None:
    store(engine, deck_row("33", "France", rate("0.01")))
    wrong = ("34", RateFields("Spain", -1, 0, 0, 60, 60, TODAY.toordinal()))
    with pytest.raises(ChargingUnavailable):
        store(engine, deck_row("33", "France", rate("0.02")), wrong)
    decks = LiveDecks(engine)
    await decks.refresh()
    assert price(decks, "331") == Money(10_000, "GBP")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM rate_decks")) == 1


async def test_decks_in_memory_outlive_the_database(engine: Engine) -> None:
    store(engine, deck_row("33", "France", rate("0.01")))
    decks = LiveDecks(engine)
    with pytest.raises(ChargingUnavailable, match="no rate deck could be read yet"):
        decks.deck(GBP)
    await decks.refresh()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE deck_changes RENAME TO elsewhere"))
    with pytest.raises(ChargingUnavailable):
        await decks.refresh()
    assert price(decks, "331") == Money(10_000, "GBP")


def test_one_number_is_looked_up_without_reading_the_whole_deck(engine: Engine) -> None:
    store(
        engine,
        deck_row("33", "France", rate("0.02")),
        deck_row("336", "mobile", rate("0.1")),
        deck_row("336", "mobile", rate("0.2"), effective=date(2026, 12, 1)),
        deck_row("49", "Germany", rate("0.1")),
        deck_row("GB:118", "directory", rate("1")),
    )
    assert len(load_rates_of(engine, "33612345678", GBP)) == 3
    assert len(load_rates_of(engine, "GB:118118", GBP)) == 1
    assert len(load_rates_of(engine, "33612345678", EUR)) == 0


def test_rates_come_back_as_they_were_stored(engine: Engine) -> None:
    one = deck_row("336", "Mobilfunk é", rate("0.123456", connection="1", per_call="2"))
    store(engine, one)
    row = load_rates_of(engine, "336", GBP).lookup("336", TODAY)
    assert row is not None
    assert (row.prefix, row.destination, row.rate) == (
        "336",
        "Mobilfunk é",
        rate("0.123456", connection="1", per_call="2"),
    )
