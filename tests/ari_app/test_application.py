"""The connections to Asterisk: made, watched, made again, and left to another application."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from ari_app import application
from ari_app.ami import Ami
from ari_app.ami_errors import AmiRefusedError, AmiUnavailableError
from ari_app.application import Application
from ari_app.ari import Ari, AriError, AriReplacedError, AriUnavailableError
from ari_app.clock import Stop
from ari_app.driver import Driver
from ari_app.recovery import Recovery
from assembly.process import TakenError
from charging.errors import ChargingUnavailable

PATIENCE_S = 60
AWAY = AriUnavailableError("no connection")
NO = AriError(500, "ping", "no")
Problems = Sequence[Exception | None]


class Scripted:
    """Notes what is asked of it; each question fails as its list says, and then no more."""

    def __init__(self, **problems: Problems) -> None:
        self.asked: list[str] = []
        self._problems: Mapping[str, deque[Exception | None]] = defaultdict(
            deque, {name: deque(each) for name, each in problems.items()}
        )

    def ask(self, name: str) -> None:
        self.asked.append(name)
        if self._problems[name] and (problem := self._problems[name].popleft()) is not None:
            raise problem


@dataclass
class FakeClock:
    ahead_s: float = 0.0
    stops: list[Stop] = field(default_factory=list)
    ran_ms: list[int] = field(default_factory=list)

    def new_stops(self) -> list[Stop]:
        found, self.stops = self.stops, []
        return found

    def ran(self, at_ms: int) -> None:
        self.ran_ms.append(at_ms)


class FakeAri(Scripted):
    app_name = "tollgate"

    def __init__(self, *, others: int = 0, **problems: Problems) -> None:
        super().__init__(**problems)
        self.connected = False
        self.others = others  # how often another application is seen in our place
        self.clock = FakeClock()
        self.messages: asyncio.Queue[Mapping[str, Any] | Exception] = asyncio.Queue()

    async def has_another(self) -> bool:
        self.ask("has_another")
        self.others -= 1
        return self.others >= 0

    async def connect(self) -> None:
        self.ask("connect")
        self.connected = True

    async def close(self) -> None:
        self.ask("close")
        self.connected = False
        self.messages.put_nowait(AWAY)

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        while True:
            message = await self.messages.get()
            if isinstance(message, Exception):
                self.connected = False
                raise message
            yield message

    async def echo(self) -> None:
        self.ask("echo")

    async def ask_time(self) -> None:
        self.ask("ask_time")

    async def subscribe_to_channels(self) -> None:
        self.ask("subscribe")


class FakeAmi(Scripted):
    def __init__(self, **problems: Problems) -> None:
        super().__init__(**problems)
        self.connections = asyncio.Semaphore(1)

    async def wait_until_connected(self) -> None:
        """It always is."""

    async def wait_for_new_connection(self) -> None:
        await self.connections.acquire()

    async def time_ms(self) -> int:
        self.ask("time_ms")
        return 4711


@dataclass
class FakeTask:
    limit_pending: bool = True


class FakeDriver(Scripted):
    live_calls = 0

    def tasks(self) -> Sequence[FakeTask]:
        return [FakeTask()]

    def take(self, message: Mapping[str, Any]) -> None:
        self.ask(str(message["type"]))

    def note_events_lost(self) -> None:
        self.ask("events lost")

    async def extend_timeouts(self, *, pending_only: bool = False) -> None:
        self.ask("extend pending" if pending_only else "extend all")

    async def close(self) -> None:
        self.ask("close")


class FakeRecovery(Scripted):
    async def run(self) -> None:
        self.ask("run")


class FakeBeside(Scripted):
    async def run(self) -> None:
        self.ask("run")


@dataclass
class Parts:
    """An application of fakes."""

    ari: FakeAri = field(default_factory=FakeAri)
    ami: FakeAmi = field(default_factory=FakeAmi)
    driver: FakeDriver = field(default_factory=FakeDriver)
    recovery: FakeRecovery = field(default_factory=FakeRecovery)
    beside: FakeBeside = field(default_factory=FakeBeside)
    sweep_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    logs: list[Any] = field(default_factory=list)

    def application(self) -> Application:
        return Application(
            ari=cast(Ari, self.ari),
            ami=cast(Ami, self.ami),
            driver=cast(Driver, self.driver),
            recovery=cast(Recovery, self.recovery),
            sweep_wanted=self.sweep_wanted,
            beside=[self.beside],
        )

    def said(self, event: str) -> Sequence[Any]:
        return [entry for entry in self.logs if entry["event"] == event]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        with capture_logs() as logs:
            self.logs = cast(list[Any], logs)
            task = asyncio.create_task(self.application().run())
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - looks at every turn of the loop
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """But the sweep's: a test asks for each."""
    monkeypatch.setattr(application, "RECONNECT_S", (0.0,))
    for name in ("PENDING_EVERY_S", "ECHO_EVERY_S", "ASK_EVERY_S"):
        monkeypatch.setattr(application, name, 0.0)


