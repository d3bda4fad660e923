"""`tollgate health`: whether the programs that run can work, also by exit status."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from admin.context import AsJson, command, fail
from admin.output import print_json, say
from assembly.health import Health, NoAnswerError, ask
from settings import SharedSections

app = typer.Typer()

PROGRAMS = ("ari_app", "agi", "payments", "portal")

Answers = Mapping[str, Health | NoAnswerError]


@app.command()
def health(
    programs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PROGRAM]...", help=f"Of {', '.join(PROGRAMS)}; else all."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask the programs of these settings, over a socket of this machine, whether they can work.

    Each answers root and the user who runs it. Exit status 0 if all of them are
    well, else 1: what a container's health check and a monitor want.
    """
    wanted = programs or PROGRAMS
    for unknown in set(wanted) - set(PROGRAMS):
        fail(f"there is no program {unknown}: {', '.join(PROGRAMS)}")
    with command() as context:
        answers = asyncio.run(ask_all(wanted, context.settings))
    if as_json:
        print_json({"well": are_well(answers), "programs": dict(map(_as_fields, answers.items()))})
    else:
        for name, answer in answers.items():
            say(f"{name}: {told(answer)}")
    if not are_well(answers):
        raise typer.Exit(1)


async def ask_all(programs: Sequence[str], settings: SharedSections) -> Answers:
    asked = await asyncio.gather(*(_ask(program, settings) for program in programs))
    return dict(zip(programs, asked, strict=True))


async def _ask(program: str, settings: SharedSections) -> Health | NoAnswerError:
    try:
        return await ask(program, settings)
    except NoAnswerError as error:
        return error


def are_well(answers: Answers) -> bool:
    return all(isinstance(each, Health) and not each.problems for each in answers.values())


def told(answer: Health | NoAnswerError) -> str:
    if isinstance(answer, NoAnswerError):
        return str(answer)
    if not answer.problems:
        return f"well, run by {answer.user}"
    return "; ".join(f"{about}: {problem}" for about, problem in answer.problems.items())


def _as_fields(named: tuple[str, Health | NoAnswerError]) -> tuple[str, Mapping[str, Any]]:
    name, answer = named
    if isinstance(answer, NoAnswerError):
        return name, {"well": False, "problems": {"program": str(answer)}}
    return name, {
        "well": not answer.problems,
        "pid": answer.pid,
        "user": answer.user,
        "problems": dict(answer.problems),
    }
