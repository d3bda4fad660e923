"""`tollgate settings`: whether the settings file can be used, by whoever reads which part."""

from pathlib import Path
from typing import Annotated

import typer

from admin.context import AsJson
from admin.output import print_json, say
from settings import problems_of, settings_file

app = typer.Typer(no_args_is_help=True, help="Look at the settings file.")


@app.callback()
def settings() -> None:
    """Look at the settings file."""


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The file to look at, where not the usual one.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with the settings; exit status 1 if something is.

    A process that does not need the section with the mistake runs all the same.
    """
    found = problems_of(file)
    if as_json:
        print_json({"ok": not found, "problems": list(found)})
    else:
        for problem in found:
            say(problem)
        if not found:
            say(f"{file or settings_file() or 'the environment'}: nothing is wrong")
    if found:
        raise typer.Exit(1)
