"""`tollgate doctor`: what is wrong here, and what to do about it."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from admin.checks.account import check_balances, check_rates
from admin.checks.ami_over_http import check_ami_over_http
from admin.checks.asked import OfRunning, Reading
from admin.checks.asterisk import (
    check_ami,
    check_application,
    check_ari,
    check_asterisks_clock,
    check_dialplan,
    check_feature_codes,
    check_program,
)
from admin.checks.certificate import check_certificate
from admin.checks.contacts import check_contacts
from admin.checks.database import check_database, check_disk, check_durability, check_ledger
from admin.checks.endpoints import check_endpoints
from admin.checks.findings import Check, Finding, Status, problem
from admin.checks.leg_log import check_leg_log, check_ungated_legs
from admin.checks.loaded import check_loaded
from admin.checks.machine import check_clock, check_python
from admin.checks.money_in import check_money_in
from admin.checks.offices import check_offices
from admin.checks.portal import check_portal
from admin.checks.processes import check_processes
from admin.checks.site import (
    check_addresses,
    check_phones,
    check_plans,
    check_secrets,
    check_settings,
)
from admin.checks.sounds import check_sounds
from admin.checks.trunks import check_dead_legs
from admin.checks.voice import check_engines, check_prompts
from admin.checks.ways import check_trunks, check_ways
from admin.context import AsJson
from admin.output import print_json, say
from charging.plain_text import escaped
from settings import Settings, SettingsError, load_settings

app = typer.Typer()

CHECK_TIMEOUT_S = 15  # each asks with a time limit of its own; this is for a machine that hangs
PLAIN_WIDTH = 160  # in a log or a mail lines may be long
COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.PROBLEM: "bold red"}

MACHINE: Mapping[str, Check] = {"python": check_python, "clock": check_clock}
SITE: Mapping[str, Check] = {
    "settings": check_settings,
    "secrets": check_secrets,
    "addresses": check_addresses,
    "plan": check_plans,
    "phones": check_phones,
    "database": check_database,
    "durability": check_durability,
    "disk": check_disk,
    "ledger": check_ledger,
    "balance": check_balances,
    "money in": check_money_in,
    "portal": check_portal,
    "certificate": check_certificate,
    "rates": check_rates,
    "prompts": check_prompts,
    "engines": check_engines,
}
ASTERISK: Mapping[str, Check] = {
    "asterisk": check_program,
    "ari": check_ari,
    "application": check_application,
    "processes": check_processes,
    "sounds": check_sounds,
    "ami": check_ami,
    "AMI over HTTP": check_ami_over_http,
    "loaded": check_loaded,
    "dialplan": check_dialplan,
    "endpoints": check_endpoints,
    "ways": check_ways,
    "offices": check_offices,
    "trunks": check_trunks,
    "Asterisk's clock": check_asterisks_clock,
    "dead legs": check_dead_legs,
    "contacts": check_contacts,
    "leg log": check_leg_log,
    "ungated legs": check_ungated_legs,
    "features": check_feature_codes,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and the check that made it."""

    check: str
    finding: Finding


@app.command()
def doctor(
    *,
    asterisk: Annotated[
        bool, typer.Option(help="Also look at Asterisk, and at what is connected to it.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Look at everything a call needs, and say what to do about what is wrong.

    Changes nothing. Exit status 1 if there is a problem; a warning can wait for
    daylight.
    """
    found = examine(asterisk=asterisk)
    sound = all(each.finding.status is not Status.PROBLEM for each in found)
    if as_json:
        print_json({"ok": sound, "findings": [_fields(each) for each in found]})
    else:
        _print(found)
    if not sound:
        raise typer.Exit(1)


def examine(*, asterisk: bool) -> Sequence[Found]:
    """Everything that can be looked at; without usable settings that is the machine alone."""
    try:
        settings = load_settings()
    except SettingsError as error:
        unusable = problem(str(error), "correct it and run this again: nothing else was looked at")
        return [*carry_out(MACHINE, Settings.model_construct()), Found("settings", unusable)]
    return carry_out({**MACHINE, **SITE, **(ASTERISK if asterisk else {})}, settings)


def carry_out(checks: Mapping[str, Check], settings: Settings) -> list[Found]:
    """All at once, for most of them wait; in the order they are named in."""
    reading = Reading(settings)
    running = {name: _begin(_sharing(check, reading), settings) for name, check in checks.items()}
    return [
        Found(name, finding) for name, future in running.items() for finding in _outcome(future)
    ]


def _sharing(check: Check, reading: Reading) -> Check:
    """A grown dialplan is work for an Asterisk that carries calls: it is asked for it once."""
    return partial(check.of, reading=reading) if isinstance(check, OfRunning) else check


def _begin(check: Check, settings: Settings) -> Future[Sequence[Finding]]:
    """In a thread that does not keep the program alive if it hangs."""
    future: Future[Sequence[Finding]] = Future()

    def run() -> None:
        try:
            future.set_result(tuple(check(settings)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the admin is told of it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _outcome(future: Future[Sequence[Finding]]) -> Sequence[Finding]:
    try:
        return future.result(timeout=CHECK_TIMEOUT_S)
    except TimeoutError:
        return [problem(f"no result in {CHECK_TIMEOUT_S} s", "see what this machine is busy with")]
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
        told = f"this could not be looked at: {type(error).__name__}: {error}"
        return [problem(told, "see whether the other lines explain it; else report this one")]


def _fields(found: Found) -> dict[str, str]:
    finding = found.finding
    return {
        "check": found.check,
        "status": finding.status.value,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def _print(found: Sequence[Found]) -> None:
    console = Console()
    if console.is_terminal:
        console.print(_table(found))
    else:
        console = Console(width=PLAIN_WIDTH)
        with console.capture() as captured:
            console.print(_table(found))
        for line in captured.get().splitlines():
            say(line.rstrip())
    say(_summary(found))


def _table(found: Sequence[Found]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in found:
        finding = each.finding
        status = Text(finding.status.value, COLOURS[finding.status])
        table.add_row(status, each.check, Text(escaped(finding.message)))
        if finding.remedy:
            table.add_row("", "", Text(f"→ {escaped(finding.remedy)}", "bold"))
    return table


def _summary(found: Sequence[Found]) -> str:
    counts = {s: sum(each.finding.status is s for each in found) for s in Status}
    problems, warnings = counts[Status.PROBLEM], counts[Status.WARNING]
    if not problems and not warnings:
        return "All is well."
    return f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
