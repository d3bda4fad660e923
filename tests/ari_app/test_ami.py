"""How long Asterisk is told that a leg may last, against an AMI that stands in for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from ari_app.ami import LATE_S, TELLINGS_MAX, Ami
from ari_app.ami_errors import AmiRefusedError, AmiUnavailableError
from ari_app.ami_over_http import AmiOverHttp
from settings import AmiSettings

LEG = "pbx-1.2"
Fields = dict[str, str]


class AmiStandIn:
    """Says yes after `slow_s`; keeps what it was told and when it read it."""

    def __init__(
        self,
        *slow_s: float,
        answers: bool = True,
        response: str = "Success",
        message: str = "No such channel",
        log_ins_unanswered: int = 0,
    ) -> None:
        self._slow_s = list(slow_s)
        self._answers = answers
        self._response = response
        self._message = message
        self._log_ins_unanswered = log_ins_unanswered
        self.says_nothing = False
        self.told: list[tuple[float, Fields]] = []  # of ends
        self.variables: Fields = {}
        self._conversations: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.append(asyncio.create_task(self._converse(reader, writer)))

    @property
    def connections(self) -> int:
        return len(self._conversations)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while block := await reader.readuntil(b"\r\n\r\n"):
                lines = (line.partition(": ") for line in block.decode().splitlines())
                fields = {name: value for name, found, value in lines if found}
                await self._answer(fields, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # the other side has gone
        finally:
            writer.transport.abort()

    async def _answer(self, fields: Fields, writer: asyncio.StreamWriter) -> None:
        response = "Success"
        if fields["Action"] == "Login" and self._log_ins_unanswered:
            self._log_ins_unanswered -= 1
            return
        if fields["Action"] == "Setvar":
            await asyncio.sleep(self._slow_s.pop(0) if self._slow_s else 0)
            self.variables[fields["Variable"]] = fields["Value"]
        if fields["Action"] == "AbsoluteTimeout":
            await asyncio.sleep(self._slow_s.pop(0) if self._slow_s else 0)
            self.told.append((asyncio.get_running_loop().time(), fields))
            response = self._response
            if not self._answers:
                return
        if self.says_nothing:
            return
        writer.write(
            f"Response: {response}\r\nActionID: {fields['ActionID']}\r\n"
            f"Message: {self._message}\r\nTimestamp: 1795656479.5\r\n\r\n".encode()
        )

    async def cut(self) -> None:
        """Close every connection that there is now."""
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def ends_at_s(self) -> float:
        """As Asterisk, which counts from when it reads."""
        read_s, fields = self.told[-1]
        return read_s + float(fields["Timeout"])


@asynccontextmanager
async def connected(
    asterisk: AmiStandIn, *, timeout_s: float = 5, fallback: AmiOverHttp | None = None
) -> AsyncIterator[Ami]:
    server = await asyncio.start_server(asterisk.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    secret = SecretStr("secret")
    settings = AmiSettings(port=port, secret=secret, request_timeout_s=timeout_s)
    ami = Ami(settings, fallback=fallback)
    ami.start()
    try:
        await ami.wait_until_connected()
        yield ami
    finally:
        await ami.close()
        server.close()
        await asterisk.cut()
        await asyncio.sleep(0)  # the transports are gone


async def test_leg_is_let_on_for_what_is_left_when_it_is_told() -> None:
    asterisk = AmiStandIn()
    async with connected(asterisk) as ami:
        at_s = asyncio.get_running_loop().time() + 60
        await ami.end_at(LEG, at_s=at_s)
        assert at_s - 5 < asterisk.ends_at_s() <= at_s + LATE_S


@pytest.mark.parametrize("slow_s", [(0.5,), (0.5, 0.5), (0.3, 0.6, 0.6)])
async def test_leg_whose_time_was_read_late_is_told_again_and_ends_no_later(
    slow_s: tuple[float, ...],
) -> None:
    asterisk = AmiStandIn(*slow_s)
    async with connected(asterisk) as ami:
        at_s = asyncio.get_running_loop().time() + 60
        await ami.end_at(LEG, at_s=at_s)
        assert len(asterisk.told) > 1
        assert asterisk.ends_at_s() <= at_s + LATE_S


class HttpFallback(AmiOverHttp):
    """Reaches the same Asterisk without delay."""

    def __init__(self, asterisk: AmiStandIn) -> None:
        self._asterisk = asterisk

    async def act(self, action: str, **fields: str) -> None:
        if action == "Setvar":
            self._asterisk.variables[fields["Variable"]] = fields["Value"]
        else:
            self._asterisk.told.append((asyncio.get_running_loop().time(), fields))


async def test_late_answer_of_the_connection_does_not_undo_what_was_told_since() -> None:
    asterisk = AmiStandIn(1.2, 0.4)
    async with connected(asterisk, fallback=HttpFallback(asterisk)) as ami:
        first_s = asyncio.get_running_loop().time() + 60
        await ami.end_at(LEG, at_s=first_s)  # over HTTP; the connection has not answered yet
        await ami.end_at(LEG, at_s=first_s + 60)
        await asyncio.gather(*ami._late)  # noqa: SLF001 - what still waits for the connection
        assert len(asterisk.told) > 3
        assert first_s + 60 - LATE_S <= asterisk.ends_at_s() <= first_s + 60 + LATE_S


async def test_call_does_not_wait_for_a_variable_as_long_as_for_a_connection_that_is_away() -> None:
    """Its next increment may be due meanwhile."""
    asterisk = AmiStandIn(30.0)
    async with (
        connected(asterisk, timeout_s=60, fallback=HttpFallback(asterisk)) as ami,
        asyncio.timeout(5),
    ):
        await ami.set_variable(LEG, name="TOLLGATE_PAID_MS", value="60000")
        assert asterisk.variables == {"TOLLGATE_PAID_MS": "60000"}


@pytest.mark.parametrize("slow_s", [(0.5,), (0.3, 0.6, 0.6), (0.2, 0.4, 0.2, 0.4)])
async def test_leg_is_not_ended_early_for_having_been_told_of_slowly(
    slow_s: tuple[float, ...],
) -> None:
    asterisk = AmiStandIn(*slow_s)
    async with connected(asterisk) as ami:
        at_s = asyncio.get_running_loop().time() + 60
        await ami.end_at(LEG, at_s=at_s)
        assert at_s - LATE_S <= asterisk.ends_at_s() <= at_s + LATE_S


@pytest.mark.parametrize("slow_s", [(0.8,), (0.5, 0.5), (0.6, 0.3)])
async def test_leg_of_which_a_stall_let_nothing_be_told_lives_until_it_is_told_again(
    slow_s: tuple[float, ...],
) -> None:
    """What is left is less than the stall took, which need not come twice."""
    asterisk = AmiStandIn(*slow_s)
    async with connected(asterisk) as ami:
        at_s = asyncio.get_running_loop().time() + 1.4
        await ami.end_at(LEG, at_s=at_s)
    ends_s = [read_s + float(fields["Timeout"]) for read_s, fields in asterisk.told]
    for end_s, (next_read_s, _) in zip(ends_s, asterisk.told[1:], strict=False):
        assert end_s > next_read_s + LATE_S
    assert at_s - LATE_S <= ends_s[-1] <= at_s + LATE_S


async def test_time_that_could_not_be_told_well_is_told_again_by_whoever_wanted_it() -> None:
    asterisk = AmiStandIn(*[0.3, 0.9] * TELLINGS_MAX)  # never twice the same
    async with connected(asterisk) as ami:
        with pytest.raises(AmiUnavailableError, match="slow"):
            await ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60)
        assert asterisk.connections == 1


async def test_time_that_has_passed_is_told_as_the_shortest_there_is() -> None:
    asterisk = AmiStandIn()
    async with connected(asterisk) as ami:
        await ami.end_at(LEG, at_s=asyncio.get_running_loop().time() - 5)
        assert asterisk.told[0][1]["Timeout"] == "0.001"


async def test_connection_on_which_a_time_may_still_be_on_its_way_is_given_up() -> None:
    asterisk = AmiStandIn(answers=False)
    async with connected(asterisk, timeout_s=0.2) as ami:
        with pytest.raises(AmiUnavailableError):
            await ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60)
        await ami.wait_for_new_connection()  # the first
        await ami.wait_for_new_connection()
        assert asterisk.connections == 2


async def test_time_that_the_socket_does_not_take_is_not_left_waiting_in_it() -> None:
    """As where Asterisk stands still, and what was written for it fills every buffer."""
    asterisk = AmiStandIn(30.0)
    async with connected(asterisk) as ami:
        first = asyncio.create_task(ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60))
        await until(lambda: filled(ami), turns=20_000)
        with pytest.raises(AmiUnavailableError):
            await ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_leg_that_is_gone_is_refused_and_the_connection_kept() -> None:
    asterisk = AmiStandIn(response="Error")
    async with connected(asterisk) as ami:
        with pytest.raises(AmiRefusedError):
            await ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60)
        assert asterisk.connections == 1


@pytest.mark.parametrize("message", ["Permission denied", "Authentication Required"])
async def test_leg_of_which_asterisk_may_not_be_told_is_not_taken_for_one_that_is_gone(
    message: str,
) -> None:
    asterisk = AmiStandIn(response="Error", message=message)
    async with connected(asterisk) as ami:
        with pytest.raises(AmiUnavailableError, match=message):
            await ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60)
        assert asterisk.connections == 1


async def test_what_was_asked_over_a_lost_connection_is_not_waited_for() -> None:
    """Nor is its time limit the end of the connection that was made since."""
    asterisk = AmiStandIn(30.0)
    async with connected(asterisk, timeout_s=60) as ami, asyncio.timeout(5):
        asking = asyncio.create_task(ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60))
        await ami.wait_for_new_connection()
        assert await ami.time_ms() == 1795656479500
        await asterisk.cut()
        with pytest.raises(AmiUnavailableError, match="lost"):
            await asking
        await ami.wait_for_new_connection()
        assert await ami.time_ms() == 1795656479500
        assert asterisk.connections == 2


async def test_new_connection_is_told_of_though_it_came_while_nobody_waited_for_one() -> None:
    asterisk = AmiStandIn()
    async with connected(asterisk) as ami, asyncio.timeout(5):
        await ami.wait_for_new_connection()
        await asterisk.cut()
        await until(lambda: seen_again(asterisk, ami), turns=20_000)
        await ami.wait_for_new_connection()


async def test_connection_whose_login_is_not_answered_is_given_up() -> None:
    asterisk = AmiStandIn(log_ins_unanswered=1)
    async with asyncio.timeout(10), connected(asterisk, timeout_s=0.2):
        assert asterisk.connections == 2


async def test_connection_that_does_not_say_what_time_it_is_is_given_up() -> None:
    asterisk = AmiStandIn()
    async with connected(asterisk, timeout_s=0.2) as ami, asyncio.timeout(10):
        await ami.wait_for_new_connection()
        asterisk.says_nothing = True
        with pytest.raises(AmiUnavailableError):
            await ami.time_ms()
        asterisk.says_nothing = False
        await ami.wait_for_new_connection()


async def test_nothing_waits_for_the_connection_after_it_was_closed() -> None:
    asterisk = AmiStandIn(30.0)
    http = HttpFallback(asterisk)
    async with connected(asterisk, fallback=http) as ami:
        await ami.end_at(LEG, at_s=asyncio.get_running_loop().time() + 60)
        (late,) = ami._late  # noqa: SLF001 - what still waits for the connection
    assert late.cancelled()


async def filled(ami: Ami) -> bool:
    """Write, until something has to wait."""
    transport = ami._manager.protocol.transport  # noqa: SLF001 - what the rule is about
    transport.write(b"X-Filler: x\r\n" * 1000)
    await asyncio.sleep(0)
    return bool(transport.get_write_buffer_size())


async def seen_again(asterisk: AmiStandIn, ami: Ami) -> bool:
    await asyncio.sleep(0.001)
    await ami.wait_until_connected()
    return asterisk.connections == 2


async def until(happened: Callable[[], Awaitable[bool]], *, turns: int) -> None:
    for _ in range(turns):
        if await happened():
            return
    raise AssertionError("it never happened")
