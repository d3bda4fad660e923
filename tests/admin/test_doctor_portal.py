"""What the doctor says of the managers' pages."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection
from starlette.responses import PlainTextResponse

from admin.checks.findings import Status
from admin.checks.portal import check_portal, judge_answer
from assembly.health import answering
from assembly.serving import served
from charging.people import Role
from db import people
from db.engine import open_engine
from db.writing import write_to
from lab.ports import find_free_port
from settings import PortalSettings, Settings, load_settings
from tests.programs import make_ledger, python_program

OK, PROBLEM, WARNING = Status.OK, Status.PROBLEM, Status.WARNING
PATIENCE_S = 60


def an_office(folder: Path, sections: Mapping[str, str], *, with_user: bool = True) -> Settings:
    make_ledger(folder)
    text = "\n".join(f"[{name}]\n{fields}" for name, fields in sections.items())
    (folder / "tollgate.toml").write_text(text, encoding="utf-8")
    settings = load_settings(folder / "tollgate.toml")
    if with_user:
        engine = open_engine(settings.database.url)
        write_to(engine, _add_anna)
        engine.dispose()
    return settings


def _add_anna(writer: Connection) -> None:
    anna = people.add_user(writer, address="anna@example.com", name="Anna", at=datetime.now(UTC))
    people.give_role(writer, anna, "main", Role.VIEWER)


def said(settings: Settings) -> list[tuple[Status, str]]:
    return [(each.status, each.message) for each in check_portal(settings)]


def test_a_portal_that_nobody_may_use_is_not_asked(tmp_path: Path) -> None:
    settings = an_office(tmp_path, {}, with_user=False)
    assert said(settings) == [(OK, "nobody has access to the portal")]


def test_a_portal_that_does_not_run_is_a_problem_of_those_who_have_access(tmp_path: Path) -> None:
    [(status, message)] = said(an_office(tmp_path, {}))
    assert status is PROBLEM
    assert "the portal, to which 1 have access, cannot be asked how it is" in message


async def test_a_portal_that_answers_says_where_and_that_it_mails_nothing(tmp_path: Path) -> None:
    settings = an_office(tmp_path, {"portal": f"port = {find_free_port()}"})
    file = str(tmp_path / "tollgate.toml")
    async with python_program("-m", "portal", file, patience_s=PATIENCE_S) as process:
        assert process.stdout is not None
        await process.stdout.readline()  # ready
        found = await asyncio.to_thread(said, settings)
    assert [status for status, _ in found] == [OK, WARNING]
    assert found[0][1].endswith(settings.portal.address_for_browsers)
    assert "the portal mails no link" in found[1][1]


async def test_what_the_portal_cannot_do_is_a_problem(tmp_path: Path) -> None:
    port = find_free_port()
    mail = {"notices": 'smtp_host = "mail.example"'}
    settings = an_office(tmp_path, {"portal": f"port = {port}"} | mail)
    async with answering("portal", settings, {"ledger": lambda: "disk is full"}):
        found = await asyncio.to_thread(said, settings)
    assert [status for status, _ in found] == [PROBLEM, PROBLEM]
    assert "cannot use the ledger: disk is full" in found[0][1]
    assert f"does not answer at 127.0.0.1, port {port}" in found[1][1]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])  # noqa: S104
async def test_another_program_at_its_port_is_told(address: str) -> None:
    loopback = "::1" if ":" in address else "127.0.0.1"
    app = PlainTextResponse("not here", 404)
    async with served(app, section="portal", address=loopback, port=0) as port:
        url = "https://t.example"
        portal = PortalSettings(address=address, port=port, public_url=url)
        finding = await asyncio.to_thread(judge_answer, portal)
    assert (finding.status, "status 404" in finding.message) == (PROBLEM, True)
