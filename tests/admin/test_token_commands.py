"""`tollgate token`, as an admin runs it."""

from pathlib import Path

import pytest
from sqlalchemy import text

from db.api_tokens import find_token
from db.engine import open_engine
from tests.admin.cli import run, told


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    file = tmp_path / "tollgate.toml"
    file.write_text("[offices.main]\n[offices.nice]\nplan = 'france'\n", encoding="utf-8")
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(file))
    assert run("ledger", "prepare").exit_code == 0
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def test_a_token_is_printed_once_and_found_by_what_was_printed(ledger: str) -> None:
    made = told("token", "add", "till", "--role", "manager", "--office", "nice", "--days", "30")
    engine = open_engine(ledger)
    with engine.connect() as reader:
        found = find_token(reader, made["token"])
    engine.dispose()
    assert found is not None
    assert (found.name, found.office_id, found.role.value) == ("till", "nice", "manager")
    listed = run("token", "list")
    assert made["token"] not in listed.output
    assert "till  manager  works" in listed.output


def test_what_is_said_names_the_token_last_so_that_it_can_be_copied() -> None:
    said = run("token", "add", "till", "--office", "main").stdout.splitlines()
    assert said[0].startswith("till is viewer of the office main until ")
    assert said[1].startswith("tollgate_")


def test_a_revoked_token_is_told_and_its_name_stays_taken() -> None:
    told("token", "add", "till", "--office", "main")
    assert told("token", "revoke", "till", "--office", "main")["state"] == "revoked"
    [listed] = told("token", "list", "--office", "main")["tokens"]
    assert (listed["state"], listed["last_used_at"]) == ("revoked", None)
    again = run("token", "add", "till", "--office", "main")
    assert again.exit_code == 1
    assert "choose another name" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Desk"), "a token's name has"),
        (("revoke", "till"), "no token 'till' that works"),
        (("add", "till", "--office", "oslo"), "no office 'oslo'"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    result = run("token", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr


def test_every_change_is_in_the_audit_trail_with_who_made_it(ledger: str) -> None:
    told("token", "add", "till", "--office", "main")
    told("token", "revoke", "till", "--office", "main")
    engine = open_engine(ledger)
    with engine.connect() as reader:
        trail = reader.execute(text("SELECT action, actor, subject FROM audit_trail")).all()
    engine.dispose()
    assert [row.action for row in trail] == ["token.add", "token.revoke"]
    assert all(row.actor.startswith("cli:") and row.subject == "till" for row in trail)
