"""For checks that ask the running Asterisk."""

from collections.abc import Iterator
from functools import wraps

from admin.checks.ami import AmiError
from admin.checks.asterisk import AriError
from admin.checks.findings import Check, Finding
from assembly.offices import OfficesError
from dialplan.phones import PhonesError
from plans.files import PlanFileError
from settings import Settings

SAID_BY_OTHERS = (AmiError, AriError, OfficesError, PhonesError, PlanFileError)


def asks_asterisk(check: Check) -> Check:
    """Say nothing where Asterisk cannot be asked: checks of ARI, AMI, phones and plans say why."""

    @wraps(check)
    def asked(settings: Settings) -> Iterator[Finding]:
        if settings.ari is None or settings.ami is None:
            return
        try:
            yield from check(settings)
        except SAID_BY_OTHERS:
            return

    return asked
