"""An office where what a walk says is free is dialled by real phones: the carrier is the judge."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.caller import Calls, place_calls
from lab.carrier import ANSWERS_AT_ONCE
from lab.office import Office
from lab.telephony import find_telephony

TALK_MS = 200
PHONE = """
[{name}](phone)
context = {context}
auth = {name}
aors = {name}
[{name}](phone-auth)
username = {name}
password = {password}
[{name}](phone-aor)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessOffice:
    """A real Asterisk without the application, and a carrier that answers whatever it is told."""

    office: Office
    _password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    _callers: list[str] = field(default_factory=list)

    @property
    def etc(self) -> Path:
        return self.office.config.folder / "etc"

    async def add_phones(self, contexts: Mapping[str, str]) -> None:
        """By their names; each dials in a context of its own."""
        with (self.etc / "pjsip.conf").open("a", encoding="utf-8") as out:
            for name, context in contexts.items():
                out.write(PHONE.format(name=name, context=context, password=self._password))
        await self.office.asterisk.cli("module reload res_pjsip.so")

    async def reached(self, phone: str, dialled: str) -> Sequence[str]:
        """The numbers that the carrier is told when the phone dials this one.

        Raises:
            LabError: the phone could not place the call.
        """
        before = len(self.office.carrier.calls())
        self._callers.append(phone)
        await place_calls(
            self.office.telephony,
            self.office.folder / f"caller-{len(self._callers)}",
            Calls(number=dialled, user=phone, password=self._password, talk_ms=TALK_MS),
            address=self.office.addresses.next(),
            server=self.office.config.sip_address,
        )
        return [call.dialled for call in self.office.carrier.calls()[before:]]


@asynccontextmanager
async def witness_office() -> AsyncIterator[WitnessOffice]:
    with tempfile.TemporaryDirectory() as folder:
        async with Office(
            find_telephony(),
            Path(folder) / "office",
            sounds=Path(folder),
            default=ANSWERS_AT_ONCE,
            media=False,
        ) as office:
            yield WitnessOffice(office=office)
