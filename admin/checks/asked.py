"""For checks that ask the running Asterisk."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import wraps

from admin.checks.ami import AmiError
from admin.checks.asterisk import AriError
from admin.checks.findings import Check, Finding
from admin.checks.running import Running, running_asterisk
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


class Reading:
    """What the running Asterisk says of itself: asked once, by whichever check comes first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one_asks = threading.Lock()
        self._told: Future[Running] = Future()

    def __call__(self) -> Running:
        """Raises AmiError, AriError, OfficesError, PlanFileError: for each who wants to know."""
        with self._one_asks:
            if not self._told.done():
                self._ask()
        return self._told.result()

    def _ask(self) -> None:
        try:
            self._told.set_result(asyncio.run(running_asterisk(self._settings)))
        except Exception as error:  # noqa: BLE001 - raised again where it is asked for
            self._told.set_exception(error)


@dataclass(frozen=True, slots=True)
class OfRunning:
    """A check that judges such a reading: one of its own, or one that it shares with others."""

    judge: Callable[[Settings, Running], Iterable[Finding]]

    def __call__(self, settings: Settings) -> Iterable[Finding]:
        """By a reading of its own, as any check."""
        return self.of(settings, Reading(settings))

    def of(self, settings: Settings, reading: Reading) -> Iterable[Finding]:
        """Nothing where Asterisk cannot be asked, as every check that asks it."""
        return asks_asterisk(lambda asked: self.judge(asked, reading()))(settings)
