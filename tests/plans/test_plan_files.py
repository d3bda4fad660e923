from pathlib import Path

import pytest

from charging.money import Money
from plans.files import (
    CURRENCIES,
    SHIPPED_PLANS,
    PlanFileError,
    read_plan,
)
from prompts.phrases import UNITS

UK = (SHIPPED_PLANS / "uk.toml").read_text(encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "uk.toml"
    copy.write_text(UK, encoding="utf-8")
    return copy


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('country = "GB"', 'country = "UK"', "'UK' is not the ISO 3166 code"),
        ('country = "GB"', 'country = "gb"', 'write "GB"'),
        ('country = "GB"', 'country = ""', "'' is not the ISO 3166 code"),
        ('countries = ["GB"]', 'countries = ["France"]', 'write "FR"'),
        ("countries = []", 'countries = ["jamaica"]', 'write "JM"'),
        ('currency = "GBP"', 'currency = "POUNDS"', "'POUNDS' is not an ISO 4217 currency"),
        ('currency = "GBP"', 'currency = "CHF"', "there are words for EUR, GBP, USD"),
        ('language = "en"', 'language = "de"', "'de' is not a language with prompts"),
        ("Europe/London", "Europe/Londres", "'Europe/Londres' is not a time zone"),
        ('"mobile", "national"]', '"mobil"]', "included.0.kinds.1: Input should be"),
        ('countries = ["GB"]', "countries = []", "included.0.countries: List should have"),
        ('prefixes = ["979"]', 'prefixes = ["+979"]', "'+979' is neither digits"),
        ("excluded = []", 'excluded = ["UK:118"]', 'write "GB"'),
        ("excluded = []", 'excluded = ["0044"]', "'0044' is neither digits"),
        ("allowed = true", 'allowed = "yes"', "premium.allowed: Input should be a valid boolean"),
        ('"0.13"', '"cheap"', "'cheap' is not an amount"),
        ('"0.13"', '"-0.13"', "'-0.13' is negative"),
        ('"0.13"', "0.13", "access_per_minute: Input should be a valid string"),
        ("[premium]", "[premiom]", "premiom: Extra inputs are not permitted"),
        ("title =", "titel =", "titel: Extra inputs are not permitted"),
        ('currency = "GBP"', "currency = GBP", "Invalid value"),
        ("[free]", "[free", "Expected ']'"),
        ("included = []", 'included = ["4"]', "'4' does not begin with a country code"),
    ],
)
def test_a_wrong_plan_is_refused_with_its_line_and_the_reason(
    file: Path, old: str, new: str, reason: str
) -> None:
    rewrite(file, old, new)
    with pytest.raises(PlanFileError) as refusal:
        read_plan(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert reason in refusal.value.reason
    assert refusal.value.file == file
    assert new.splitlines()[0] in lines[refusal.value.line - 1]
    assert str(refusal.value).startswith(f"{file}, line {refusal.value.line}: ")


def test_the_line_is_that_of_the_right_one_of_several_tables(file: Path) -> None:
    more = '\n[[included]]\ncountries = ["FR"]\nkinds = ["nonsense"]\n'
    file.write_text(UK + more, encoding="utf-8")
    with pytest.raises(PlanFileError) as refusal:
        read_plan(file)
    assert refusal.value.line == len((UK + more).splitlines())


def test_what_is_left_out_is_named(file: Path) -> None:
    rewrite(file, 'title = "UK"', "")
    with pytest.raises(PlanFileError, match="title: Field required"):
        read_plan(file)


def test_a_file_that_cannot_be_read_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match="cannot be read"):
        read_plan(tmp_path / "missing.toml")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PlanFileError, match="is not UTF-8"):
        read_plan(file)


def test_satellite_and_979_are_barred_even_where_a_plan_says_nothing(file: Path) -> None:
    start, end = UK.index("[barred]"), UK.index("[premium]")
    file.write_text(UK[:start] + UK[UK.rindex("\n#", start, end) :], encoding="utf-8")
    plan = read_plan(file)
    assert plan.barred_kinds == {"satellite"}
    assert plan.barred_prefixes == {"979"}


def test_a_daily_ceiling_is_of_the_plans_currency(file: Path) -> None:
    rewrite(file, '# daily_ceiling = "100.00"', 'daily_ceiling = "100.00"')
    assert read_plan(file).daily_ceiling == Money(100_000_000, "GBP")


def test_currencies_of_plans_are_those_that_can_be_spoken() -> None:
    assert set(CURRENCIES) == set(UNITS)
