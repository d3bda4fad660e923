"""`python -m studio`: record the voice that comes with Tollgate, and judge it by ear."""

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from assembly.task_errors import raised_alone
from charging.language import LANGUAGES
from prompts.errors import PromptError
from prompts.pack import write_pack
from studio.ear import Ear
from studio.hearing import Plan, problems, run
from studio.line import CODECS
from studio.phones import SoundLostError
from studio.recorders import RECORDERS, recorder
from telephony.tools import cache_folder

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
out = Console(highlight=False, soft_wrap=True)


@app.command()
def record(
    *,
    language: Annotated[list[str] | None, typer.Option(help="en or fr; else both.")] = None,
    voice: Annotated[
        str | None, typer.Option(help=f"Another voice: {' or '.join(RECORDERS)}.")
    ] = None,
) -> None:
    """Record what the voice pack lacks, in its own voice, and write the pack anew.

    Nothing is done where it speaks the present texts. Interrupted, it goes on where it was.
    """
    for each in language or LANGUAGES:
        try:
            engine = recorder(each) if voice is None else RECORDERS[voice]()
            recorded = cache_folder() / "recorded"
            written = write_pack(engine, each, recorded, on_progress=_tell(each))
        except PromptError as error:
            out.print(f"{each}: {error}", markup=False)
            sys.exit(1)
        out.print(f"{each}: {', '.join(written) or 'nothing'} recorded anew")


@app.command()
def hearing(  # noqa: PLR0913 - one for each option of the command
    *,
    amounts: Annotated[int, typer.Option(min=1, help="Drawn for each language.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    language: Annotated[list[str] | None, typer.Option(help="en or fr; else both.")] = None,
    codec: Annotated[list[str] | None, typer.Option(help="G.722 or A-law; else both.")] = None,
    fixed: Annotated[
        bool, typer.Option(help="Every sentence that is always the same, too.")
    ] = True,
    phones: Annotated[
        bool, typer.Option(help="Else the codecs in software: quick, without Asterisk.")
    ] = True,
    whole: Annotated[
        int, typer.Option(min=0, help="Of the amounts, also spoken in one go by a neural voice.")
    ] = 25,
) -> None:
    """Phones hear the voice pack; an ear without a word list writes down what it takes it for.

    Exit status 0 only if as much is understood as must be. A second of work for each sentence,
    once: what was heard is kept. Sends traffic to loopback addresses only.
    """
    plan = Plan(
        amounts=amounts,
        seed=seed,
        languages=language or LANGUAGES,
        codecs=codec or tuple(CODECS),
        fixed=fixed,
        phones=phones,
        whole=whole,
    )
    try:
        with raised_alone(SoundLostError):
            scores = asyncio.run(run(plan, Ear(), out.print))
    except SoundLostError as lost:
        out.print(f"{lost}; this wants a machine with nothing else to do", markup=False)
        sys.exit(1)
    for score in scores:
        for words, written in score.misheard:
            out.print(f"{score.language}, {score.codec}: {words!r}: {written!r}", markup=False)
    found = problems(scores)
    for problem in found:
        out.print(problem, markup=False)
    sys.exit(1 if found else 0)


def _tell(language: str) -> Callable[[int, int], None]:
    def tell(ready: int, total: int) -> None:
        if ready % 25 == 0 or ready == total:
            out.print(f"{language}: {ready} of {total} sounds")

    return tell


if __name__ == "__main__":
    app()
