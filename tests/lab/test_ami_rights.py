"""What the application's AMI user may do, and what it may not."""

import asyncio
from collections.abc import Callable

import pytest

from lab.office import Office

pytestmark = pytest.mark.live

MakeOffice = Callable[..., Office]


class Ami:
    """As little of AMI as these tests need."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.events: list[str] = []

    @classmethod
    async def log_in(cls, office: Office, *, secret: str) -> "Ami":
        config = office.config
        streams = await asyncio.open_connection(config.control_address, config.ami_port)
        ami = cls(*streams)
        await ami._reader.readline()
        await ami.ask("Login", Username=config.secrets.ami_username, Secret=secret)
        return ami

    async def ask(self, action: str, **fields: str) -> str:
        lines = [f"Action: {action}", *(f"{name}: {value}" for name, value in fields.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(5):
            while True:
                message = (await self._reader.readuntil(b"\r\n\r\n")).decode()
                if message.startswith("Response:"):
                    return message
                self.events.append(message)

    def close(self) -> None:
        self._writer.close()


async def test_ami_lets_nobody_in_without_the_secret(make_office: MakeOffice) -> None:
    async with make_office() as office:
        ami = await Ami.log_in(office, secret="guessed")  # noqa: S106 - it is not one
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ami.ask("CoreShowChannels")
        ami.close()


async def test_the_application_may_time_a_leg_and_list_channels_and_little_else(
    make_office: MakeOffice,
) -> None:
    async with make_office() as office, office.phone("1001") as phone:
        ami = await Ami.log_in(office, secret=office.config.secrets.ami_password)
        await phone.dial("112")
        await phone.wait_for("CALL_ESTABLISHED")
        listing = await office.asterisk.cli("core show channels concise")
        leg = next(line.split("!")[0] for line in listing.splitlines() if "trunk" in line)

        assert "will follow" in await ami.ask("CoreShowChannels")
        assert "Success" in await ami.ask("Setvar", Channel=leg, Variable="X", Value="1")
        for action, fields in (
            ("Command", {"Command": "core stop now"}),
            ("Originate", {"Channel": "PJSIP/0033@trunk", "Application": "Wait", "Data": "9"}),
            ("GetConfig", {"Filename": "pjsip.conf"}),
            ("UpdateConfig", {"SrcFilename": "pjsip.conf", "DstFilename": "pjsip.conf"}),
            ("ModuleLoad", {"LoadType": "reload"}),
        ):
            assert "Permission denied" in await ami.ask(action, **fields), action

        assert "Success" in await ami.ask("AbsoluteTimeout", Channel=leg, Timeout="1.5")
        call = await office.carrier.wait_for(lambda call: call.ended)
        ami.close()
    assert call.ended_by == "office"
    assert not any("Event: Dial" in event for event in ami.events)
