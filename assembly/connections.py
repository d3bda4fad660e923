"""A connection of HTTP whose other side may be slow, and how long each slowness is waited for.

uvicorn waits for a request that has begun, and for a reader of an answer, as long as the other side
likes. Here each wait has an end; and where there is no room, whoever has kept us waiting longest
makes room for the one who comes, so that a crowd of slow ones keeps nobody out.
"""

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()

_TOLD_EVERY_S = 60.0
_SETTLES_S = 0.1  # how long newcomers have to say what they want
_INT = struct.Struct("i")
_RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: on, for no time


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    connections_max: int = 400
    burst_max: int = 2_000  # for a moment, until those who have said nothing make room
    head_timeout_s: float = 20.0  # of a request, from when it could begin: longer than keep-alive
    body_timeout_s: float = 20.0  # of all of it, from the end of the head
    answer_timeout_s: float = 20.0  # without anything of it being read


class Waits(Enum):
    """What of the other side is waited for; None of these: it waits for us."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()  # that what was answered is read


class Room:
    """The connections of one server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[LimitedConnection, None] = {}  # in the order in which they came
        self._making_room: asyncio.TimerHandle | None = None
        self._dropped = 0
        self._told_at = float("-inf")

    def enter(self, connection: "LimitedConnection") -> None:
        self._open[connection] = None
        most = self.limits.connections_max
        if len(self._open) > self.limits.burst_max:
            self.drop(connection)
        elif len(self._open) > most and self._making_room is None:
            self._making_room = connection.loop.call_later(_SETTLES_S, self._make_room)

    def _make_room(self) -> None:
        """The ones that have kept us waiting longest go.

        Not at once: of a crowd that comes together, the first have not been listened to yet. Nor
        who is still not listened to, because this process stood still for longer than that.
        """
        self._making_room = None
        slow = sorted(_slow(self._open), key=lambda each: each.waits_since)
        for connection in slow[: max(0, len(self._open) - self.limits.connections_max)]:
            if not connection.was_ignored():
                self.drop(connection)

    def leave(self, connection: "LimitedConnection") -> None:
        self._open.pop(connection, None)

    def drop(self, connection: "LimitedConnection") -> None:
        """Without a word: to say something would be one more wait."""
        self._open.pop(connection, None)
        opened = connection.transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)  # what is unread goes, too
        connection.transport.abort()
        self._dropped += 1
        now = connection.loop.time()
        if now >= self._told_at + _TOLD_EVERY_S:
            log.warning("slow_connections_dropped", count=self._dropped, open=len(self._open))
            self._dropped, self._told_at = 0, now


def _slow(connections: Iterable["LimitedConnection"]) -> Iterator["LimitedConnection"]:
    return (each for each in connections if each.waits_for is not None)


class LimitedConnection(H11Protocol):
    """Always h11, written in Python: its hooks are there wherever uvicorn is."""

    def __init__(self, *given: Any, room: Room, **named: Any) -> None:
        super().__init__(*given, **named)
        self._room = room
        self._timer: asyncio.TimerHandle | None = None
        self.waits_for: Waits | None = None
        self.waits_since = 0.0
        self._unread = 0  # bytes of an answer, when its reader began to be waited for

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()
        self._room.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.leave(self)
        self._wait_for(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.waits_for = None  # something of it was read: the wait begins anew
        self._look()

    def was_ignored(self) -> bool:
        """Whether what we wait for may have come, and was not read yet."""
        if self.waits_for is Waits.ANSWER:
            return False
        opened = self.transport.get_extra_info("socket")
        unread = fcntl.ioctl(opened.fileno(), termios.FIONREAD, bytes(_INT.size))
        return _INT.unpack(unread) != (0,)

    def _look(self) -> None:
        now_for = self._other_sides_turn()
        if now_for is not self.waits_for:
            self._wait_for(now_for)

    def _other_sides_turn(self) -> Waits | None:
        answered = self.cycle is None or self.cycle.response_complete
        if self.flow.write_paused or (answered and self.transport.get_write_buffer_size()):
            return Waits.ANSWER
        if answered:
            return Waits.HEAD
        return Waits.BODY if self.cycle.more_body else None

    def _wait_for(self, what: Waits | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.waits_for, self.waits_since = what, self.loop.time()
        self._unread = self.transport.get_write_buffer_size()
        if what is not None:
            self._timer = self.loop.call_later(self._patience_s(what), self._too_long)

    def _patience_s(self, what: Waits) -> float:
        limits = self._room.limits
        match what:
            case Waits.HEAD:
                return limits.head_timeout_s
            case Waits.BODY:
                return limits.body_timeout_s
            case Waits.ANSWER:
                return limits.answer_timeout_s

    def _too_long(self) -> None:
        """Nothing tells that the last of an answer was read, so it is looked at now."""
        reads = self.transport.get_write_buffer_size() < self._unread
        if self._other_sides_turn() is self.waits_for and not reads:
            self._room.drop(self)
        else:
            self._wait_for(self._other_sides_turn())
