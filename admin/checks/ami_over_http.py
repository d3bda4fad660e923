"""Whether paid calls can be lengthened while AMI's own port is away: AMI over ARI's HTTP server."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus

import aiohttp

from admin.checks.asterisk import TIMEOUT_S
from admin.checks.findings import Finding, ok, warning
from settings import AriSettings, Settings

# Asks for nothing that needs a password, and leaves nothing behind.
CHALLENGE = {"Action": "Challenge", "AuthType": "MD5"}


def check_ami_over_http(settings: Settings) -> Iterator[Finding]:
    if settings.ari is None or settings.ami is None:
        return
    try:
        status = asyncio.run(_challenge(settings.ari))
    except (TimeoutError, aiohttp.ClientError, OSError):
        return  # said by check_ari
    if status == HTTPStatus.OK:
        yield ok("AMI answers over HTTP, too: paid calls go on while its own port is away")
    else:
        yield warning(
            "AMI does not answer over HTTP: while its own port is away, paid calls end with the"
            " increment that is paid",
            "webenabled = yes under [general] of manager.conf; `asterisk -rx 'manager reload'`",
        )


async def _challenge(ari: AriSettings) -> int:
    async with (
        asyncio.timeout(TIMEOUT_S),
        aiohttp.ClientSession() as session,
        session.post(f"{ari.base_url.rstrip('/')}/rawman", data=CHALLENGE) as reply,
    ):
        return reply.status
