"""Asterisk's log of legs: what a call is charged by that ended while the application was away."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

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
CONFIGURE = f"cel.conf and cel_custom.conf of Asterisk as in {TEMPLATES}"


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
