"""Tokens of the API, and requests that are sent twice, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection, Engine, select, text

from charging.api_tokens import ApiToken, require_token_name
from charging.people import Role
from db import api_requests
from db.api_requests import Answered, Begun, KeyedRequest, Standing, UnderWay, UsedOtherwise
from db.api_tables import api_tokens
from db.api_tokens import (
    TokenNameTakenError,
    UnknownTokenError,
    add_token,
    find_token,
    revoke_token,
    tokens_of,
    used,
    wants_used,
)
from db.audit_trail import changes
from db.engine import WRITER
from tests.fakes.clock import START

Result = TypeVar("Result")


def write(engine: Engine, change: Callable[[Connection], Result]) -> Result:
    with engine.connect().execution_options(**WRITER) as writer, writer.begin():
        return change(writer)


def make(engine: Engine, name: str = "till", office_id: str = "main") -> str:
    return write(
        engine,
        lambda writer: add_token(
            writer,
            name=name,
            office_id=office_id,
            role=Role.MANAGER,
            by="cli:root",
            at=START,
            expires_at=START + timedelta(days=1),
        ),
    )


def found(engine: Engine, token: str) -> ApiToken:
    with engine.connect() as reader:
        known = find_token(reader, token)
    assert known is not None
    return known


def revoke(engine: Engine, name: str = "till", by: str = "cli:root") -> ApiToken:
    return write(
        engine,
        lambda writer: revoke_token(writer, name=name, office_id="main", by=by, at=START),
    )


def test_a_token_is_shown_once_and_kept_as_its_hash(engine: Engine) -> None:
    token = make(engine)
    known = found(engine, token)
    assert (known.name, known.office_id, known.role) == ("till", "main", Role.MANAGER)
    assert known.actor == "token:till"
    with engine.connect() as reader:
        assert token not in str(reader.execute(select(api_tokens)).one())
        assert find_token(reader, known.name) is None
        assert find_token(reader, f"{token}x") is None


def test_a_token_works_until_it_ends_or_is_revoked(engine: Engine) -> None:
    token = make(engine)
    assert found(engine, token).works(START)
    assert not found(engine, token).works(START + timedelta(days=1))
    revoke(engine)
    assert not found(engine, token).works(START)
    with pytest.raises(UnknownTokenError):
        revoke(engine)


def test_a_name_is_one_token_of_its_office_for_ever(engine: Engine) -> None:
    make(engine)
    make(engine, office_id="nice")
    revoke(engine)
    with pytest.raises(TokenNameTakenError):
        make(engine)
    with pytest.raises(UnknownTokenError):
        revoke(engine, "other")
    with engine.connect() as reader:
        assert [(each.office_id, each.name) for each in tokens_of(reader)] == [
            ("main", "till"),
            ("nice", "till"),
        ]
        assert [each.office_id for each in tokens_of(reader, "nice")] == ["nice"]


def test_making_and_revoking_is_in_the_audit_trail_of_the_office(engine: Engine) -> None:
    token = make(engine)
    revoke(engine, by="cli:eve")
    with engine.connect() as reader:
        trail = [each.change for each in changes(reader, "main", limit=9)]
    assert [(each.action, each.actor, each.subject) for each in trail] == [
        ("token.revoke", "cli:eve", "till"),
        ("token.add", "cli:root", "till"),
    ]
    assert trail[1].after == "manager, until 2026-11-22"
    assert token not in str(trail)


def test_the_last_use_is_written_once_a_minute(engine: Engine) -> None:
    token = make(engine)
    assert wants_used(found(engine, token), START)
    write(engine, lambda writer: used(writer, found(engine, token), START))
    known = found(engine, token)
    assert known.last_used_at == START
    assert not wants_used(known, START + timedelta(seconds=59))
    assert wants_used(known, START + timedelta(seconds=60))


@pytest.mark.parametrize("name", ["", "Desk", "-desk", "a b", "a" * 41, "till\n", "é"])
def test_a_name_is_written_in_one_way(name: str) -> None:
    with pytest.raises(ValueError, match="a token's name"):
        require_token_name(name)


# --- the same request twice ------------------------------------------------------------------


@pytest.fixture
def sent(engine: Engine) -> KeyedRequest:
    token_id = found(engine, make(engine)).token_id
    return KeyedRequest(token_id=token_id, key="k", request_sha256="0" * 64)


def begin(engine: Engine, request: KeyedRequest, after_s: int = 0) -> Standing:
    now = START + timedelta(seconds=after_s)
    return write(engine, lambda writer: api_requests.begin(writer, request, now))


def test_a_request_begins_once_and_is_then_answered_the_same(
    engine: Engine, sent: KeyedRequest
) -> None:
    assert begin(engine, sent) == Begun()
    assert begin(engine, sent, 59) == UnderWay()
    for answered in (Answered(201, "{}"), Answered(500, "another")):
        write(engine, lambda writer, it=answered: api_requests.finish(writer, sent, it))  # type: ignore[misc]
    assert begin(engine, sent, 10**6) == Answered(201, "{}")


def test_a_key_is_of_one_request_of_one_token(engine: Engine, sent: KeyedRequest) -> None:
    begin(engine, sent)
    other = KeyedRequest(token_id=sent.token_id, key="k", request_sha256="1" * 64)
    assert begin(engine, other) == UsedOtherwise()
    stranger = found(engine, make(engine, "other")).token_id
    assert begin(engine, KeyedRequest(token_id=stranger, key="k", request_sha256="1" * 64)) == (
        Begun()
    )


def test_what_was_given_up_begins_anew_and_what_was_answered_does_not(
    engine: Engine, sent: KeyedRequest
) -> None:
    begin(engine, sent)
    write(engine, lambda writer: api_requests.give_up(writer, sent))
    assert begin(engine, sent) == Begun()
    write(engine, lambda writer: api_requests.finish(writer, sent, Answered(201, "{}")))
    write(engine, lambda writer: api_requests.give_up(writer, sent))
    assert begin(engine, sent) == Answered(201, "{}")


def test_whose_carrier_died_is_begun_by_one_other(engine: Engine, sent: KeyedRequest) -> None:
    begin(engine, sent)
    assert begin(engine, sent, 60) == Begun()
    assert begin(engine, sent, 61) == UnderWay()


def test_of_many_that_arrive_together_one_begins(engine: Engine, sent: KeyedRequest) -> None:
    with ThreadPoolExecutor(8) as threads:
        standings = list(threads.map(lambda _: begin(engine, sent), range(24)))
    assert standings.count(Begun()) == 1
    assert standings.count(UnderWay()) == 23


def test_old_requests_are_removed(engine: Engine, sent: KeyedRequest) -> None:
    begin(engine, sent)
    for days, left in ((30, 1), (31, 0)):
        now = START + timedelta(days=days)
        write(engine, lambda writer, at=now: api_requests.purge_requests(writer, at))  # type: ignore[misc]
        with engine.connect() as reader:
            assert reader.execute(text("SELECT count(*) FROM api_requests")).scalar() == left
