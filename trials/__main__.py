"""`python -m trials`: break things on purpose and count what is wrong afterwards."""

import asyncio
import secrets
import sys
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from lab.errors import LabError
from trials import backups as backups_trial
from trials import carriers as carriers_trial
from trials import emergency as emergency_trial
from trials import files as files_trial
from trials import images as images_trial
from trials.attack import AttackOutcome, AttackPlan
from trials.attack import attack as run_attack
from trials.chaos import KINDS, Outcome, Plan, run
from trials.dialplans import compare
from trials.evidence import kept_if_wrong
from trials.large_ledger import LargePlan
from trials.large_ledger import run as read_beside_calls
from trials.money_chaos import MoneyPlan
from trials.money_chaos import run as break_money
from trials.slow_clients import SlowPlan, crowd
from trials.soak import SoakOutcome, SoakPlan
from trials.soak import soak as run_soak
from trials.ungated_calls import confirm

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
out = Console(highlight=False, soft_wrap=True)

# What, calls, calls a second, breakages.
FULL = (
    ("application", 2000, 4, 100),
    ("application-stopped", 600, 3, 20),
    ("second-application", 400, 3, 20),
    ("asterisk", 200, 2, 10),
    ("asterisk-stopped", 500, 3, 25),
    ("ari", 1000, 3, 50),
    ("ami", 1000, 3, 50),
    ("ami-password", 400, 3, 20),
    ("database", 400, 3, 20),
    ("answer-lock", 700, 3, 20),
    ("disk-full", 400, 3, 20),
    ("log-lost", 700, 3, 40),
    ("clocks", 700, 3, 40),
)
# What `make test` takes: those that need little time, and no more of them than it has.
SHORT = (
    ("application", 40, 3, 3),
    ("asterisk", 24, 2, 1),
    ("ari", 30, 3, 2),
    ("ami", 30, 3, 2),
    ("database", 30, 3, 2),
    ("asterisk-stopped", 24, 3, 2),
    ("log-lost", 30, 3, 2),
    ("clocks", 24, 3, 2),
)
DATABASES = ("sqlite", "postgresql")


@app.command()
def chaos(
    *,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
    only: Annotated[str | None, typer.Option(help=f"One of {', '.join(KINDS)}.")] = None,
    database: Annotated[str | None, typer.Option(help="sqlite or postgresql; else both.")] = None,
    short: Annotated[bool, typer.Option("--short", help="A few minutes of it.")] = False,
) -> None:
    """Real calls while the application, Asterisk, a connection or the database is broken.

    Afterwards every call is compared with the carrier's own log. Exit status 0 only if none is
    wrong. Sends traffic to loopback addresses only.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    wrong = 0
    for base in DATABASES if database is None else (database,):
        for what, calls, rate_per_s, breakages in SHORT if short else FULL:
            if only in {None, what}:
                plan = Plan(
                    what=what,
                    calls=calls,
                    rate_per_s=rate_per_s,
                    breakages=breakages,
                    seed=drawn,
                    database=base,
                )
                minutes = -(-calls // (60 * rate_per_s)) + 1
                out.print(f"{what} on {base}: {calls} calls: about {minutes} min")
                wrong += _report(asyncio.run(run(plan, out.print)))
    sys.exit(1 if wrong else 0)


@app.command()
def images() -> None:
    """The containers' files as their tools read them; both images run, with a paid call.

    `make images` builds the images first. Exit status 0 only if nothing is wrong; what cannot be
    tried on this machine is said and is no fault. The containers' network is loopback alone.
    """
    problems = list(images_trial.problems_of_files(out.print))
    why_not = images_trial.why_not_run()
    if why_not is not None:
        out.print(f"not tried: to run the images, for no container runs here: {why_not}")
    else:
        try:
            problems += images_trial.run_and_call(out.print).problems
        except LabError as error:
            problems.append(str(error))
        out.print("not tried: SIP and sound at published ports")
        out.print("not tried: PostgreSQL and Grafana in containers, whose images are not here")
    for problem in problems:
        out.print(problem, markup=False)
    out.print(f"{len(problems)} wrong")
    sys.exit(1 if problems else 0)


@app.command()
def files(
    *,
    count: Annotated[int, typer.Option("--files", min=1, help="Of each kind.")] = 6000,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
) -> None:
    """Damaged plan, phones and settings files: the last good one is in force, and calls go on."""
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    wrong = 0
    for kind in files_trial.READERS:
        outcome = files_trial.run(kind, files=count, seed=drawn)
        out.print(
            f"{kind}: {outcome.tried} files, {outcome.accepted} of them still good, the others"
            f" refused in one sentence; slowest {outcome.slowest_s:.2f} s;"
            f" {len(outcome.problems)} wrong"
        )
        for problem in outcome.problems[:20]:
            out.print(problem, markup=False)
        wrong += len(outcome.problems)
    sys.exit(1 if wrong else 0)


@app.command()
def money_chaos(
    *,
    kills: Annotated[int, typer.Option(min=0, help="Of processes.")] = 200,
    breakages: Annotated[int, typer.Option(min=0, help="Of the card processor.")] = 50,
    offices: Annotated[int, typer.Option(min=1)] = 24,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
    database: Annotated[str | None, typer.Option(help="sqlite or postgresql; else both.")] = None,
) -> None:
    """Whatever moves money is killed; the sandbox's own log is compared with the ledger.

    Exit status 0 only if nothing is charged twice, or charged and not credited, and all is settled
    within a minute.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    wrong = 0
    for base in DATABASES if database is None else (database,):
        plan = MoneyPlan(kills=kills, breakages=breakages, offices=offices, seed=drawn)
        trial = partial(break_money, plan, base, report=out.print)
        outcome = asyncio.run(kept_if_wrong("money-chaos", trial, out.print))
        out.print(f"{base}: {outcome}")
        for problem in outcome.problems[:20]:
            out.print(f"  {problem}", markup=False)
        wrong += len(outcome.problems)
    sys.exit(1 if wrong else 0)


