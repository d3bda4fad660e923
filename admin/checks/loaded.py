"""Whether Asterisk has a dialplan at all, and ours in it: one unreadable file can cost both."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus

from admin.checks.ami import logged_in
from admin.checks.asked import asks_asterisk
from admin.checks.asterisk import OURS, RENDER, TIMEOUT_S, ari_session, get_json
from admin.checks.findings import Finding, ok, problem
from settings import Settings

MODULE = "pbx_config.so"
# Without the module there is no `dialplan reload`, and `module reload` refuses: both were tried.
LOAD = (
    f"`asterisk -rx 'module load {MODULE}'`; if it refuses, Asterisk's log names a file that it"
    " cannot read: let it be read, or write #tryinclude for #include, then load it again"
)


@asks_asterisk
def check_loaded(settings: Settings) -> Iterator[Finding]:
    running = asyncio.run(_is_running(settings))
    known = asyncio.run(_is_known(settings))
    yield judge_loaded(running=running, known=known)


def judge_loaded(*, running: bool, known: bool) -> Finding:
    """Some write their dialplan in AEL or Lua, so what counts is that ours is there."""
    if known:
        return ok("Asterisk has our contexts")
    if not running:
        return problem(
            f"Asterisk has not read extensions.conf, {MODULE} is not running: no number connects,"
            " emergency calls neither",
            LOAD,
        )
    return problem(
        f"Asterisk has no [{OURS}]: extensions.conf includes no file of ours that could be read",
        f"{RENDER}; it prints the lines for extensions.conf",
    )


async def _is_running(settings: Settings) -> bool:
    async with ari_session(settings) as session:
        status, module = await get_json(session, f"asterisk/modules/{MODULE}")
    return status == HTTPStatus.OK and module.get("status") == "Running"


async def _is_known(settings: Settings) -> bool:
    assert settings.ami is not None  # noqa: S101 - asked by check_loaded
    async with logged_in(settings.ami, timeout_s=TIMEOUT_S) as ami:
        return bool(await ami.dialplan(OURS))
