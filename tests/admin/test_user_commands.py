"""`tollgate user`, as an admin runs it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from charging.people import User
from db import people
from db.engine import open_engine
from tests.admin.cli import run, told


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    file = tmp_path / "tollgate.toml"
    file.write_text("[offices.main]\n[offices.nice]\nplan = 'france'\n", encoding="utf-8")
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(file))
    assert run("ledger", "prepare").exit_code == 0
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def test_the_first_user_is_given_a_link_for_a_password(ledger: str) -> None:
    added = told("user", "add", "Anna@Example.com", "--name", "Anna Weber", "--office", "main")
    assert added["address"] == "anna@example.com"
    assert added["state"] == "invited"
    address, _, token = added["link"].rpartition("/")
    assert address == "http://127.0.0.1:8181/welcome"
    assert _owner(ledger, token).name == "Anna Weber"
    again = told("user", "add", "anna@example.com", "--office", "nice", "--role", "viewer")
    assert again["offices"] == {"main": "manager", "nice": "viewer"}
    assert [user["address"] for user in told("user", "list")["users"]] == ["anna@example.com"]
    assert told("user", "list", "--office", "nice")["users"] == told("user", "list")["users"]


def _owner(ledger: str, token: str) -> User:
    engine = open_engine(ledger)
    with engine.connect() as reader:
        user = people.user_of_link(reader, token, datetime.now(UTC))
    engine.dispose()
    assert user is not None
    return user


def test_who_is_disabled_is_out_and_may_come_back() -> None:
    told("user", "add", "anna@example.com", "--office", "main")
    assert told("user", "disable", "anna@example.com")["state"] == "disabled"
    assert told("user", "disable", "anna@example.com", "--enable")["state"] == "invited"


def test_a_reset_is_a_link_and_every_change_is_in_the_audit_trail(ledger: str) -> None:
    told("user", "add", "anna@example.com", "--office", "main")
    token = told("user", "reset", "anna@example.com")["link"].rpartition("/")[2]
    assert _owner(ledger, token).address == "anna@example.com"
    told("user", "disable", "anna@example.com")
    engine = open_engine(ledger)
    with engine.connect() as reader:
        trail = reader.execute(text("SELECT action, actor FROM audit_trail ORDER BY id")).all()
    engine.dispose()
    assert [row.action for row in trail] == ["user.invite", "user.link", "user.disable"]
    assert all(row.actor.startswith("cli:") for row in trail)


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add", "anna", "--office", "main"),
        ("user", "add", "anna@example.com", "--name", "A\x1b[2J", "--office", "main"),
        ("user", "reset", "nobody@example.com"),
        ("user", "disable", "nobody@example.com"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert not result.stdout
    assert len(result.stderr.strip().splitlines()) == 1
    assert "\x1b" not in result.stderr