@app.command()
def backups(
    *,
    calls: Annotated[int, typer.Option(min=1, help="To place.")] = 2400,
    rate: Annotated[int, typer.Option(min=1, help="New calls each second.")] = 20,
    count: Annotated[int, typer.Option(min=1, help="Backups while calls are placed.")] = 12,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
    database: Annotated[str | None, typer.Option(help="sqlite or postgresql; else both.")] = None,
) -> None:
    """Back up the ledger while calls go on, restore each backup elsewhere, and compare.

    Exit status 0 only if each restored ledger is sound and has everything that was acknowledged
    before its backup's moment, and no call was charged wrongly. Sends traffic to loopback addresses
    only.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    wrong = 0
    for base in DATABASES if database is None else (database,):
        plan = backups_trial.BackupPlan(calls=calls, rate_per_s=rate, backups=count, seed=drawn)
        trial = partial(backups_trial.run, plan, base, report=out.print)
        outcome = asyncio.run(kept_if_wrong("backups", trial, out.print))
        out.print(
            f"{base}: {outcome.answered} calls answered, {outcome.backups} backups, the slowest"
            f" {outcome.longest_s:.1f} s; of {outcome.acknowledged} entries acknowledged before the"
            f" last one under calls none may be missing; {len(outcome.problems)} wrong"
        )
        for problem in outcome.problems[:20]:
            out.print(f"  {problem}", markup=False)
        wrong += len(outcome.problems)
    sys.exit(1 if wrong else 0)


@app.command()
def emergency(
    *,
    calls: Annotated[int, typer.Option(min=1, help="Under each condition.")] = 100,
) -> None:
    """Emergency calls at zero balance, with the application dead, the database locked, limits hit.

    Exit status 0 only if every one reached the carrier and none is in the ledger. Sends traffic to
    loopback addresses only.
    """
    wrong = 0
    for condition in emergency_trial.CONDITIONS:
        outcome = asyncio.run(emergency_trial.run(condition, calls))
        reached = ", ".join(f"{count} to {number}" for number, count in outcome.answered.items())
        out.print(
            f"{outcome.condition}: {outcome.placed} calls placed; the carrier answered {reached};"
            f" slowest {outcome.slowest_s:.2f} s; {len(outcome.problems)} wrong"
        )
        for problem in outcome.problems:
            out.print(f"  {problem}")
        wrong += len(outcome.problems)
    sys.exit(1 if wrong else 0)


@app.command()
def carriers(
    *, short: Annotated[bool, typer.Option("--short", help="A minute of it.")] = False
) -> None:
    """Calls of two minutes, paid and for help, to carriers and from phones of every temper.

    Exit status 0 only if every good call lasted and every dead paid leg ended. Sends traffic to
    loopback addresses only.
    """
    plan = carriers_trial.SHORT if short else carriers_trial.FULL
    outcome = asyncio.run(carriers_trial.run(plan))
    for row in outcome.rows:
        out.print(
            f"{row.temper}: paid {row.paid_s:.1f} s, emergency {row.emergency_s:.1f} s,"
            f" refreshed {row.refreshes} times"
        )
    out.print(f"{2 * len(outcome.rows)} calls of {plan.talk_s} s; {len(outcome.problems)} wrong")
    for problem in outcome.problems:
        out.print(f"  {problem}")
    sys.exit(1 if outcome.problems else 0)


@app.command()
def soak(
    *,
    minutes: Annotated[float, typer.Option(help="How long new calls are placed.")] = 30,
    rate: Annotated[int, typer.Option(help="New calls each second.")] = 10,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
) -> None:
    """Calls for half an hour, nothing broken: none may fail, and memory must stay flat.

    Afterwards every call is compared with the carrier's own log. Exit status 0 only if none is
    wrong. Sends traffic to loopback addresses only.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    plan = SoakPlan(minutes=minutes, rate_per_s=rate, seed=drawn)
    out.print(f"seed {drawn}: {plan.calls} calls")
    outcome = asyncio.run(run_soak(plan, out.print))
    _report_soak(outcome)
    sys.exit(1 if outcome.problems else 0)


