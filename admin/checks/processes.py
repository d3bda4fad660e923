"""The programs that serve calls, asked themselves: what this user can do, theirs may not."""

import asyncio
from collections.abc import Iterator

from admin.checks.findings import Finding, ok, problem, warning
from assembly.health import AMI, ARI, LEDGER, Health, NoAnswerError, ask
from db.engine import file_of
from settings import Settings

PROGRAMS = {"ari_app": "the application", "agi": "the feature codes"}


def check_processes(settings: Settings) -> Iterator[Finding]:
    for program, name in PROGRAMS.items():
        if program == "agi" and not any(code for _, code in settings.agi.codes):
            continue  # nobody can dial what it answers
        try:
            health = asyncio.run(ask(program, settings))
        except NoAnswerError as error:
            bad = warning if program == "agi" else problem  # calls go on without feature codes
            yield bad(
                f"{name} ({program}) cannot be asked how it is: {error}",
                "`tollgate serve`, or see its log; ask as root or as the user who runs it, with the"
                " same settings",
            )
        else:
            yield from judge_health(health, settings)


def judge_health(health: Health, settings: Settings) -> Iterator[Finding]:
    name = PROGRAMS[health.program]
    for about, said in health.problems.items():
        yield problem(
            f"{name}, run by {health.user}, cannot use the {about}: {said}",
            _remedy(about, health.user, settings),
        )
    if not health.problems:
        yield ok(f"{name} is well, run by {health.user}")


def _remedy(about: str, user: str, settings: Settings) -> str:
    file = file_of(settings.database.url)
    if about in {ARI, AMI}:
        return (
            "see that Asterisk runs; after a change of a password or a port, start"
            " `tollgate serve` again, which reads the settings once"
        )
    if about == LEDGER and file is not None:
        return f"chown {user} {file.parent} {file}*"
    if about == LEDGER:
        return "let the database's user write to its tables, and see that PostgreSQL runs"
    return f"let {user} read {settings.asterisk.cel_file}, and the folder it is in"
