"""Asterisk's log of legs: what a call is charged by that ended while the application was away."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from admin.checks.asterisk import AriError, ari_session, get_json
from admin.checks.database import ledger_of
from admin.checks.findings import Finding, listed, ok, problem, warning
from charging.evidence import EndUnproved
from db.history import unproved_ends
from db.ledger import read_from
from db.ungated import legs_since
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

NEEDED = frozenset({"appdata", "dnid"})
END_BYTES = 64 * 1024
TOLD_FOR = timedelta(days=1)


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
        with file.open("rb") as log:
            last = last_answer(log)
        yield ok(f"Asterisk's log of legs, {file}, can be read")
        if last is not None and not last.keys() >= NEEDED:
            yield warning(
                "Asterisk's log of legs does not say who was dialled, so a leg that nobody pays for"
                " is not noticed",
                f"{CONFIGURE}: APP_START and apps = dial,retrydial; fields AppData and DNID",
            )
    except FileNotFoundError:
        if any(file.parent.glob(f"{file.name}[.-]*")):
            yield ok(f"Asterisk's log of legs, {file}, was moved aside and will begin anew")
            return
        yield warning(
            f"Asterisk's log of legs, {file}, is not there: right only before the first call",
            f"{CONFIGURE}; [asterisk] cel_file names the file that Asterisk writes",
        )
    except OSError as error:
        yield problem(
            f"Asterisk's log of legs, {file}, cannot be read: {error.strerror}",
            f"let the user who runs `tollgate serve` read it: chmod, or the group of {file.parent}",
        )


def last_answer(log: BinaryIO) -> Mapping[str, Any] | None:
    """The newest answer that the log tells of; None: none in what is read of it."""
    log.seek(max(0, log.seek(0, 2) - END_BYTES))
    for line in reversed(log.read().splitlines()):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("eventtype") == "ANSWER":
            return event
    return None


def check_ungated_legs(settings: Settings) -> Iterator[Finding]:
    """What the application saw in that log, and neither the ledger nor the plan explains."""
    now = datetime.now(UTC)
    with ledger_of(settings) as engine:
        if engine is None:
            return
        legs = read_from(engine, lambda reader: legs_since(reader, now - TOLD_FOR))
    if not legs:
        yield ok("every leg to a trunk is explained, by the plan or by the ledger")
        return
    told = [f"{leg.endpoint} {leg.number or '?'} at {leg.answered_at:%H:%M:%S}" for leg in legs]
    yield problem(
        f"{_counted(len(legs))} to a trunk in the last day that nobody paid for: {listed(told)}",
        "see `ways` for the Dial that does it; each leg is told of for a day",
    )


def _counted(legs: int) -> str:
    return "1 leg" if legs == 1 else f"{legs} legs"
