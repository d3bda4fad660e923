"""What the doctor says of a certificate, over real TLS on loopback."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from admin.checks.certificate import check_certificate, judge
from admin.checks.findings import Status
from admin.checks.money_in import judge_mail_server
from settings import NoticeSettings, PortalSettings, Settings
from tests.admin.certificates import mails, make_certificate, served

DAYS = 30


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"), days=DAYS)


@pytest.mark.parametrize(
    ("days_later", "status", "said"),
    [(0, Status.OK, "good until"), (DAYS - 10, Status.WARNING, "ends on")],
)
async def test_a_certificate_is_told_of_before_it_ends(
    certificate: Path, days_later: int, status: Status, said: str
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    now = datetime.now(UTC) + timedelta(days=days_later)
    async with served(certificate) as port:
        found = await asyncio.to_thread(judge, "localhost", port, now=now, context=trusted)
    assert found.status is status
    assert said in found.message


async def test_one_that_browsers_do_not_believe_is_a_problem(certificate: Path) -> None:
    async with served(certificate) as port:
        found = await asyncio.to_thread(judge, "localhost", port, now=datetime.now(UTC))
    assert found.status is Status.PROBLEM
    assert "do not believe" in found.message


@pytest.mark.parametrize(
    ("days_later", "status", "said"),
    [(0, Status.OK, "takes mails"), (DAYS - 10, Status.WARNING, "ends on")],
)
async def test_the_mail_server_s_certificate_is_told_of_before_it_ends(
    certificate: Path, days_later: int, status: Status, said: str
) -> None:
    async with served(certificate, mails) as port:
        notices = NoticeSettings(
            smtp_host="localhost",
            smtp_port=port,
            smtp_tls="tls",
            smtp_ca_file=certificate,
        )
        now = datetime.now(UTC) + timedelta(days=days_later)
        found = await asyncio.to_thread(judge_mail_server, notices, now=now)
    assert found.status is status
    assert said in found.message


async def test_where_nobody_answers_it_was_not_seen(certificate: Path) -> None:
    async with served(certificate) as port:
        pass
    found = await asyncio.to_thread(judge, "localhost", port, now=datetime.now(UTC))
    assert found.status is Status.WARNING


def test_without_a_public_address_there_is_nothing_to_look_at() -> None:
    (found,) = check_certificate(Settings())
    assert found.status is Status.OK
    plain = Settings(portal=PortalSettings(public_url="http://tollgate.example.com"))
    (found,) = check_certificate(plain)
    assert found.status is Status.OK
