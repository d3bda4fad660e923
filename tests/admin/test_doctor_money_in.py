"""What the doctor says of money in by card, each in which something is wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from admin.checks.findings import Status
from admin.checks.money_in import check_money_in, judge_keys, judge_mail_server
from assembly.health import PROCESSOR, PROCESSORS_CLOCK, answering
from charging.notices import Notice, NoticeKind
from charging.refill import State
from db.engine import open_engine
from db.ledger import SqlLedger
from db.money_rows import tell
from db.writing import write_to
from lab.ports import find_free_port
from settings import NoticeSettings, PaymentsSettings, Settings, load_settings
from tests.db.money import Office
from tests.fakes.clock import ManualClock
from tests.programs import make_ledger

OK, PROBLEM, WARNING = Status.OK, Status.PROBLEM, Status.WARNING
NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "tollgate.toml"
    file.write_text("", encoding="utf-8")
    return load_settings(file)


@pytest.fixture
def engine(settings: Settings, tmp_path: Path) -> Iterator[Engine]:
    make_ledger(tmp_path)
    opened = open_engine(settings.database.url)
    yield opened
    opened.dispose()


def said(settings: Settings) -> list[tuple[object, str]]:
    return [(each.status, each.message) for each in check_money_in(settings)]


def spoil(engine: Engine, code: str) -> None:
    statement = text("UPDATE payments SET state = 'unknown', due_at = NULL, code = :code")
    with engine.begin() as connection:
        connection.execute(statement, {"code": code})


@pytest.fixture
async def ledger(engine: Engine) -> AsyncIterator[SqlLedger]:
    async with SqlLedger(engine) as opened:
        yield opened


async def an_office(ledger: SqlLedger, engine: Engine, at: datetime = NOW) -> Office:
    office = Office(ledger, engine, ManualClock(at))
    await office.save_card()
    return office


@pytest.mark.usefixtures("engine")
def test_where_nobody_pays_by_card_nothing_is_asked_for(settings: Settings) -> None:
    assert [status for status, _ in said(settings)] == [OK, OK]


async def test_a_worker_that_does_not_run_and_a_seller_without_name_are_named(
    settings: Settings, ledger: SqlLedger, engine: Engine
) -> None:
    await an_office(ledger, engine)
    found = await asyncio.to_thread(said, settings)
    assert (WARNING, "cards are charged by the sandbox: no money is real") in found
    assert any("cannot be asked how it is" in message for _, message in found)
    assert (WARNING, "no receipt is issued for what is paid by card") in found


async def test_what_waits_for_the_worker_too_long_is_counted(
    settings: Settings, ledger: SqlLedger, engine: Engine
) -> None:
    office = await an_office(ledger, engine, NOW - timedelta(hours=1))
    await office.buy("20")
    found = await asyncio.to_thread(said, settings)
    assert any(message.startswith("1 payments wait") for _, message in found)


@pytest.mark.parametrize("code", ["differs", "charged_twice", "not_found"])
async def test_money_that_was_charged_and_is_not_credited_is_a_problem(
    settings: Settings, ledger: SqlLedger, engine: Engine, code: str
) -> None:
    office = await an_office(ledger, engine)
    payment = await office.buy("20")
    assert payment.state is State.CLAIMED
    spoil(engine, code)
    found = await asyncio.to_thread(said, settings)
    (missing,) = [m for status, m in found if status is PROBLEM and payment.payment_id in m]
    assert missing.endswith(code)


@pytest.mark.parametrize(
    ("about", "remedy"), [(PROCESSOR, "stripe_key_file"), (PROCESSORS_CLOCK, "set-ntp")]
)
async def test_what_the_worker_says_of_the_processor_is_a_problem(
    settings: Settings, ledger: SqlLedger, engine: Engine, about: str, remedy: str
) -> None:
    await an_office(ledger, engine)
    async with answering("payments", settings, {about: lambda: "it is so and so"}):
        found = await asyncio.to_thread(lambda: [*check_money_in(settings)])
    (told,) = [each for each in found if "it is so and so" in each.message]
    assert told.status is PROBLEM
    assert f"trouble with the {about}" in told.message
    assert remedy in told.remedy


async def test_a_notice_that_nobody_sends_is_a_problem(settings: Settings, engine: Engine) -> None:
    notice = Notice(key="k", office_id="main", kind=NoticeKind.RECEIPT, at=NOW - timedelta(hours=1))
    write_to(engine, lambda writer: tell(writer, notice))
    found = await asyncio.to_thread(said, settings)
    assert (PROBLEM, "1 notices are not sent: nobody sends them") in found


def test_stripe_without_its_key_is_a_problem() -> None:
    findings = list(judge_keys(PaymentsSettings(processor="stripe")))
    assert [each.status for each in findings] == [PROBLEM, WARNING]


def test_a_mail_server_that_is_away_is_a_problem() -> None:
    notices = NoticeSettings(smtp_host="127.0.0.1", smtp_port=find_free_port(), smtp_tls="none")
    found = judge_mail_server(notices, now=datetime.now(UTC))
    assert found.status is PROBLEM
    assert "ConnectionRefusedError" in found.message
