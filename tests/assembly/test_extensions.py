"""What phones.toml says of a phone's limits, as charging hears it."""

from pathlib import Path

import pytest

from assembly.offices import OfficesError, read_sources
from charging.errors import UnknownExtension
from charging.extensions import EVERY_CLASS, PAID_CLASSES, DestinationClass
from charging.money import Money
from charging.offices import OfficesSnapshot
from dialplan.phones import EXAMPLE, PhonesError
from settings import Settings

OFFICES = {"main": {"plan": "uk"}, "paris": {"plan": "france"}}


def offices_with(file: Path) -> OfficesSnapshot:
    given = Settings.model_validate({"offices": OFFICES, "site": {"phones_file": file}})
    return read_sources(given).snapshot()


def extensions(tmp_path: Path, *lines: str) -> OfficesSnapshot:
    file = tmp_path / "phones.toml"
    file.write_text("\n".join(["[phones.1001]", *lines]), encoding="utf-8")
    return offices_with(file)


def test_a_phone_may_do_everything_unless_its_entry_says_otherwise() -> None:
    reception = offices_with(EXAMPLE).extension("1001")
    assert reception.allow == EVERY_CLASS
    assert reception.day_limit is None
    assert reception.month_limit is None
    assert reception.calls_at_once is None


def test_limits_are_in_the_currency_of_the_phones_office(tmp_path: Path) -> None:
    found = extensions(
        tmp_path,
        'office = "paris"',
        'allow = ["included", "national"]',
        'day_limit = "5"',
        'month_limit = "50.50"',
        "calls_at_once = 2",
    ).extension("1001")
    assert found.allow == {DestinationClass.INCLUDED, DestinationClass.NATIONAL}
    assert found.day_limit == Money(5_000_000, "EUR")
    assert found.month_limit == Money(50_500_000, "EUR")
    assert found.calls_at_once == 2


def test_paid_stands_for_every_class_that_costs_money(tmp_path: Path) -> None:
    assert extensions(tmp_path, 'allow = ["paid"]').extension("1001").allow == PAID_CLASSES
    assert extensions(tmp_path, "allow = []").extension("1001").allow == frozenset()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('allow = ["everything"]', "'everything' is none of paid, included"),
        ('allow = "paid"', "allow must be a list"),
        ("day_limit = 5", "day_limit must be an amount in quotes"),
        ('day_limit = "five"', "day_limit: 'five' is not an amount of money"),
        ('month_limit = "-5"', "month_limit: '-5' is negative"),
        ('calls_at_once = "2"', "calls_at_once must be a whole number"),
        ("calls_at_once = true", "calls_at_once must be a whole number"),
        ('office = "lyon"', "is of the office 'lyon', which the settings lack"),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises((OfficesError, PhonesError), match=reason):
        extensions(tmp_path, line)


def test_an_endpoint_that_no_phone_has_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownExtension):
        extensions(tmp_path).extension("1002")
