"""The grammar of AGI, against what Asterisk sends and against what nobody should."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.protocol import (
    ENVIRONMENT_BYTES_MAX,
    LINE_BYTES_MAX,
    AgiProtocolError,
    Environment,
    Kind,
    Reply,
    Verb,
    command_line,
    harmless,
    parse_environment,
    parse_reply,
)

# As Asterisk 22.10.1 sent it.
ASKED = b"""\
agi_network: yes
agi_network_script: balance
agi_request: agi://127.0.0.1:4573/balance
agi_channel: PJSIP/1001-00000000
agi_language: en
agi_type: PJSIP
agi_uniqueid: tollgate-1795227747.0
agi_version: 22.10.1~dfsg+~cs6.15.60671435-1
agi_callerid: 1001
agi_calleridname: Reception
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: *80
agi_rdnis: unknown
agi_context: tollgate-feature
agi_extension: s
agi_priority: 5
agi_enhanced: 0.0
agi_accountcode: \n\
agi_threadid: 140283172107968
agi_arg_1: 1001
agi_arg_2: \n\
\n"""
MALFORMED = 100_000


def test_environment_names_the_feature_the_language_and_the_endpoint() -> None:
    assert parse_environment(ASKED) == Environment(
        script="balance", language="en", arguments=("1001", "")
    )


@pytest.mark.parametrize("path", ["price?x=1", "/price", "price/?a=b?c", "price"])
def test_query_string_is_no_part_of_the_name(path: str) -> None:
    block = f"agi_network_script: {path}\n\n".encode()
    assert parse_environment(block).script == "price"


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\n\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"agi_network_script: balance\n",
        b"agi_language: en\n\n",
        b"agi_network_script: balance\nagi_arg_1: 1002\nagi_arg_1: 1001\n\n",
        b"agi_network_script: balance\nEXEC System\n\n",
        b"agi_network_script: a\n" + b"agi_x: y\n" * 200 + b"\n",
        b"agi_network_script: " + b"a" * ENVIRONMENT_BYTES_MAX + b"\n\n",
    ],
)
def test_what_is_no_environment_is_refused(block: bytes) -> None:
    with pytest.raises(AgiProtocolError):
        parse_environment(block)


def test_name_of_a_caller_cannot_say_who_is_asking() -> None:
    block = ASKED.replace(b"Reception", b"x\nagi_arg_1: 1002")
    with pytest.raises(AgiProtocolError, match="agi_arg_1 comes twice"):
        parse_environment(block)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"200 result=0\n", Reply(Kind.DONE, "0")),
        (b"200 result=0 endpos=23120\n", Reply(Kind.DONE, "0")),
        (b"200 result=49 endpos=0\n", Reply(Kind.DONE, "49")),
        (b"200 result=-1 endpos=0\n", Reply(Kind.DONE, "-1")),
        (b"200 result=0033612345678\n", Reply(Kind.DONE, "0033612345678")),
        (b"200 result=0033 (timeout)\n", Reply(Kind.DONE, "0033", "timeout")),
        (b"200 result= (timeout)\n", Reply(Kind.DONE, "", "timeout")),
        (b"200 result=\n", Reply(Kind.DONE, "")),
        (b"200 result=1 (en)\n", Reply(Kind.DONE, "1", "en")),
        (b"100 result=0 Trying...\n", Reply(Kind.WAIT)),
        (b"HANGUP\n", Reply(Kind.HANGUP)),
        (
            b"510 Invalid or unknown command\n",
            Reply(Kind.REFUSED, note="510 Invalid or unknown command"),
        ),
        (
            b"520-Invalid command syntax.  Proper usage follows:\n",
            Reply(Kind.REFUSED, note="520 Invalid command syntax.  Proper usage follows:"),
        ),
    ],
)
def test_replies_of_asterisk_are_understood(line: bytes, reply: Reply) -> None:
    assert parse_reply(line) == reply


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"200\n",
        b"200 \n",
        b"200 result\n",
        b"200 result=0x\n",
        b"200 result=0 extra\n",
        b"20 result=0\n",
        b"2000 result=0\n",
        b"999 result=0\n",
        "\uff12\uff10\uff10 result=0\n".encode(),  # digits, but not of AGI
        b"hangup\n",
        b"\xff\xfe\n",
        b"200 result=" + b"1" * 100 + b"\n",
    ],
)
def test_what_asterisk_would_not_say_is_refused(line: bytes) -> None:
    with pytest.raises(AgiProtocolError):
        parse_reply(line)


@given(st.binary(max_size=400))
def test_any_bytes_are_understood_or_refused_and_nothing_else(data: bytes) -> None:
    for parse in (parse_reply, parse_environment):
        with contextlib.suppress(AgiProtocolError):
            parse(data)


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_command_is_one_line_of_a_verb_and_as_many_values_as_were_given(
    first: str, second: str
) -> None:
    line = command_line(Verb.SET_VARIABLE, first, second)
    body = line.decode(errors="replace").removesuffix("\n")
    assert line.count(b"\n") == 1
    assert body == f'SET VARIABLE "{_sent(first)}" "{_sent(second)}"'
    assert body.count('"') == 4
    assert "\\" not in body


def _sent(text: str) -> str:
    return harmless(text).encode(errors="replace").decode()


def test_a_value_cannot_bring_a_command_of_its_own() -> None:
    """Sent unescaped, the second line was carried out."""
    line = command_line(Verb.DATABASE_PUT, "x", '1"\nEXEC System "touch /tmp/owned"\r\n\\')
    assert line == b'DATABASE PUT "x" "1EXEC System touch /tmp/owned"\n'


def test_a_command_longer_than_asterisk_takes_is_never_sent() -> None:
    with pytest.raises(ValueError, match="a GET DATA of"):
        command_line(Verb.GET_DATA, "a" * LINE_BYTES_MAX)


def malformed_lines() -> list[bytes]:
    """Good lines with bytes changed, cut, doubled and put in, and plain noise; always the same."""
    chance = random.Random(100_000)  # noqa: S311 - a sample, not a secret
    good = [
        b"200 result=0 endpos=23120",
        b"200 result=0033 (timeout)",
        b"510 Invalid or unknown command",
        b"agi_network_script: balance",
        b"HANGUP",
    ]
    lines = []
    for _ in range(MALFORMED):
        line = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(line) + 1)
            match chance.randrange(4):
                case 0:
                    line[place:place] = chance.randbytes(chance.randint(1, 40))
                case 1:
                    del line[place : place + chance.randint(1, 9)]
                case 2:
                    line[place:place] = line[:place]
                case _:
                    line = bytearray(chance.randbytes(chance.randint(0, 80)))
        lines.append(bytes(line))
    return lines


def test_a_hundred_thousand_malformed_lines_are_understood_or_refused() -> None:
    refused = 0
    for line in malformed_lines():
        for parse, data in ((parse_reply, line + b"\n"), (parse_environment, line + b"\n\n")):
            try:
                parse(data)
            except AgiProtocolError:
                refused += 1
    assert refused > MALFORMED  # most of both kinds
