"""AGI's grammar: what Asterisk sends and what we send back. Pure.

Asterisk opens with a block of `agi_name: value` lines and an empty one; then each command of ours
is one line, and gets one line back:

    200 result=0 endpos=3200        done: 0, the code of a key, digits, or -1 if the caller is gone
    200 result=0033 (timeout)       with a note
    100 Trying...                   wait for the next line
    510, 511, 520                   refused: unknown, not now, wrongly written
    HANGUP                          the caller is gone

Asterisk decodes no escapes and neither do the usual libraries: one quote or line end in a value
would be a command of somebody else's. `command_line` is the one place where values become bytes.

Source: docs.asterisk.org, "Asterisk Gateway Interface"; res/res_agi.c of Asterisk 22.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

END_OF_ENVIRONMENT: Final = b"\n\n"
ENVIRONMENT_BYTES_MAX: Final = 8192  # Asterisk sends about 600
ENVIRONMENT_LINES_MAX: Final = 100
LINE_BYTES_MAX: Final = 2048  # Asterisk's own limit for a command


class AgiProtocolError(Exception):
    """The peer does not speak AGI, or too much of it, or too slowly."""


class Verb(StrEnum):
    """Every command that we ever send."""

    STREAM_FILE = "STREAM FILE"
    GET_DATA = "GET DATA"
    SET_VARIABLE = "SET VARIABLE"
    DATABASE_PUT = "DATABASE PUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Who asks for what: `AGI(agi://127.0.0.1/SCRIPT,ARGUMENT,…)`."""

    script: str
    language: str  # of the channel
    arguments: tuple[str, ...]


class Kind(Enum):
    DONE = "200"
    WAIT = "100"
    REFUSED = "5xx"
    HANGUP = "HANGUP"


@dataclass(frozen=True, slots=True)
class Reply:
    kind: Kind
    value: str = ""
    note: str = ""


_FIELD = re.compile(r"(agi_[a-z0-9_]{1,40}): ?(.*)")
_REPLY = re.compile(r"([0-9]{3})[ -](.*)")
_RESULT = re.compile(r"result=(-?[0-9A-D*#]{0,64})(?: \((.*?)\))?(?: endpos=-?[0-9]+)?")
_HARMFUL = re.compile(r'[\x00-\x1f\x7f-\x9f"\\\u2028\u2029]')


def parse_environment(block: bytes) -> Environment:
    """Read the block that opens a session, its empty line included.

    A name that comes twice is refused: whoever got a line end into a value, such as the name of a
    caller, could otherwise choose the arguments, and so who is asking.

    Raises:
        AgiProtocolError: it is no such block.
    """
    if len(block) > ENVIRONMENT_BYTES_MAX or not block.endswith(END_OF_ENVIRONMENT):
        raise AgiProtocolError("no AGI environment")
    lines = block.removesuffix(END_OF_ENVIRONMENT).split(b"\n")
    if len(lines) > ENVIRONMENT_LINES_MAX:
        raise AgiProtocolError("an AGI environment of too many lines")
    fields: dict[str, str] = {}
    for name, value in map(_field, lines):
        if name in fields:
            raise AgiProtocolError(f"{name} comes twice in an AGI environment")
        fields[name] = value
    if "agi_network_script" not in fields:
        raise AgiProtocolError("an AGI environment that asks for nothing")
    return Environment(
        script=_script(fields["agi_network_script"]),
        language=fields.get("agi_language", ""),
        arguments=tuple(_arguments(fields)),
    )


def parse_reply(line: bytes) -> Reply:
    """Read what Asterisk says to a command.

    Raises:
        AgiProtocolError: Asterisk would not say that.
    """
    text = _text(line.removesuffix(b"\n"))
    if text == "HANGUP":
        return Reply(Kind.HANGUP)
    found = _REPLY.fullmatch(text)
    if found is None:
        raise AgiProtocolError("no AGI reply")
    code, said = found.groups()
    match code:
        case "100":
            return Reply(Kind.WAIT)
        case "200":
            return _done(said)
        case "510" | "511" | "520":
            return Reply(Kind.REFUSED, note=f"{code} {said}")
        case _:
            raise AgiProtocolError(f"an AGI reply of unknown code {code}")


def command_line(verb: Verb, *arguments: str | int) -> bytes:
    """One command with its line end. Whatever could end a value or the line is left out.

    Raises:
        ValueError: it is longer than Asterisk takes.
    """
    quoted = (f'"{harmless(str(argument))}"' for argument in arguments)
    line = " ".join((verb.value, *quoted)).encode(errors="replace") + b"\n"
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"a {verb.value} of {len(line)} bytes")
    return line


def harmless(text: str) -> str:
    """The text without control characters, quotes and backslashes."""
    return _HARMFUL.sub("", text)


def _field(line: bytes) -> tuple[str, str]:
    found = _FIELD.fullmatch(_text(line))
    if found is None:
        raise AgiProtocolError("a line in an AGI environment that is none of it")
    return found[1], found[2]


def _script(path: str) -> str:
    """`balance` of `/balance?anything=1`."""
    return path.partition("?")[0].strip("/")


def _arguments(fields: dict[str, str]) -> Iterator[str]:
    """agi_arg_1, agi_arg_2 …, up to the first that is missing."""
    for count in range(1, ENVIRONMENT_LINES_MAX):
        value = fields.get(f"agi_arg_{count}")
        if value is None:
            return
        yield value


def _done(said: str) -> Reply:
    found = _RESULT.fullmatch(said)
    if found is None:
        raise AgiProtocolError("an AGI reply without a result")
    return Reply(Kind.DONE, value=found[1], note=found[2] or "")


def _text(line: bytes) -> str:
    """Caller names come in every encoding, and none of them decides anything here."""
    return line.decode(errors="replace")
