from datetime import date

from charging.deck_diff import Change, DeckDiff, carried_over, compare_decks
from charging.rate_deck import RateDeck, RateFields
from tests.fakes.charging import deck_row, rate

TODAY = date(2026, 11, 21)
LATER = date(2026, 12, 1)


def deck(*rows: tuple[str, RateFields]) -> RateDeck:
    return RateDeck(rows, currency="GBP")


def prices(**per_minute: str) -> RateDeck:
    """Prefixes as p33="0.02"."""
    return deck(*(deck_row(p[1:], p[1:], rate(price)) for p, price in per_minute.items()))


def compare(before: RateDeck, after: RateDeck) -> DeckDiff:
    return compare_decks(before, after, on=TODAY)


def test_equal_decks_differ_in_nothing() -> None:
    diff = compare(prices(p33="0.02", p336="0.10"), prices(p33="0.02", p336="0.10"))
    assert diff == DeckDiff(added=(), holes=(), dearer=(), cheaper=(), jumps=(), same=2)


def test_new_dearer_and_cheaper_prefixes_are_told_apart() -> None:
    diff = compare(prices(p33="0.02", p336="0.10"), prices(p33="0.03", p336="0.05", p49="0.01"))
    assert [change.prefix for change in diff.added] == ["49"]
    assert [change.prefix for change in diff.dearer] == ["33"]
    assert [change.prefix for change in diff.cheaper] == ["336"]
    assert diff.jumps == ()


def test_a_prefix_that_has_no_rate_any_more_is_a_hole_unless_a_shorter_one_has() -> None:
    diff = compare(prices(p33="0.02", p336="0.10", p49="0.01"), prices(p33="0.02"))
    assert [change.prefix for change in diff.holes] == ["49"]
    assert [(change.prefix, change.destination) for change in diff.cheaper] == [("336", "33")]


def test_a_longer_prefix_that_changes_the_price_is_noticed() -> None:
    diff = compare(prices(p33="0.02"), prices(p33="0.02", p336="0.10"))
    assert [change.prefix for change in diff.dearer] == ["336"]


def test_ten_times_dearer_or_cheaper_is_a_jump() -> None:
    before = prices(p1="0.10", p2="0.10", p3="0.10", p4="0.10", p5="0.10", p6="0")
    after = prices(p1="1.00", p2="0.01", p3="0.99", p4="0.011", p5="0", p6="0.10")
    diff = compare(before, after)
    assert [change.prefix for change in diff.jumps] == ["1", "2", "5", "6"]


def test_what_is_paid_once_and_the_blocks_count() -> None:
    before = deck(deck_row("33", "", rate("0.10")))
    after = deck(deck_row("33", "", rate("0.10", connection="0.05")))
    assert len(compare(before, after).dearer) == 1
    after = deck(deck_row("33", "", rate("0.10", blocks=(120, 60))))
    assert len(compare(before, after).dearer) == 1
    assert compare(before, deck(deck_row("33", "", rate("0.10", blocks=(1, 1))))).same == 1


def test_short_codes_are_compared_too() -> None:
    before = deck(deck_row("GB:118", "", rate("1")))
    assert [change.prefix for change in compare(before, deck()).holes] == ["GB:118"]
    assert compare(before, before).same == 1
    assert compare(deck(), deck()).same == 0


def test_a_prefix_without_a_rate_on_either_side_on_the_day_is_the_same() -> None:
    later = deck(deck_row("33", "", rate("1"), effective=LATER))
    assert compare(later, later).same == 1


def test_a_change_of_nothing_has_no_name() -> None:
    assert Change(prefix="33", before=None, after=None).destination == ""


# --- what begins later -----------------------------------------------------------------------


def test_todays_rate_stays_until_the_new_one_begins() -> None:
    before = prices(p33="0.02", p336="0.10", p49="0.01")
    new = [
        deck_row("336", "France mobile", rate("0.20"), effective=LATER),
        deck_row("3367", "France mobile", rate("0.30"), effective=LATER),
        deck_row("49", "Germany", rate("0.01")),
        deck_row("7", "Russia", rate("0.50"), effective=LATER),
    ]
    carried = carried_over(new, before, today=TODAY)
    assert [(prefix, fields.per_minute_micros) for prefix, fields in carried] == [
        ("336", 100_000),
        ("3367", 100_000),
    ]
    after = RateDeck([*new, *carried], currency="GBP")
    for day, price in ((TODAY, 100_000), (LATER, 200_000)):
        found = after.find("33612345678", day)
        assert found is not None
        assert found.per_minute_micros == price
    assert after.find("33142685300", TODAY) is None
