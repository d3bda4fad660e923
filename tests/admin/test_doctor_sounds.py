"""What the doctor says of sounds that are recorded, and that Asterisk may not find."""

import asyncio
from collections.abc import Sequence

import pytest

from admin.checks.findings import Status
from admin.checks.sounds import check_sounds
from prompts.texts import texts_of
from tests.admin.asterisk_stand_in import ARI_PASSWORD, AsteriskStandIn, running
from tests.admin.conftest import Site

OK, WARNING, PROBLEM = Status.OK, Status.WARNING, Status.PROBLEM
ALL = tuple(f"tollgate/{clip}" for clip in texts_of("en"))


@pytest.mark.parametrize(
    ("sounds", "status", "message"),
    [
        (ALL, OK, "finds all"),
        (ALL[1:], PROBLEM, "does not find tollgate/"),
        (("beep", "demo-congrats"), PROBLEM, "callers hear silence"),
        ((), PROBLEM, "callers hear silence"),
        (None, WARNING, "does not list its sounds"),
    ],
)
async def test_sounds_that_asterisk_does_not_find_are_told(
    site: Site, sounds: Sequence[str] | None, status: Status, message: str
) -> None:
    async with running(AsteriskStandIn(sounds=sounds)) as asterisk:
        site.add(asterisk.settings)
        ((found, text),) = await asyncio.to_thread(site.said, check_sounds)
    assert found is status
    assert message in text


async def test_sounds_that_went_while_asterisk_ran_are_silence(site: Site) -> None:
    """Asterisk 22.10.1 then answers with an internal error, and not with a shorter list."""
    async with running(AsteriskStandIn(sounds_status=500)) as asterisk:
        site.add(asterisk.settings)
        ((found, text),) = await asyncio.to_thread(site.said, check_sounds)
    assert found is PROBLEM
    assert "are not there any more: callers hear silence" in text


async def test_nothing_is_said_of_sounds_where_asterisk_does_not_let_us_in(site: Site) -> None:
    async with running(AsteriskStandIn()) as asterisk:
        site.add(asterisk.settings.replace(ARI_PASSWORD, "another"))
        assert await asyncio.to_thread(site.said, check_sounds) == []
