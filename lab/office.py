"""A whole office in a folder: one Asterisk, its carrier, and as many desk phones as are wanted."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from dialplan.phones import Phone as PhoneEntry
from dialplan.phones import load_phones
from dialplan.render import AsteriskConfig
from lab.addresses import AddressBlock, Addresses
from lab.carrier import ANSWERS, Behaviour, Carrier, Rule
from lab.instance import Instance, asterisk_config
from lab.lifecycle import Runnable
from lab.phone import CODECS, Phone
from lab.raw_phone import PATIENCE_S, RawPhone
from telephony.tools import Telephony


class Office(Runnable):
    """`async with Office(telephony, folder, …) as office:` runs it; nothing outlives the block."""

    def __init__(  # noqa: PLR0913 - each is one setting, given by name
        self,
        telephony: Telephony,
        folder: Path,
        *,
        sounds: Path,
        emergency_numbers: Sequence[str] = ("112", "999"),
        phones: Sequence[PhoneEntry] | None = None,
        rules: Sequence[Rule] = (),
        default: Behaviour = ANSWERS,
        media: bool = True,
        adapt: Callable[[AsteriskConfig], AsteriskConfig] = lambda config: config,
        addresses: Addresses | None = None,
    ) -> None:
        """`adapt` may change any field of the configuration, with `dataclasses.replace`.

        `media` False: nobody sends sound, many calls have room, and silence ends none of them.
        `addresses` None: a block of its own, so that any number of offices run side by side.
        """
        self.telephony = telephony
        self.folder = folder
        self.addresses = addresses or AddressBlock()
        self.carrier = Carrier(
            telephony,
            folder / "carrier",
            address=self.addresses.carrier,
            rules=rules,
            default=default,
            media=media,
        )
        config = asterisk_config(
            folder / "asterisk",
            telephony,
            sip_address=self.addresses.asterisk,
            trunk=self.carrier.trunk,
            phones=load_phones() if phones is None else phones,
            emergency_numbers=emergency_numbers,
        )
        self.config = adapt(config if media else for_silent_calls(config))
        self.asterisk = Instance(self.config, telephony, sounds=sounds)
        self._running = AsyncExitStack()
        self._phones_made = 0

    async def start(self) -> None:
        self._running.callback(self.addresses.release)
        try:
            await self._running.enter_async_context(self.carrier)
            # Killed in the end, not stopped: it saves a second, and a laboratory owes no farewell.
            self._running.push_async_callback(self.asterisk.kill)
            await self.asterisk.start()
        except BaseException:
            await self._running.aclose()
            raise

    async def stop(self) -> None:
        await self._running.aclose()

    def phone(
        self, extension: str, *, answers: bool = True, codecs: Sequence[str] = CODECS
    ) -> Phone:
        """A desk phone, still to be switched on: `async with office.phone("1001") as phone:`."""
        self._phones_made += 1
        return Phone(
            self.telephony,
            self.folder / f"phone-{extension}-{self._phones_made}",
            extension=extension,
            password=self.config.secrets.phones[extension],
            address=self.addresses.next(),
            server=self.config.sip_address,
            server_port=self.config.sip_port,
            answers=answers,
            codecs=codecs,
        )

    def raw_phone(self, extension: str, *, silence_s: float = PATIENCE_S) -> RawPhone:
        """The same phone in the hands of somebody who sends what they like, not registered."""
        return RawPhone(
            extension=extension,
            password=self.config.secrets.phones[extension],
            address=self.addresses.next(),
            server=(self.config.sip_address, self.config.sip_port),
            silence_s=silence_s,
        )


def rerouted(config: AsteriskConfig, **changes: Any) -> AsteriskConfig:
    """With other routes for every office: see dialplan.office_routes.OfficeRoutes."""
    return replace(config, offices=tuple(replace(each, **changes) for each in config.offices))


def for_silent_calls(config: AsteriskConfig) -> AsteriskConfig:
    """Callers that send no sound must not be taken for phones that lost their power."""
    return replace(
        config,
        trunk=replace(config.trunk, rtp_timeout_s=0),
        phone_rtp_timeout_s=0,
        rtp_last_port=19999,
    )
