"""One caller: what is said to them and what they press, each with a time limit."""

import asyncio
from typing import Final

from agi.errors import CallerLeft, CommandRefused
from agi.protocol import (
    AgiProtocolError,
    Environment,
    Kind,
    Reply,
    Verb,
    command_line,
    parse_reply,
)
from prompts.phrases import Phrase
from prompts.playing import FOLDER

REPLY_TIMEOUT_S: Final = 20  # the longest clip takes 8 s
BETWEEN_DIGITS_MS: Final = 5000
DIGITS_MAX: Final = 24
# Asterisk itself times out between digits; this is for an Asterisk that says nothing any more.
DIGITS_TIMEOUT_S: Final = 60
ANY_KEY: Final = "0123456789*#"
TOLD_VARIABLE: Final = "TOLLGATE_TOLD"
LANGUAGE_FAMILY: Final = "tollgate-language"  # in AstDB; read by dialplan/extensions.conf


class Session:
    """Every method raises CallerLeft, CommandRefused or AgiProtocolError."""

    def __init__(
        self,
        environment: Environment,
        *,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._channel_language = environment.language
        # Chosen by the dialplan, which alone knows the endpoint. Never a caller ID.
        self.endpoint = _argument(environment, 0)
        self.chosen_language = _argument(environment, 1)
        self.language = environment.language
        self.asked_at_s = asyncio.get_running_loop().time()  # since when the peer owes an answer

    async def speak(self, language: str) -> None:
        """Say everything from now on in this language."""
        self.language = language
        if language != self._channel_language:
            await self._ask(Verb.SET_VARIABLE, "CHANNEL(language)", language)
            self._channel_language = language

    async def say(self, phrase: Phrase) -> None:
        """Play the clips; any key skips the rest of them."""
        for clip in phrase.clips:
            reply = await self._ask(Verb.STREAM_FILE, f"{FOLDER}/{clip}", ANY_KEY)
            if reply.value != "0":
                return

    async def ask_for_digits(self, phrase: Phrase) -> str:
        """What the caller keys in after, or into, the last clip; `#` ends it. "" if nothing."""
        *before, last = phrase.clips
        await self.say(Phrase(tuple(before)))
        reply = await self._ask(
            Verb.GET_DATA,
            f"{FOLDER}/{last}",
            BETWEEN_DIGITS_MS,
            DIGITS_MAX,
            timeout_s=DIGITS_TIMEOUT_S,
        )
        return reply.value

    async def done(self) -> None:
        """Tell the dialplan that the caller knows; else it says that nothing is available."""
        await self._ask(Verb.SET_VARIABLE, TOLD_VARIABLE, "yes")

    async def remember_language(self, language: str) -> None:
        """For every later call of this phone, in Asterisk's own database.

        Raises:
            CommandRefused: Asterisk could not store it.
        """
        reply = await self._ask(Verb.DATABASE_PUT, LANGUAGE_FAMILY, self.endpoint, language)
        if reply.value != "1":
            raise CommandRefused("the language could not be stored")

    async def _ask(
        self, verb: Verb, *arguments: str | int, timeout_s: float = REPLY_TIMEOUT_S
    ) -> Reply:
        self.asked_at_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(command_line(verb, *arguments))
                await self._writer.drain()
                reply = await self._reply()
        except TimeoutError:
            raise AgiProtocolError(f"no reply to {verb.value} in {timeout_s} s") from None
        except asyncio.LimitOverrunError:
            raise AgiProtocolError("an AGI reply without an end") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise CallerLeft from None
        if reply.kind is Kind.REFUSED:
            raise CommandRefused(f"{verb.value}: {reply.note}")
        if reply.kind is Kind.HANGUP or reply.value == "-1":
            raise CallerLeft
        return reply

    async def _reply(self) -> Reply:
        reply = parse_reply(await self._reader.readuntil(b"\n"))
        while reply.kind is Kind.WAIT:
            reply = parse_reply(await self._reader.readuntil(b"\n"))
        return reply


def _argument(environment: Environment, index: int) -> str:
    arguments = environment.arguments
    return arguments[index] if index < len(arguments) else ""
