"""What an administrator may do to a running Asterisk: their own AMI user, their own dialplan."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.paid_office import PaidOffice
from lab.patience import patience

ADMIN = """
[admin]
secret = {secret}
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.0/255.0.0.0
write = call,reporting
"""


class Ami:
    """As little of AMI as these tests need."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, action: str, **fields: str) -> dict[str, str]:
        lines = [f"Action: {action}", *(f"{name}: {value}" for name, value in fields.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with patience(5):
            while True:
                message = (await self._reader.readuntil(b"\r\n\r\n")).decode()
                if message.startswith("Response:"):
                    return dict(
                        line.split(": ", 1) for line in message.splitlines() if ": " in line
                    )

    async def variable(self, channel: str, name: str) -> str:
        return (await self.ask("Getvar", Channel=channel, Variable=name))["Value"]


@asynccontextmanager
async def administrator(paid: PaidOffice) -> AsyncIterator[Ami]:
    """Somebody with an AMI user of their own, beside the application's."""
    config = paid.office.config
    secret = config.secrets.ami_password[::-1]
    manager = config.folder / "etc/manager.conf"
    manager.write_text(manager.read_text() + ADMIN.format(secret=secret), encoding="utf-8")
    await paid.office.asterisk.cli("manager reload")
    reader, writer = await asyncio.open_connection(config.control_address, config.ami_port)
    try:
        await reader.readline()
        ami = Ami(reader, writer)
        assert (await ami.ask("Login", Username="admin", Secret=secret))["Response"] == "Success"
        yield ami
    finally:
        writer.close()


async def edit_dialplan(paid: PaidOffice, before: str, after: str) -> None:
    """Change the rendered dialplan, as its owner may, and have Asterisk read it again."""
    file = paid.office.config.folder / "etc/extensions.conf"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    await paid.office.asterisk.cli("dialplan reload")


async def add_dialplan(paid: PaidOffice, text: str) -> None:
    """Write contexts of one's own under the rendered ones; a context's second half adds to it."""
    file = paid.office.config.folder / "etc/extensions.conf"
    rendered = file.read_text(encoding="utf-8")
    file.write_text(rendered + text.replace("\n[office]\n", "\n[office](+)\n"), encoding="utf-8")
    await paid.office.asterisk.cli("dialplan reload")


async def channels(paid: PaidOffice) -> dict[str, str]:
    """Every live channel's application, by the channel's name."""
    listed = await paid.office.asterisk.cli("core show channels concise")
    fields = [line.split("!") for line in listed.splitlines() if "!" in line]
    return {field[0]: field[5] for field in fields}


async def carrier_leg(paid: PaidOffice) -> str:
    """The name of the one channel to the carrier."""
    (leg,) = [name for name in await channels(paid) if name.startswith("PJSIP/trunk-")]
    return leg


async def caller_leg(paid: PaidOffice, extension: str = "1001") -> str:
    (leg,) = [name for name in await channels(paid) if name.startswith(f"PJSIP/{extension}-")]
    return leg
