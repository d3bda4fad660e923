"""Asterisk's log of legs: what a call is charged by that ended while the application was away."""

from collections.abc import Iterator

from admin.checks.findings import Finding, ok, problem, warning
from dialplan.render import TEMPLATES
from settings import Settings

CONFIGURE = f"cel.conf and cel_custom.conf of Asterisk as in {TEMPLATES}"


def check_leg_log(settings: Settings) -> Iterator[Finding]:
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
