"""One short conversation with AMI: log in, ask, leave.

Without panoramisk, which would go on connecting where nothing answers.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from settings import AmiSettings

BANNER = b"Asterisk Call Manager"
MESSAGES_MAX = 20_000
DIALPLAN_MAX = 500_000  # priorities of a whole dialplan

Message = Mapping[str, str]


class AmiError(Exception):
    """It cannot be reached, or is not AMI; the message says which."""


class AmiRefusedError(AmiError):
    """AMI said no."""


class AmiConversation:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, action: str, **fields: str) -> Message:
        """Raises AmiRefusedError."""
        lines = {"Action": action, **fields}
        if not all(value.isprintable() for value in lines.values()):
            raise AmiRefusedError("a line break cannot be sent")
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._writer.write(f"{text}\r\n".encode())
        await self._writer.drain()
        answer = await self._message()
        if answer.get("Response") != "Success":
            raise AmiRefusedError(answer.get("Message", "no reason given"))
        return answer

    async def dialplan(self, context: str) -> Sequence[Message]:
        """Every priority that a context has now: `Extension`, `Application`, `AppData`."""
        try:
            await self.ask("ShowDialPlan", Context=context)
        except AmiRefusedError as error:
            if "Did not find" in str(error):
                return ()
            raise
        listed = await self._listed(MESSAGES_MAX)
        return [each for each in listed if each.get("Context") == context and "Extension" in each]

    async def whole_dialplan(self) -> Sequence[Message]:
        """Everything that is loaded, in Asterisk's own order: `ListDialplan` events."""
        await self.ask("ShowDialPlan")
        return await self._listed(DIALPLAN_MAX)

    async def _listed(self, most: int) -> Sequence[Message]:
        found: list[Message] = []
        for _ in range(most):
            message = await self._message()
            if message.get("Event") == "ShowDialPlanComplete":
                return found
            found.append(message)
        raise AmiError(f"its dialplan has more than {most} priorities")

    async def _message(self) -> Message:
        block = await self._reader.readuntil(b"\r\n\r\n")
        lines = (line.partition(": ") for line in block.decode(errors="replace").splitlines())
        return {name: value for name, found, value in lines if found}


@asynccontextmanager
async def logged_in(settings: AmiSettings, *, timeout_s: float) -> AsyncIterator[AmiConversation]:
    """A conversation that ends with the block.

    Raises:
        AmiError: it cannot be reached within `timeout_s`, is not AMI, or stopped answering.
        AmiRefusedError: the username or the secret is wrong.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(settings.host, settings.port)
            try:
                if not (await reader.readline()).startswith(BANNER):
                    raise AmiError("what answers is not AMI")
                conversation = AmiConversation(reader, writer)
                secret = settings.secret.get_secret_value()
                await conversation.ask(
                    "Login", Username=settings.username, Secret=secret, Events="off"
                )
                yield conversation
            finally:
                writer.close()
    except TimeoutError as error:
        raise AmiError(f"no answer in {timeout_s} s") from error
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise AmiError(why_lost(error)) from error


def why_lost(error: Exception) -> str:
    """For the admin: the usual reason in words of ours, any other in its own."""
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "nothing listens there"
    return str(error) or type(error).__name__