@app.command("slow-clients")
def slow_clients(
    *,
    clients: Annotated[int, typer.Option(min=1, help="Slow ones, at once.")] = 1000,
    minutes: Annotated[float, typer.Option(help="How long calls are placed.")] = 3,
    rate: Annotated[int, typer.Option(help="New calls each second.")] = 5,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
) -> None:
    """Slow clients at the portal, while somebody browses there and calls go on.

    Exit status 0 only if every page was served and no call is wrong. Sends traffic to loopback
    addresses only.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    plan = SlowPlan(clients=clients, calls=SoakPlan(minutes=minutes, rate_per_s=rate, seed=drawn))
    found = asyncio.run(crowd(plan, out.print))
    dropped = ", ".join(f"{count} {kind}" for kind, count in sorted(found.dropped.items()))
    out.print(
        f"{clients} slow clients connected {found.connected} times and were dropped: {dropped};"
        f" {found.judged}; {len(found.problems)} problems"
    )
    for problem in found.problems:
        out.print(f"WRONG: {problem}")
    sys.exit(1 if found.problems else 0)


@app.command("large-ledger")
def large_ledger(
    *,
    rows: Annotated[int, typer.Option(min=20, help="Of activity, before the calls.")] = 1_000_000,
    minutes: Annotated[float, typer.Option(help="How long calls are placed.")] = 3,
    rate: Annotated[int, typer.Option(help="New calls each second.")] = 20,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
    database: Annotated[str | None, typer.Option(help="sqlite or postgresql; else both.")] = None,
) -> None:
    """Calls while the portal shows, and sends as a file, what two years have left in the ledger.

    Exit status 0 only if every page and file was served and no call is wrong. Sends traffic to
    loopback addresses only.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    wrong = 0
    for base in DATABASES if database is None else (database,):
        plan = LargePlan(rows=rows, calls=SoakPlan(minutes=minutes, rate_per_s=rate, seed=drawn))
        trial = partial(read_beside_calls, plan, base, report=out.print)
        found = asyncio.run(kept_if_wrong("large-ledger", trial, out.print))
        out.print(
            f"{base}: {found.judged}, and {len(found.judged.seen.files_lines)} files of {rows}"
            f" rows; {len(found.problems)} wrong"
        )
        for problem in found.problems[:20]:
            out.print(f"  {problem}", markup=False)
        wrong += len(found.problems)
    sys.exit(1 if wrong else 0)


