import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.errors import CurrencyMismatch
from charging.money import Money
from charging.rate_deck import RateDeck, RateRow, fields_of
from charging.rates import (
    Rate,
    affordable_s,
    billable_seconds,
    charge_for,
    funded_s,
    interval_price,
)
from tests.fakes.charging import deck_row, eur, gbp, rate

TODAY = date(2026, 11, 21)

amounts = st.integers(0, 5_000_000).map(lambda micros: Money(micros, "GBP"))
blocks = st.sampled_from([1, 6, 7, 30, 60, 90])
rates = st.builds(
    Rate,
    per_minute=amounts,
    connection_charge=amounts,
    per_call=amounts,
    initial_s=blocks,
    increment_s=blocks,
)


@pytest.mark.parametrize(
    ("blocks", "talk_s", "billed_s"),
    [
        ((60, 60), 0, 0),
        ((60, 60), 1, 60),
        ((60, 60), 60, 60),
        ((60, 60), 61, 120),
        ((1, 1), 75, 75),
        ((30, 6), 29, 30),
        ((30, 6), 31, 36),
        ((30, 6), 36, 36),
        ((60, 1), 61, 61),
        ((60, 1), 3, 60),
    ],
)
def test_talk_time_is_rounded_up_to_whole_blocks(
    blocks: tuple[int, int], talk_s: int, billed_s: int
) -> None:
    assert billable_seconds(talk_s, rate("0.10", blocks=blocks)) == billed_s


def test_a_call_that_nobody_answers_costs_nothing() -> None:
    assert charge_for(0, rate("0.10", connection="1", per_call="1")) == gbp("0")


def test_connection_charge_and_price_per_call_are_paid_once_on_answer() -> None:
    service = rate("0.60", connection="0.05", per_call="1.50", blocks=(1, 1))
    assert charge_for(1, service) == gbp("1.56")
    assert charge_for(10, service) == gbp("1.65")


def test_a_fraction_of_a_micro_is_rounded_up_once_for_the_whole_call() -> None:
    third = Rate(
        per_minute=Money(100, "GBP"),
        connection_charge=gbp("0"),
        per_call=gbp("0"),
        initial_s=1,
        increment_s=1,
    )
    assert charge_for(1, third).micros == 2  # 1.67
    assert charge_for(3, third).micros == 5  # not 6, as three roundings would make it


@given(rates, st.integers(0, 5_000))
def test_a_longer_call_never_costs_less(rate: Rate, talk_s: int) -> None:
    assert charge_for(talk_s, rate) <= charge_for(talk_s + 1, rate)


@given(rates, st.integers(1, 5_000))
def test_the_price_does_not_depend_on_how_the_call_was_cut(rate: Rate, talk_s: int) -> None:
    total, interval = interval_price(0, rate), 0
    while funded_s(interval, rate) < talk_s:
        interval += 1
        total += interval_price(interval, rate)
    assert total == charge_for(talk_s, rate)


@given(rates, st.integers(0, 20_000_000).map(lambda micros: Money(micros, "GBP")))
def test_a_balance_affords_exactly_the_blocks_it_pays_for(rate: Rate, balance: Money) -> None:
    seconds = affordable_s(balance, rate)
    if seconds is None:
        assert not rate.per_minute
        assert charge_for(100_000, rate) <= balance
        return
    assert charge_for(seconds, rate) <= balance
    assert charge_for(seconds + 1, rate) > balance


def test_a_rate_is_of_one_currency_positive_and_has_blocks() -> None:
    with pytest.raises(CurrencyMismatch):
        Rate(
            per_minute=gbp("1"),
            connection_charge=eur("1"),
            per_call=gbp("1"),
            initial_s=60,
            increment_s=60,
        )
    with pytest.raises(ValueError, match="never negative"):
        rate("-0.01")
    with pytest.raises(ValueError, match="at least one second"):
        rate("0.01", blocks=(60, 0))


def test_talk_time_is_never_negative() -> None:
    with pytest.raises(ValueError, match="talk_s is -1"):
        charge_for(-1, rate("0.10"))


# --- the deck --------------------------------------------------------------------------------


def found(deck: RateDeck, key: str, on: date = TODAY) -> str | None:
    row = deck.lookup(key, on)
    return None if row is None else row.destination