async def test_it_subscribes_recovers_and_is_ready_and_takes_events() -> None:
    parts = Parts()
    async with parts.running():
        await until(lambda: parts.said("ready"))
        parts.ari.messages.put_nowait({"type": "StasisStart"})
        await until(lambda: "StasisStart" in parts.driver.asked)
        await until(lambda: "run" in parts.beside.asked)
        await until(lambda: {"extend all", "extend pending"} <= set(parts.driver.asked))
        await until(lambda: parts.ari.clock.ran_ms)
    assert parts.ari.asked[:2] == ["has_another", "connect"]
    assert parts.ari.asked.index("ask_time") < parts.ari.asked.index("subscribe")
    assert parts.recovery.asked == ["run"]
    assert parts.driver.asked[-1] == "close"


async def test_every_new_connection_to_ami_is_told_every_limit() -> None:
    parts = Parts()
    async with parts.running():
        await until(lambda: parts.driver.asked.count("extend all") == 1)
        parts.ami.connections.release()
        await until(lambda: parts.driver.asked.count("extend all") == 2)


async def test_asterisk_that_is_away_is_tried_again_and_again() -> None:
    parts = Parts(ari=FakeAri(connect=[AWAY, AWAY]))
    async with parts.running():
        await until(lambda: parts.said("ready"))
    assert parts.ari.asked.count("connect") == 3
    assert len(parts.said("ari_unavailable")) == 2


async def test_what_cannot_be_recovered_yet_is_tried_again() -> None:
    problems = [ChargingUnavailable("locked"), NO, OSError("no log of legs"), None]
    parts = Parts(recovery=FakeRecovery(run=problems))
    async with parts.running():
        await until(lambda: parts.said("ready"))
    assert parts.recovery.asked == ["run"] * 4
    assert len(parts.said("not_recovered_yet")) == 3


async def test_a_lost_connection_is_made_again() -> None:
    parts = Parts()
    async with parts.running():
        await until(lambda: parts.said("ready"))
        parts.ari.messages.put_nowait(AWAY)
        await until(lambda: len(parts.said("ready")) == 2)
    assert "events lost" in parts.driver.asked


async def test_who_came_later_gives_way_when_its_place_is_taken_back() -> None:
    parts = Parts(ari=FakeAri(others=1))
    async with parts.running() as task:
        await until(lambda: parts.said("ready"))
        assert parts.said("application_connected_already")
        parts.ari.messages.put_nowait(AriReplacedError("replaced"))
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(TakenError, match="has taken its place back"):
                await task
    assert parts.driver.asked[-1] == "close"


async def test_two_who_saw_nobody_take_it_from_each_other_until_one_gives_way() -> None:
    parts = Parts()
    async with parts.running() as task:
        for _ in range(application.REPLACEMENTS_MAX):
            parts.ari.messages.put_nowait(AriReplacedError("replaced"))
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(TakenError):
                await task
    assert len(parts.said("application_replaced")) == application.REPLACEMENTS_MAX - 1


