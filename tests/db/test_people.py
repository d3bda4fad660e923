"""Users, sessions, links and attempts to sign in, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from charging.people import (
    ATTEMPTS_PER_ACCOUNT,
    IDLE_MAX,
    LINK_LASTS,
    SESSION_LASTS,
    Client,
    LinkPurpose,
    Role,
    Session,
    User,
)
from db import people
from db.audit_trail import Change, changes, record
from db.engine import WRITER
from tests.fakes.clock import START

Result = TypeVar("Result")


def write(engine: Engine, change: Callable[[Connection], Result]) -> Result:
    with engine.connect().execution_options(**WRITER) as writer, writer.begin():
        return change(writer)


@pytest.fixture
def anna(engine: Engine) -> User:
    return add(engine, "anna@example.com", main=Role.MANAGER)


def add(engine: Engine, address: str, **roles: Role) -> User:
    def adding(writer: Connection) -> User:
        user_id = people.add_user(writer, address=address, name="Anna", at=START)
        for office_id, role in roles.items():
            people.give_role(writer, user_id, office_id, role)
        found = people.user_of(writer, user_id)
        assert found is not None
        return found

    return write(engine, adding)


def sign_in(engine: Engine, user: User, office_id: str = "main") -> str:
    return write(
        engine,
        lambda writer: people.begin_session(
            writer, user, office_id, at=START, client=Client(address="127.0.0.1")
        ),
    )


def session_of(engine: Engine, token: str, after: timedelta = timedelta()) -> Session | None:
    with engine.connect() as reader:
        return people.find_session(reader, token, START + after)


def test_a_session_lasts_twelve_hours_and_not_longer(engine: Engine, anna: User) -> None:
    token = sign_in(engine, anna)
    session = session_of(engine, token, SESSION_LASTS - timedelta(seconds=1))
    assert session is not None
    assert (session.office_id, session.role) == ("main", Role.MANAGER)
    assert session_of(engine, token, SESSION_LASTS) is None


def test_customer_care_is_signed_out_after_half_an_hour_without_a_page(engine: Engine) -> None:
    careful = add(engine, "care@example.com", main=Role.VIEWER, nice=Role.CUSTOMER_CARE)
    token = sign_in(engine, careful)
    assert session_of(engine, token, IDLE_MAX) is None
    session = session_of(engine, token, IDLE_MAX - timedelta(seconds=1))
    assert session is not None
    later = START + IDLE_MAX - timedelta(seconds=1)
    write(engine, lambda writer: people.seen(writer, session, later))
    assert session_of(engine, token, IDLE_MAX) is not None


def test_a_token_is_not_stored(engine: Engine, anna: User) -> None:
    token = sign_in(engine, anna)
    with engine.connect() as reader:
        stored = reader.execute(text("SELECT * FROM user_sessions")).one()
    assert token not in str(stored)
    assert session_of(engine, token[:-1]) is None


@pytest.mark.parametrize("end", ["revoked", "disabled", "role taken"])
def test_an_ended_session_is_found_no_more(engine: Engine, anna: User, end: str) -> None:
    token = sign_in(engine, anna)
    session = session_of(engine, token)
    assert session is not None
    ends: dict[str, Callable[[Connection], None]] = {
        "revoked": lambda writer: people.end_session(writer, session, START),
        "disabled": lambda writer: people.disable(writer, anna.user_id, START),
        "role taken": lambda writer: people.take_role(writer, anna.user_id, "main"),
    }
    write(engine, ends[end])
    assert session_of(engine, token) is None


def test_a_session_goes_on_only_in_an_office_of_its_user(engine: Engine, anna: User) -> None:
    session = session_of(engine, sign_in(engine, anna))
    assert session is not None
    with pytest.raises(ValueError, match="nice"):
        write(engine, lambda writer: people.move_session(writer, session, "nice"))


def test_a_link_works_once_and_for_a_quarter_of_an_hour(engine: Engine, anna: User) -> None:
    def link(writer: Connection) -> str:
        return people.make_link(writer, anna.user_id, LinkPurpose.RESET, START)

    token = write(engine, link)
    assert write(engine, lambda writer: people.use_link(writer, token, START)) == anna
    assert write(engine, lambda writer: people.use_link(writer, token, START)) is None
    late = write(engine, link)
    at_end = START + LINK_LASTS
    assert write(engine, lambda writer: people.use_link(writer, late, at_end)) is None


def test_a_new_link_ends_the_one_before(engine: Engine, anna: User) -> None:
    first, second = (
        write(
            engine,
            lambda writer: people.make_link(writer, anna.user_id, LinkPurpose.RESET, START),
        )
        for _ in range(2)
    )
    assert write(engine, lambda writer: people.use_link(writer, first, START)) is None
    assert write(engine, lambda writer: people.use_link(writer, second, START)) == anna


def test_guesses_that_arrive_together_are_each_counted(engine: Engine) -> None:
    def guess(number: int) -> bool:
        return write(
            engine,
            lambda writer: people.may_attempt(
                writer, account="anna@example.com", client_address=f"192.0.2.{number}", now=START
            ),
        )

    with ThreadPoolExecutor(8) as threads:
        allowed = sum(threads.map(guess, range(3 * ATTEMPTS_PER_ACCOUNT)))
    assert allowed == ATTEMPTS_PER_ACCOUNT


def test_a_support_code_works_once_and_for_its_office(engine: Engine) -> None:
    def use(office_id: str, code: str) -> bool:
        return write(
            engine,
            lambda writer: people.use_support_code(
                writer, office_id=office_id, code=code, now=START
            ),
        )

    code = write(
        engine,
        lambda writer: people.make_support_code(
            writer, office_id="main", by="user:anna@example.com", at=START
        ),
    )
    assert not use("nice", code)
    assert use("main", code)
    assert not use("main", code)


def test_a_mail_address_belongs_to_one_person(engine: Engine, anna: User) -> None:
    with pytest.raises(people.AddressTakenError):
        add(engine, anna.address)


def test_what_nobody_can_use_any_more_is_removed(engine: Engine, anna: User) -> None:
    sign_in(engine, anna)
    write(engine, lambda writer: people.make_link(writer, anna.user_id, LinkPurpose.RESET, START))
    write(engine, lambda writer: people.purge(writer, START + timedelta(days=31)))
    with engine.connect() as reader:
        for table in ("user_sessions", "user_links", "sign_in_attempts", "support_codes"):
            assert reader.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608 - ours


def test_the_audit_trail_is_append_only_and_of_one_office(engine: Engine) -> None:
    change = Change(office_id="main", at=START, actor="user:a@example.com", action="refill.set")
    write(engine, lambda writer: record(writer, change))
    with engine.connect() as reader:
        assert [each.change for each in changes(reader, "main", limit=10)] == [change]
        assert changes(reader, "nice", limit=10) == []
    for statement in ("UPDATE audit_trail SET actor = 'nobody'", "DELETE FROM audit_trail"):
        with pytest.raises(DBAPIError, match="append-only"):
            write(engine, lambda writer, wanted=statement: writer.execute(text(wanted)))  # type: ignore[misc]