def test_the_longest_prefix_decides() -> None:
    deck = RateDeck(
        [
            deck_row("44", "UK", rate("0.02")),
            deck_row("447", "UK mobile", rate("0.05")),
            deck_row("4477003", "Jersey mobile", rate("0.24")),
            deck_row("1", "USA", rate("0.01")),
            deck_row("1242", "Bahamas", rate("0.25")),
        ],
        currency="GBP",
    )
    assert found(deck, "442079460000") == "UK"
    assert found(deck, "447911123456") == "UK mobile"
    assert found(deck, "447700312345") == "Jersey mobile"
    assert found(deck, "447700400000") == "UK mobile"
    assert found(deck, "12025550123") == "USA"
    assert found(deck, "12425550123") == "Bahamas"
    assert found(deck, "4") is None
    assert found(deck, "999") is None
    assert len(deck) == 5


def test_a_short_code_is_found_only_in_its_own_country() -> None:
    deck = RateDeck(
        [deck_row("GB:118", "directory", rate("1")), deck_row("44118", "Reading", rate("0.02"))],
        currency="GBP",
    )
    assert found(deck, "GB:118118") == "directory"
    assert found(deck, "FR:118218") is None
    assert found(deck, "441184960000") == "Reading"
    assert found(deck, "118118") is None


def test_a_rate_takes_effect_on_its_day_and_until_then_the_earlier_one_holds() -> None:
    deck = RateDeck(
        [
            deck_row("336", "from December", rate("0.20"), effective=date(2026, 12, 1)),
            deck_row("336", "from January", rate("0.10"), effective=date(2026, 1, 1)),
            deck_row("33", "France", rate("0.02"), effective=date(2025, 1, 1)),
            deck_row("GB:118", "later", rate("2"), effective=date(2026, 12, 1)),
            deck_row("GB:118", "now", rate("1"), effective=date(2026, 1, 1)),
        ],
        currency="GBP",
    )
    assert found(deck, "33612345678", date(2025, 12, 31)) == "France"
    assert found(deck, "33612345678", date(2026, 1, 1)) == "from January"
    assert found(deck, "33612345678", date(2026, 11, 30)) == "from January"
    assert found(deck, "33612345678", date(2026, 12, 1)) == "from December"
    assert found(deck, "33612345678", date(2024, 1, 1)) is None
    assert found(deck, "GB:118118", date(2026, 11, 30)) == "now"
    assert found(deck, "GB:118118", date(2026, 12, 1)) == "later"
    assert found(deck, "GB:118118", date(2025, 12, 1)) is None


@pytest.mark.parametrize("prefix", ["", "x", "+44", "1234567890123456"])
def test_what_is_no_prefix_does_not_get_into_a_deck(prefix: str) -> None:
    with pytest.raises(ValueError, match=re.escape("is not a prefix")):
        RateDeck([deck_row(prefix, "?", rate("1"))], currency="GBP")


def test_a_row_is_found_as_it_was_put_in() -> None:
    row = RateRow(
        prefix="336",
        destination="France mobile",
        rate=rate("0.10", connection="0.01", per_call="0.02", blocks=(30, 6)),
        effective=date(2026, 1, 1),
    )
    deck = RateDeck([(row.prefix, fields_of(row))], currency="GBP")
    assert deck.lookup("33612345678", TODAY) == row


prefixes = st.text("12", min_size=1, max_size=6)


@given(st.sets(prefixes, max_size=40), st.text("12", min_size=1, max_size=8))
def test_a_lookup_finds_what_a_scan_of_all_prefixes_finds(deck: set[str], number: str) -> None:
    rows = [deck_row(prefix, prefix, rate("1")) for prefix in deck]
    longest = max((p for p in deck if number.startswith(p)), key=len, default=None)
    assert found(RateDeck(rows, currency="GBP"), number) == longest


def test_prices_that_are_kept_for_the_next_lookup_do_not_pile_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("charging.rate_deck._RATES_KEPT", 1)
    deck = RateDeck(
        [deck_row("33", "France", rate("1")), deck_row("49", "Germany", rate("2"))],
        currency="GBP",
    )
    for _ in range(2):
        for key, price in (("331", "1"), ("491", "2")):
            row = deck.lookup(key, TODAY)
            assert row is not None
            assert row.rate == rate(price)
