"""A real registered desk phone: baresip, which keeps a recording of what it hears."""

import asyncio
import itertools
import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab import processes
from lab.errors import LabError
from lab.lifecycle import Runnable
from lab.patience import patience
from lab.watch import FileWatch
from telephony.tools import Telephony

START_TIMEOUT_S = 10
CONTROL_PORT = 4444
CODECS = ("G722/16000", "PCMA/8000")  # the best first, as baresip names them
SAMPLE_RATE_HZ = 16000
WAV_HEADER_BYTES = 44  # a stream that was replaced before it began holds nothing else
REGISTER_EVERY_S = 60
# The phone hangs up when the file it speaks from ends.
LONGEST_CALL_S = 15 * 60
_EVENTS_KEPT = 1000
_AS_DUMPED = "dump-*-dec.wav"  # baresip's own names, which hold the second

# Recordings by their file's inode, which outlives its name: when each was written last.
Kept = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """What the phone said happened: baresip's own name for it, and a detail such as "486 Busy"."""

    type: str
    detail: str


class Phone(Runnable):
    """`async with Phone(…) as phone:` is a registered phone; leaving hangs up and unregisters."""

    def __init__(  # noqa: PLR0913 - each is one setting, given by name
        self,
        telephony: Telephony,
        folder: Path,
        *,
        extension: str,
        password: str,
        address: str,
        server: str,
        server_port: int = 5060,
        answers: bool = True,
        codecs: Sequence[str] = CODECS,
    ) -> None:
        """`answers`: it picks up at once when it is called; otherwise it rings until `answer()`."""
        self.extension = extension
        self._telephony = telephony
        self._folder = folder.absolute()
        self._password = password
        self._address = address
        self._server = f"{server}:{server_port}"
        self._answers = answers
        self._codecs = codecs
        self._process: asyncio.subprocess.Process | None = None
        self._control: _Control | None = None
        self._numbers = itertools.count(1)  # of recordings

    async def start(self) -> None:
        """Start and register.

        Raises:
            LabError: it did not start, or Asterisk did not accept it.
        """
        self._write_configuration()
        output = self._folder / "phone.out"
        output.write_text("", encoding="utf-8")
        with FileWatch(output) as watch:
            self._process = await processes.spawn(
                self._telephony.tool("baresip"),
                ["-f", self._folder],
                folder=self._folder,
                output=output,
            )
            try:
                await watch.until(lambda: self._is_up(output), timeout_s=START_TIMEOUT_S)
                self._control = await _Control.connect(self._address)
            except (TimeoutError, OSError) as error:
                await self.stop()
                raise LabError(f"the phone {self.extension} did not start: {error}") from error
        # Its account is made only now, when somebody listens for the answer to its registration.
        await self._control_open.send("uanew", self._account())
        answer = await self._first("REGISTER_OK", "REGISTER_FAIL", timeout_s=START_TIMEOUT_S)
        if answer.type == "REGISTER_FAIL":
            await self.stop()
            raise LabError(f"the phone {self.extension} was not let in: {answer.detail}")

    async def stop(self) -> None:
        if self._control is not None:
            await self._control.close()
            self._control = None
        if self._process is not None:
            await processes.stop(self._process, patience_s=2)
            self._process = None

    async def kill(self) -> None:
        """Lose its power in the middle of whatever it was doing: no BYE."""
        if self._process is not None:
            await processes.kill(self._process)
        await self.stop()

    # --- what a person does ---------------------------------------------------------------------

    async def dial(self, number: str) -> None:
        """Dial `number` as it stands, whatever characters it is made of."""
        self._name_recordings()
        await self._control_open.send("dial", f"sip:{_escaped(number)}@{self._server}")

    async def answer(self) -> None:
        await self._control_open.send("accept")

    async def hang_up(self) -> None:
        await self._control_open.send("hangup")

    async def press(self, digits: str) -> None:
        """Press keys one after the other; each is sent as an RFC 4733 event in the audio."""
        for digit in digits:
            await self._control_open.send("sndcode", digit)

    async def command(self, name: str, parameters: str = "") -> None:
        """Any other command of baresip's, such as hold, resume, transfer."""
        await self._control_open.send(name, parameters)

    # --- what it sees and hears -----------------------------------------------------------------

    @property
    def events(self) -> Sequence[PhoneEvent]:
        return tuple(self._control_open.events)

    async def wait_for(
        self, kind: str, *, detail: str = "", after: int = 0, timeout_s: float = 10
    ) -> PhoneEvent:
        """The first event of that kind whose detail contains `detail`, past or to come.

        `after` skips that many events from the beginning: `len(phone.events)` waits for new ones.

        Raises:
            LabError: there was none in time; the message lists the events there were.
        """
        return await self._first(kind, detail=detail, after=after, timeout_s=timeout_s)

    def recordings(self, since: Kept | None = None) -> list[Path]:
        """What it heard, one WAV file for each stream of sound, oldest first.

        `since`: only the streams that were not there yet at that `kept`.
        """
        named = [*sorted(self._heard.glob("call-*.wav")), *sorted(self._heard.glob(_AS_DUMPED))]
        files = [(file, file.stat()) for file in named]
        before = since or {}
        return [
            file
            for file, now in files
            if now.st_size > WAV_HEADER_BYTES and now.st_ino not in before
        ]

    def kept(self) -> Kept:
        """Every recording there is, for `recordings` and `heard_since` to compare with."""
        now = [file.stat() for file in self.recordings()]
        return {file.st_ino: file.st_mtime_ns for file in now}

    async def heard_since(self, before: Kept, *, timeout_s: float = 10) -> Path:
        """The latest recording, once there is one of after `before`.

        A phone may say that a call is over before it has put its sound on disk.

        Raises:
            LabError: it heard nothing.
        """
        await self.hear_until(lambda: self.kept() != before, "anything", timeout_s=timeout_s)
        return max(self.recordings(), key=lambda file: file.stat().st_mtime_ns)

    async def hear(self, seconds: float, *, timeout_s: float = 20) -> None:
        """Return when it has kept that much more sound.

        Raises:
            LabError: it did not hear that much in time.
        """
        wanted = self._heard_bytes() + int(seconds * SAMPLE_RATE_HZ) * 2
        await self.hear_until(
            lambda: self._heard_bytes() >= wanted, f"{seconds} s of sound", timeout_s=timeout_s
        )

    async def hear_until(
        self, condition: Callable[[], bool], what: str, *, timeout_s: float = 20
    ) -> None:
        """Return as soon as `condition`, of what it has kept, is true.

        Raises:
            LabError: it did not hear `what` in time.
        """
        with FileWatch(self._heard) as watch:
            try:
                await watch.until(condition, timeout_s=timeout_s)
            except TimeoutError:
                raise LabError(f"the phone {self.extension} did not hear {what}") from None

    async def _first(
        self, *kinds: str, detail: str = "", after: int = 0, timeout_s: float
    ) -> PhoneEvent:
        def wanted(event: PhoneEvent) -> bool:
            return event.type in kinds and detail in event.detail

        try:
            async with patience(timeout_s):
                return await self._control_open.first(wanted, after)
        except TimeoutError:
            seen = self.events[after:]
            raise LabError(
                f"the phone {self.extension} saw no {kinds[0]} {detail}; it saw {seen}"
            ) from None

    # --- helpers --------------------------------------------------------------------------------

    @property
    def _heard(self) -> Path:
        return self._folder / "heard"

    def _name_recordings(self) -> None:
        """A stream is named by the second: a call of the same second would write over it."""
        for file in sorted(self._heard.glob(_AS_DUMPED)):
            file.rename(self._heard / f"call-{next(self._numbers):06}.wav")

    def _heard_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.recordings())

    @property
    def _control_open(self) -> "_Control":
        if self._control is None:
            raise LabError(f"the phone {self.extension} is not running")
        return self._control

    def _is_up(self, output: Path) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise LabError(f"the phone {self.extension} gave up: {output.read_text()[-300:]}")
        return "baresip is ready" in output.read_text(errors="replace")

    def _account(self) -> str:
        return (
            f"<sip:{self.extension}@{self._server}>;auth_user={self.extension}"
            f";auth_pass={self._password};regint={REGISTER_EVERY_S}"
            f";audio_codecs={','.join(self._codecs)}"
            f";answermode={'auto' if self._answers else 'manual'}"
        )

    def _write_configuration(self) -> None:
        self._heard.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self._heard.glob("*.wav"):
            old.unlink()
        silence = self._folder / "silence.wav"
        _write_silence(silence, LONGEST_CALL_S)
        config = _CONFIG.format(
            address=self._address,
            control_port=CONTROL_PORT,
            modules=self._telephony.baresip_modules,
            silence=silence,
            heard=self._heard.name,  # beside us: baresip keeps no more than 127 bytes of a path
        )
        processes.write_private(self._folder / "config", config)
        processes.write_private(self._folder / "accounts", "")
        processes.write_private(self._folder / "contacts", "")