async def test_who_has_held_its_place_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "PROVED_AFTER_S", -1.0)
    parts = Parts(ari=FakeAri(others=1))
    async with parts.running():
        for number in range(1, 2 * application.REPLACEMENTS_MAX):
            await until(lambda: len(parts.said("ready")) == number)  # noqa: B023 - awaited here
            parts.ari.messages.put_nowait(AriReplacedError("replaced"))
        await until(lambda: len(parts.said("ready")) == number + 1)


async def test_another_that_does_not_end_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "TAKE_OVER_AFTER_S", 0.0)
    parts = Parts(ari=FakeAri(others=10**9))
    async with parts.running():
        await until(lambda: parts.said("ready"))


@pytest.mark.parametrize("problem", [NO, AWAY])
async def test_a_connection_whose_events_go_elsewhere_is_made_anew(problem: Exception) -> None:
    parts = Parts(ari=FakeAri(echo=[problem, None, problem, problem]))
    async with parts.running():
        await until(lambda: parts.said("events_lost"))
        await until(lambda: parts.ari.asked.count("connect") == 2)
    assert len(parts.said("not_echoed")) == 3
    assert parts.ari.asked.count("close") == 1


async def test_a_sweep_is_made_when_a_call_asks_for_it_and_tried_again_when_it_fails() -> None:
    parts = Parts()
    async with parts.running():
        await until(lambda: parts.said("ready"))
        parts.sweep_wanted.set()
        await until(lambda: parts.recovery.asked == ["run", "run"])
    assert not parts.said("not_swept")


async def test_sweeps_that_fail_for_the_ledger_leave_the_connection_alone() -> None:
    parts = Parts(recovery=FakeRecovery(run=[None, *[ChargingUnavailable("locked")] * 3]))
    async with parts.running():
        await until(lambda: parts.said("ready"))
        for number in range(1, 4):
            parts.sweep_wanted.set()
            await until(lambda: len(parts.said("not_swept")) == number)  # noqa: B023 - as above
    assert not parts.said("events_lost")


async def test_sweeps_that_asterisk_refuses_make_the_connection_anew() -> None:
    parts = Parts(recovery=FakeRecovery(run=[None, AWAY, AWAY]))
    parts.ari.echo = _for_ever  # type: ignore[method-assign]
    async with parts.running():
        await until(lambda: parts.said("ready"))
        for number in (1, 2):
            parts.sweep_wanted.set()
            await until(lambda: len(parts.said("not_swept")) == number)  # noqa: B023 - as above
        await until(lambda: len(parts.said("ready")) == 2)
    assert len(parts.said("events_lost")) == 1


async def _for_ever() -> None:
    """An echo that is never answered must not hide what a sweep finds."""
    await asyncio.get_running_loop().create_future()


async def test_a_stop_of_asterisk_and_clocks_that_differ_are_told_once() -> None:
    parts = Parts(ari=FakeAri(ask_time=[None, NO, AWAY]))
    parts.ari.clock.stops = [Stop(since_ms=1000, until_ms=9000)]
    parts.ari.clock.ahead_s = -7200.0
    async with parts.running():
        await until(lambda: len(parts.said("time_not_told")) == 2)
        before = len(parts.ari.asked)
        await until(lambda: len(parts.ari.asked) > before + 10)
    (stop,), (differ,) = parts.said("asterisk_did_not_run"), parts.said("clocks_differ")
    assert (stop["for_s"], differ["asterisk_ahead_s"]) == (8.0, -7200.0)


async def test_time_is_asked_over_ami_too_and_a_no_does_no_harm() -> None:
    problems = [AmiRefusedError("no"), AmiUnavailableError("away")]
    parts = Parts(ami=FakeAmi(time_ms=problems))
    async with parts.running():
        await until(lambda: parts.ari.clock.ran_ms)
    assert len(parts.said("time_not_told")) == 2
    assert parts.ari.clock.ran_ms[0] == 4711


def test_pauses_grow_to_the_last_and_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "RECONNECT_S", (0.1, 2.0))
    pauses = application.delays()
    assert [next(pauses) for _ in range(4)] == [0.1, 2.0, 2.0, 2.0]