@app.command()
def dialplans(
    *,
    count: Annotated[int, typer.Option(min=1, help="Dialplans to draw.")] = 10_000,
    calls: Annotated[int, typer.Option(min=1, help="Ways out to dial with real phones.")] = 30,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
) -> None:
    """Drawn office dialplans around ours: does Asterisk go where the doctor says it goes?

    Each is loaded into a real Asterisk and dialled through, step by step; then what the doctor
    names as free is dialled by real phones. Exit status 0 only if nothing differs. Sends traffic to
    loopback addresses only.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    found = asyncio.run(compare(count, drawn, out.print))
    out.print(
        f"{found.calls} calls through {found.dialplans} dialplans: {found.steps} steps and"
        f" {found.legs} legs to a trunk; {len(found.problems)} wrong"
    )
    confirmed = asyncio.run(confirm(calls, drawn, out.print))
    problems = [*found.problems, *confirmed.problems]
    for problem in problems[:20]:
        out.print(f"  {problem}")
    sys.exit(1 if problems else 0)


@app.command()
def attack(
    *,
    count: Annotated[int, typer.Option(min=1, help="Registrations, and as many calls.")] = 2000,
    seed: Annotated[int | None, typer.Option(help="Repeat the draw of an earlier run.")] = None,
) -> None:
    """Hostile registrations and hostile calls from a registered phone, transfers off and on.

    Exit status 0 only if what reached the carrier equals the ledger's rows and the included, free
    and emergency calls, exactly. Sends traffic to loopback addresses only.
    """
    drawn = secrets.randbelow(10**6) if seed is None else seed
    out.print(f"seed {drawn}")
    wrong = 0
    for allow_transfer in (False, True):
        plan = AttackPlan(
            registrations=count, invites=count, allow_transfer=allow_transfer, seed=drawn
        )
        wrong += _report_attack(asyncio.run(run_attack(plan, out.print)))
    sys.exit(1 if wrong else 0)


@app.callback()
def trials() -> None:
    """Longer trials of the whole thing."""


def _report(outcome: Outcome) -> int:
    verdict = outcome.verdict
    out.print(
        f"{outcome.plan.what} on {outcome.plan.database}: {outcome.placed} calls placed,"
        f" {verdict.answered} answered,"
        f" {verdict.unanswered} not; broken {outcome.broken} times;"
        f" {verdict.increments} increments debited; {verdict.ended_at_paid_time} ended when their"
        f" paid time was over; {verdict.unproved} marked; {verdict.unheard} prompts unheard;"
        f" the longest silence {verdict.longest_silence_s:.1f} s; {len(outcome.problems)} wrong;"
        f" {outcome.seconds:.0f} s"
    )
    for problem in outcome.problems[:20]:
        out.print(f"  {problem}")
    return len(outcome.problems)


def _report_attack(outcome: AttackOutcome) -> int:
    plan = outcome.plan
    reached = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.reached.items()))
    out.print(
        f"transfers {'on' if plan.allow_transfer else 'off'}: {plan.registrations} registrations,"
        f" {outcome.registered} taken; {plan.invites} calls, of which reached the carrier:"
        f" {reached or 'none'}; {outcome.referrals.total()} requests to transfer;"
        f" {len(outcome.problems)} wrong"
    )
    for problem in outcome.problems[:20]:
        out.print(f"  {problem}")
    return len(outcome.problems)


def _report_soak(outcome: SoakOutcome) -> None:
    verdict = outcome.verdict
    out.print(
        f"{outcome.placed} calls placed, {verdict.answered} answered, {verdict.unanswered} not,"
        f" {outcome.failed} failed; {verdict.increments} increments debited;"
        f" {outcome.channels_left} channels left; {len(outcome.problems)} wrong;"
        f" {outcome.seconds:.0f} s"
    )
    for problem in outcome.problems[:20]:
        out.print(f"  {problem}")


if __name__ == "__main__":
    app()
