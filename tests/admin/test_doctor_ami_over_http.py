"""What the doctor says of AMI over HTTP, which lengthens calls while AMI's port is away."""

import asyncio

import pytest

from admin.checks.ami_over_http import check_ami_over_http
from admin.checks.findings import Status
from tests.admin.asterisk_stand_in import AsteriskStandIn, running
from tests.admin.conftest import Site


@pytest.mark.parametrize(
    ("web_enabled", "status", "message"),
    [(True, Status.OK, "answers over HTTP"), (False, Status.WARNING, "does not answer")],
)
async def test_ami_over_http_is_looked_for(
    site: Site, status: Status, message: str, *, web_enabled: bool
) -> None:
    async with running(AsteriskStandIn(web_enabled=web_enabled)) as asterisk:
        site.add(asterisk.settings)
        ((found, text),) = await asyncio.to_thread(site.said, check_ami_over_http)
    assert found is status
    assert message in text


async def test_asterisk_that_is_away_is_told_of_elsewhere(site: Site) -> None:
    async with running(AsteriskStandIn()) as asterisk:
        site.add(asterisk.settings)
    assert await asyncio.to_thread(site.said, check_ami_over_http) == []
