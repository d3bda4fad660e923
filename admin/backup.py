"""`tollgate backup`: a copy of the ledger and its site that was proved; and proving it again."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from admin.context import AsJson, command, fail
from admin.default_command import WithDefault
from admin.output import print_json, say
from backups import BackupError, Made, take
from backups.checking import check as check_backup
from backups.manifest import Manifest

MAKE: Final = "make"
MIB: Final = 1024 * 1024


class _MakesUnlessTold(WithDefault):
    """`tollgate backup PLACE` makes one, and so does `tollgate backup`."""

    invoked_by_itself = MAKE
    without_arguments = True


app = typer.Typer(
    cls=_MakesUnlessTold,
    help="Copy the ledger while calls go on, prove the copy, and keep it with the site's files.",
)

Place = Annotated[
    Path | None,
    typer.Argument(
        help="A file that ends with .tar.gz, or a folder; else `backups` by the ledger."
    ),
]


@app.command(MAKE)
def make(
    place: Place = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, help="How many stay in the folder; older ones are removed."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make one; `tollgate backup` alone does the same. Calls go on meanwhile.

    It is done when the copy was proved as `tollgate ledger verify` does, and read again from the
    disk with all its checksums. Only its owner may read it.
    """
    with command() as context:
        try:
            made = take(context.settings, place, keep=keep)
        except BackupError as error:
            fail(f"no backup was made: {error}")
    if as_json:
        print_json({"file": str(made.file), "removed": made.removed, **_fields(made.manifest)})
    else:
        _tell(made)


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The backup.")], *, as_json: AsJson = False
) -> None:
    """Prove a backup again: each checksum, and that its ledger adds up."""
    try:
        checked = check_backup(file)
    except BackupError as error:
        fail(str(error))
    proved = checked.examined is not None
    if as_json:
        print_json({"file": str(file), "proved": proved, **_fields(checked.manifest)})
        return
    say(f"{file}: whole, and {_of(checked.manifest)}")
    if not proved:
        say("its checksums are right; its ledger is proved when it is restored")


def _tell(made: Made) -> None:
    size = made.file.stat().st_size / MIB
    say(f"{made.file}: {size:.1f} MiB, {_of(made.manifest)}")
    for name in made.removed:
        say(f"removed {name}")
    if made.manifest.secrets_left_out:
        say(f"not in it, to be kept elsewhere: {', '.join(made.manifest.secrets_left_out)}")


def _of(manifest: Manifest) -> str:
    marks = manifest.marks
    return (
        f"sound: {marks.accounts} accounts, {marks.entries} entries, {marks.calls} calls,"
        f" as of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    )


def _fields(manifest: Manifest) -> dict[str, Any]:
    told: dict[str, Any] = manifest.model_dump(mode="json")
    return told
