"""Whether a process of ours can do its work, asked over a socket of this machine.

Only the process itself knows: the ledger that an administrator can write may be read-only for the
user who serves calls. The socket has no file, so none is left behind and no folder must be chosen:
its name comes from the settings, and the kernel tells each side who the other one is.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine, false, update
from sqlalchemy.exc import DBAPIError

from db.engine import WRITER
from db.models import balances
from settings import SharedSections

log = structlog.get_logger()

ANSWER_TIMEOUT_S = 8.0  # a ledger that another process has locked is waited for 5 s
ANSWER_BYTES_MAX = 64 * 1024
_CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED: process, user, group

Question = Callable[[], str | None]  # what is wrong, or None; asked in a thread


# What a program may be asked about; the doctor has a remedy for each.
LEDGER = "ledger"
LEG_LOG = "log of legs"
ARI = "connection to ARI"
AMI = "connection to AMI"
PROCESSOR = "card processor"
PROCESSORS_CLOCK = "card processor's clock"


class NoAnswerError(Exception):
    """Nobody answers, or not in time, or not us."""


class NotRunningError(NoAnswerError):
    """There is nobody to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    program: str
    pid: int
    user: str
    problems: Mapping[str, str]  # by what was asked: LEDGER, LEG_LOG, …


def socket_name(program: str, settings: SharedSections) -> str:
    """The same for everybody who has the same settings; beginning with a zero, it has no file."""
    about = (program, settings.database.url, settings.asterisk.name)
    return "\0tollgate-health-" + hashlib.sha256(repr(about).encode()).hexdigest()


@contextlib.asynccontextmanager
async def answering(
    program: str, settings: SharedSections, questions: Mapping[str, Question]
) -> AsyncIterator[None]:
    """Answer whoever asks, for as long as the block runs; calls go on where that is impossible."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _user_of(writer.get_extra_info("socket")) in {0, os.geteuid()}:
                writer.write(json.dumps(await _state(program, questions)).encode())
                await writer.drain()
        except ConnectionError:
            pass  # who asked has gone
        finally:
            writer.close()

    try:
        server = await asyncio.start_unix_server(answer, socket_name(program, settings), backlog=8)
    except OSError as error:  # another one answers, or this machine has no such sockets
        log.warning("health_not_answered", error=str(error))
        yield
        return
    try:
        yield
    finally:
        server.close()


async def _state(program: str, questions: Mapping[str, Question]) -> dict[str, object]:
    return {
        "program": program,
        "pid": os.getpid(),
        "user": name_of_user(os.geteuid()),
        "problems": await problems_of(questions),
    }


async def problems_of(questions: Mapping[str, Question]) -> Mapping[str, str]:
    """What is wrong, by what was asked; empty where all is well."""
    asked = await asyncio.gather(*(asyncio.to_thread(ask) for ask in questions.values()))
    found = zip(questions, asked, strict=True)
    return {about: problem for about, problem in found if problem is not None}


async def ask(program: str, settings: SharedSections) -> Health:
    """Ask the program that has these settings.

    Raises:
        NoAnswerError: none runs, it hangs, or it does not answer this user.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(socket_name(program, settings))
            with contextlib.closing(writer):
                told = await reader.read(ANSWER_BYTES_MAX)
                user = _user_of(writer.get_extra_info("socket"))
    except TimeoutError:
        raise NoAnswerError(f"it does not answer within {ANSWER_TIMEOUT_S:.0f} s") from None
    except OSError:
        raise NotRunningError("it is not running with these settings") from None
    if not told:
        raise NoAnswerError(f"it answers only root and {name_of_user(user)}, who runs it")
    try:
        fields = json.loads(told)
        return Health(
            program=fields["program"],
            pid=fields["pid"],
            user=name_of_user(user),
            problems=dict(fields["problems"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise NoAnswerError("what answers is not Tollgate") from error


def ledger_question(engine: Engine) -> Question:
    """Whether this process, as the user it runs as, can write to the ledger.

    A statement that changes no row is a write all the same. Only to begin says nothing: where
    another process has the ledger open, SQLite begins a transaction that cannot write.
    """
    no_row = update(balances).where(false()).values(micros=balances.c.micros)

    def asked() -> str | None:
        try:
            with engine.connect().execution_options(**WRITER) as writer, writer.begin() as nothing:
                writer.execute(no_row)
                nothing.rollback()
        except DBAPIError as error:
            return str(error.orig).partition("\n")[0]
        return None

    return asked


def connection_question(is_connected: Callable[[], bool]) -> Question:
    """Whether a connection is there at this moment; that it is made anew is no business of ours."""

    def asked() -> str | None:
        return None if is_connected() else "there is none at this moment"

    return asked


def leg_log_question(settings: SharedSections) -> Question:
    """Whether this process can read Asterisk's log of legs, where there is one."""

    def asked() -> str | None:
        file = settings.asterisk.cel_file
        if file is None:
            return None
        try:
            with file.open("rb"):
                return None
        except FileNotFoundError:
            return None  # Asterisk has written nothing yet
        except OSError as error:
            return error.strerror

    return asked


def name_of_user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _user_of(peer: socket.socket) -> int:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(credentials)[1]
    return user
