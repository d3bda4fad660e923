"""`tollgate adjust`, as an admin runs it."""

import json
from typing import Any

import pytest
from typer.testing import Result

from tests.admin.conftest import Site


@pytest.fixture(autouse=True)
def ledger(site: Site) -> None:
    site.make_ledger(top_up="20")


def told(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_it_is_said_and_posted_with_who_and_why(site: Site) -> None:
    done = site.run("adjust", "grant", "5", "--reason", "an outage")
    assert done.stdout.startswith("£5.00 added, £25.00 available\nkey ")
    taken = told(site.run("adjust", "deduct", "2.50", "--reason", "too much", "--json"))
    assert (taken["micros"], taken["available_micros"]) == (2_500_000, 22_500_000)
    entries = told(site.run("ledger", "show", "--kind", "grant", "--kind", "deduct", "--json"))
    assert [(each["kind"], each["reason"]) for each in entries["entries"]] == [
        ("grant", "an outage"),
        ("deduct", "too much"),
    ]
    assert all(each["actor"].startswith("cli:") for each in entries["entries"])
    assert site.run("ledger", "verify").exit_code == 0


def test_a_key_that_is_repeated_changes_nothing(site: Site) -> None:
    for _ in range(2):
        again = ("adjust", "grant", "5", "--reason", "an outage", "--key", "k1", "--json")
        assert told(site.run(*again))["available_micros"] == 25_000_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deduct", "20.01", "--reason", "x"), "available 20.00 GBP, needed 20.01 GBP"),
        (("grant", "0", "--reason", "x"), "positive"),
        (("grant", "much", "--reason", "x"), "not an amount"),
        (("grant", "5", "--reason", " "), "a reason of 1 to"),
        (("grant", "5", "--reason", "x", "--key", "a:b"), "key"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    site: Site, arguments: tuple[str, ...], said: str
) -> None:
    done = site.run("adjust", *arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert told(site.run("balance", "--json"))["available_micros"] == 20_000_000


def test_without_a_reason_nothing_is_done(site: Site) -> None:
    assert site.run("adjust", "grant", "5").exit_code == 2
