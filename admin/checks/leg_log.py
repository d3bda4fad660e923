"""Asterisk's log of legs: what a call is charged by that ended while the application was away."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from admin.checks.asterisk import AriError, ari_session, get_json
from admin.checks.database import ledger_of
from admin.checks.findings import Finding, ok, problem, warning
from charging.evidence import EndUnproved
from db.history import unproved_ends
from db.ledger import read_from
from dialplan.render import TEMPLATES
from settings import Settings

LOOK_BACK_DAYS = 30
UNPROVED = {
    EndUnproved.NO_RECORD: (
        "they ended while the application was away, and Asterisk's log of legs does not say when",
        "let log rotation move the log aside and keep it for a day, and truncate nothing",
    ),
    EndUnproved.ASTERISK_STOPPED: (
        "Asterisk did not run for a second or more when they ended",
        "see whether the machine lacks processor time, memory, or a disk that answers",
    ),
}
CONFIGURE = f"cel.conf and cel_custom.conf of Asterisk as in {TEMPLATES}, added to what is there"
MODULE = "cel_custom.so"
RUNNING = "Running"


def check_leg_log(settings: Settings) -> Iterator[Finding]:
    yield from _file(settings)
    with ledger_of(settings) as engine:
        if engine is not None:
            since = datetime.now(UTC) - timedelta(days=LOOK_BACK_DAYS)
            counts = read_from(engine, lambda reader: unproved_ends(reader, since=since))
            yield from judge_unproved(counts)


def judge_unproved(counts: Mapping[EndUnproved, int]) -> Iterator[Finding]:
    for why, count in counts.items():
        what, remedy = UNPROVED[why]
        yield warning(
            f"{count} calls of the last {LOOK_BACK_DAYS} days were charged for no more than can be"
            f" proved: {what}",
            remedy,
        )


def _file(settings: Settings) -> Iterator[Finding]:
    file = settings.asterisk.cel_file
    if file is None:
        yield warning(
            "without Asterisk's log of legs, a call that ends while the application is away is"
            " charged as far as it was debited, and not to its end",
            f'{CONFIGURE}; then [asterisk] cel_file = "/var/log/asterisk/cel-custom/legs.json"',
        )
        return
    declined = tuple(_module(settings))
    yield from declined or _readable(file)


def _module(settings: Settings) -> Iterator[Finding]:
    """Asterisk declines it for good when it starts with an empty configuration."""
    try:
        status, answer = asyncio.run(_module_state(settings))
    except AriError:
        return  # said by check_ari
    state = answer.get("status") if isinstance(answer, dict) else None
    if status == HTTPStatus.OK and state == RUNNING:
        return
    if status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
        yield problem(
            f"{MODULE} does not run in Asterisk, so it logs no leg; reloading does not start it",
            f"{CONFIGURE}; then `asterisk -rx 'module load {MODULE}'`",
        )


async def _module_state(settings: Settings) -> tuple[int, Any]:
    async with ari_session(settings) as session:
        return await get_json(session, f"asterisk/modules/{MODULE}")


def _readable(file: Path) -> Iterator[Finding]:
    if not file.parent.exists():
        yield problem(
            f"the folder of Asterisk's log of legs is missing, and Asterisk does not make it:"
            f" {file.parent}",
            f"install -d -o asterisk -g asterisk {file.parent}",
        )
        return
    try:
        with file.open("rb"):
            yield ok(f"Asterisk's log of legs, {file}, can be read")
    except FileNotFoundError:
        yield warning(
            f"Asterisk's log of legs, {file}, is not there: right only before the first call",
            f"{CONFIGURE}; [asterisk] cel_file names the file that Asterisk writes",
        )
    except OSError as error:
        yield problem(
            f"Asterisk's log of legs, {file}, cannot be read: {error.strerror}",
            f"let the user who runs `tollgate serve` read it: chmod, or the group of {file.parent}",
        )
