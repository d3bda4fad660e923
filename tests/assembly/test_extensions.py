"""What phones.toml says of a phone's limits, as charging hears it."""

from pathlib import Path

import pytest

from assembly.extensions import PhoneExtensions
from charging.errors import UnknownExtension
from charging.extensions import EVERY_CLASS, PAID_CLASSES, DestinationClass
from charging.money import Money
from dialplan.phones import EXAMPLE, PhonesError, load_phones

CURRENCIES = {"main": "GBP", "paris": "EUR"}


def extensions(tmp_path: Path, *lines: str) -> PhoneExtensions:
    file = tmp_path / "phones.toml"
    file.write_text("\n".join(["[phones.1001]", *lines]), encoding="utf-8")
    return PhoneExtensions(load_phones(file), CURRENCIES)


def test_a_phone_may_do_everything_unless_its_entry_says_otherwise() -> None:
    reception = PhoneExtensions(load_phones(EXAMPLE), CURRENCIES).find("1001")
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
    ).find("1001")
    assert found.allow == {DestinationClass.INCLUDED, DestinationClass.NATIONAL}
    assert found.day_limit == Money(5_000_000, "EUR")
    assert found.month_limit == Money(50_500_000, "EUR")
    assert found.calls_at_once == 2


def test_paid_stands_for_every_class_that_costs_money(tmp_path: Path) -> None:
    assert extensions(tmp_path, 'allow = ["paid"]').find("1001").allow == PAID_CLASSES
    assert extensions(tmp_path, "allow = []").find("1001").allow == frozenset()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('allow = ["everything"]', "allow must be a list of"),
        ('allow = "paid"', "allow must be a list of"),
        ("day_limit = 5", "day_limit must be an amount in quotes"),
        ('day_limit = "five"', "'five' is not an amount of money"),
        ('month_limit = "-5"', "month_limit = '-5' is negative"),
        ('calls_at_once = "2"', "calls_at_once must be a whole number"),
        ("calls_at_once = true", "calls_at_once must be a whole number"),
        ('office = "lyon"', "is of the office 'lyon', which the settings lack"),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(PhonesError, match=reason):
        extensions(tmp_path, line)


def test_an_endpoint_that_no_phone_has_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownExtension):
        extensions(tmp_path).find("1002")