class _Control:
    """baresip's TCP control: netstrings of JSON, answers and events on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._tokens = itertools.count(1)
        self._replies: dict[str, asyncio.Future[Mapping[str, object]]] = {}
        self._happened = asyncio.Condition()
        self.events: list[PhoneEvent] = []
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, address: str) -> Self:
        return cls(*await asyncio.open_connection(address, CONTROL_PORT))

    async def send(self, command: str, parameters: str = "") -> None:
        """Give a command and wait until the phone has taken it.

        Raises:
            LabError: the phone refused it, or did not answer.
        """
        token = str(next(self._tokens))
        reply = self._replies[token] = asyncio.get_running_loop().create_future()
        message = json.dumps({"command": command, "params": parameters, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(message), message))
        await self._writer.drain()
        try:
            async with patience(START_TIMEOUT_S):
                answer = await reply
        except TimeoutError:
            raise LabError(f"the phone did not answer to {command}") from None
        if not answer.get("ok"):
            raise LabError(f"the phone refused {command}: {answer.get('data')}")

    async def first(self, wanted: Callable[[PhoneEvent], bool], after: int) -> PhoneEvent:
        async with self._happened:
            await self._happened.wait_for(lambda: any(map(wanted, self.events[after:])))
        return next(filter(wanted, self.events[after:]))

    async def close(self) -> None:
        self._listening.cancel()
        self._writer.close()
        await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        try:
            while True:
                await self._take(json.loads(await self._netstring()))
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._take({"event": True, "type": "PHONE_GONE"})

    async def _netstring(self) -> bytes:
        length = int((await self._reader.readuntil(b":"))[:-1])
        return (await self._reader.readexactly(length + 1))[:-1]

    async def _take(self, message: Mapping[str, object]) -> None:
        if not message.get("event"):
            reply = self._replies.pop(str(message.get("token")), None)
            if reply is not None and not reply.done():
                reply.set_result(message)
            return
        async with self._happened:
            if len(self.events) >= _EVENTS_KEPT:
                raise LabError("a phone of the laboratory saw more events than it can keep")
            kind, detail = str(message.get("type")), str(message.get("param", ""))
            self.events.append(PhoneEvent(kind, detail))
            self._happened.notify_all()


def _escaped(number: str) -> str:
    """What a phone puts into the user part of a SIP URI for characters that have no place there."""
    unreserved = "-_.!~*'()&=+$,;?/"
    return "".join(
        c
        if (c.isascii() and c.isalnum()) or c in unreserved
        else "".join(f"%{byte:02X}" for byte in c.encode())
        for c in number
    )


def _write_silence(file: Path, seconds: int) -> None:
    """A long WAV file that takes no room: after its header it is a hole."""
    size = 2 * seconds * SAMPLE_RATE_HZ
    pcm_mono = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ, 2, 16)
    header = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16)
    header += pcm_mono + b"data" + struct.pack("<I", size)
    file.write_bytes(header)
    os.truncate(file, len(header) + size)


_CONFIG = """\
sip_listen {address}:0
sip_verify_server no
net_interface {address}
audio_player aubridge,ear
audio_source aufile,{silence}
audio_alert aubridge,alert
ausrc_srate 16000
auplay_srate 16000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
rtp_ports 40000-59998
jitter_buffer_type off
module_path {modules}
module g722.so
module g711.so
module sndfile.so
module aubridge.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {address}:{control_port}
snd_path {heard}
ringback_disabled yes
redial_attempts 0
"""
