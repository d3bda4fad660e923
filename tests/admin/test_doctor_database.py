"""What the doctor says of the ledger, its database, the balance and the rates."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from admin.checks.account import check_balances, check_rates, judge_balance, judge_deck
from admin.checks.database import (
    check_database,
    check_disk,
    check_durability,
    check_ledger,
    judge_disk,
    judge_durability,
    judge_last_entry,
    judge_version,
)
from admin.checks.findings import Status
from admin.checks.site import office_of
from charging.ledger import Balances
from charging.money import Money
from db.engine import open_engine
from db.schema import HEAD
from tests.admin.conftest import Site
from tests.programs import make_ledger

OK, WARNING, PROBLEM = Status.OK, Status.WARNING, Status.PROBLEM


def change(site: Site, statement: str) -> None:
    connection = sqlite3.connect(site.ledger)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_ledger_as_it_should_be(site: Site) -> None:
    site.make_ledger()
    for check in (check_database, check_durability, check_ledger, check_balances, check_rates):
        assert {status for status, _ in site.said(check)} == {OK}, check
    assert site.said(check_balances) == [(OK, "office main: £20.00 available")]


def test_a_ledger_that_is_not_there_is_one_problem_and_is_not_made(site: Site) -> None:
    ((status, message),) = site.said(check_database)
    assert status is PROBLEM
    assert "there is no ledger yet" in message
    for check in (check_durability, check_ledger, check_balances, check_rates):
        assert site.said(check) == []
    assert not site.ledger.exists()


def test_a_file_that_is_no_database_is_a_problem(site: Site) -> None:
    site.ledger.write_bytes(b"not a database" * 100)
    ((status, message),) = site.said(check_database)
    assert status is PROBLEM
    assert "file is not a database" in message
    assert site.said(check_balances) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://x", "neither sqlite nor postgresql"),
        ("no address, with a pass:word@x", "is not the address of a database"),
        ("postgresql://me:hidden@127.0.0.1:1/tollgate", "cannot be read"),
    ],
)
def test_a_database_that_cannot_be_reached_is_a_problem(site: Site, url: str, said: str) -> None:
    site.add(f'[database]\nurl = "{url}"\n')
    ((status, message),) = site.said(check_database)
    assert status is PROBLEM
    assert said in message
    assert "hidden" not in message
    assert "pass:word" not in message
    assert site.said(check_disk) == []


@pytest.mark.parametrize(
    ("version", "status"), [(HEAD, OK), (None, PROBLEM), ("0000", PROBLEM), ("9999", PROBLEM)]
)
def test_tables_of_another_version_are_told(version: str | None, status: Status) -> None:
    assert judge_version(version, where="here").status is status


def test_tables_that_are_not_there_yet_are_a_problem(site: Site) -> None:
    change(site, "CREATE TABLE other (x)")
    assert site.said(check_database)[0][0] is PROBLEM
    assert site.said(check_rates) == []


def test_sqlite_that_could_lose_a_commit_is_a_problem(tmp_path: Path) -> None:
    durable = open_engine(f"sqlite:///{tmp_path}/ours.sqlite")
    plain = create_engine(f"sqlite:///{tmp_path}/plain.sqlite")
    for engine, status in ((durable, OK), (plain, PROBLEM)):
        with engine.connect() as reader:
            assert judge_durability(reader).status is status
        engine.dispose()


def test_a_disk_that_fills_up_is_told_in_time(site: Site) -> None:
    assert judge_disk(50 * 1024**3, site.folder).status is OK
    assert judge_disk(1024**3, site.folder).status is WARNING
    assert judge_disk(1024**2, site.folder).status is PROBLEM
    assert len(site.said(check_disk)) == 1


def test_a_balance_that_was_changed_by_hand_is_a_problem(site: Site) -> None:
    site.make_ledger()
    change(site, "DROP TRIGGER balances_rule_update")
    change(site, "UPDATE balances SET micros = 21000000")
    ((status, message),) = site.said(check_ledger)
    assert status is PROBLEM
    assert "balance 21000000, postings sum to 20000000" in message


def test_an_entry_of_tomorrow_is_a_problem_of_the_clock(site: Site) -> None:
    site.make_ledger()
    engine = open_engine(site.settings.database.url)
    now = datetime.now(UTC)
    assert list(judge_last_entry(engine, "main", now=now)) == []
    (found,) = judge_last_entry(engine, "main", now=now - timedelta(days=1))
    engine.dispose()
    assert found.status is PROBLEM
    assert "which is still to come" in found.message


@pytest.mark.parametrize(("top_up", "status"), [(None, WARNING), ("4.99", WARNING), ("5", OK)])
def test_little_money_is_a_warning(site: Site, top_up: str | None, status: Status) -> None:
    site.make_ledger(top_up=top_up)
    assert [each for each, _ in site.said(check_balances)] == [status]


def test_an_account_of_another_currency_than_the_plans_is_a_problem() -> None:
    euros = Money(20_000_000, "EUR")
    found = judge_balance(
        Balances(available=euros, reserved=euros, owed=euros), office_id="main", currency="GBP"
    )
    assert found.status is PROBLEM
    assert "€20.00 available, but its plan counts in GBP" in found.message


def test_a_plan_without_rates_in_its_currency_is_a_problem(site: Site) -> None:
    site.make_ledger()
    site.add('[offices.main]\nplan = "france"\n')
    ((status, message),) = site.said(check_rates)
    assert status is PROBLEM
    assert "wants rates in EUR and there are none, only in GBP" in message
    change(site, "DELETE FROM deck_changes")
    assert "every paid call is refused" in site.said(check_rates)[0][1]


def test_a_deck_without_a_country_of_the_plan_is_a_warning(site: Site) -> None:
    deck = site.folder / "deck.csv"
    deck.write_text("prefix,rate\n33,0.1\n")
    make_ledger(site.folder)
    assert site.run("rates", "import", deck).exit_code == 0
    (first, _), (second, message) = site.said(check_rates)
    assert (first, second) == (OK, WARNING)
    assert "countries without any rate: GB" in message


def test_an_old_deck_is_a_warning(site: Site) -> None:
    site.make_ledger()
    later = datetime.now(UTC) + timedelta(days=200)
    engine = open_engine(site.settings.database.url)
    with engine.connect() as reader:
        (found,) = judge_deck(reader, office_of(site.settings, "main"), later)
    engine.dispose()
    assert found.status is WARNING
    assert "in force for 200 days" in found.message
