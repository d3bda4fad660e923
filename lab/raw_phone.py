"""A SIP phone that sends exactly what it is told, however wrong: what a hostile phone can do.

It knows its password, repeats what gets lost, and answers politely; everything else is its user's.
"""

import asyncio
import hashlib
import itertools
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from lab.errors import LabError
from lab.lifecycle import Runnable
from lab.patience import patience

PORT = 5060
PATIENCE_S = 8.0
_REPEAT_S = (0.5, 1.0, 2.0)
_LINE_END = "\r\n"
_BRANCH = re.compile(r";branch=([^;,\s]+)")
_STATUS = re.compile(r"SIP/2\.0 (\d{3})")
_CHALLENGE = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
_TAG = re.compile(r";tag=([^;>\s]+)")
_URI = re.compile(r"<([^>]*)>")
_FIRST_FINAL = 200
_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer; 0 where none came in time."""

    status: int
    lines: tuple[str, ...] = ()
    body: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        wanted = f"{name.lower()}:"
        found = (line for line in self.lines if line.lower().startswith(wanted))
        return next((line.partition(":")[2].strip() for line in found), "")

    @property
    def sound_at(self) -> str:
        """The address to which sound is to be sent; "": the answer names none."""
        lines = (line for line in self.body if line.startswith("c="))
        return next((line.rpartition(" ")[2] for line in lines), "")


@dataclass(slots=True)
class Talk:
    """One answered call of this phone's own."""

    phone: "RawPhone"
    call_id: str
    here: str  # From, with its tag
    there: str  # To, with the other side's tag
    target: str
    cseq: int
    sound_at: str = ""

    async def request(self, method: str, *, lines: Sequence[str] = (), body: str = "") -> Answer:
        """Send a request in this call."""
        self.cseq += 1
        return await self.phone.transact(
            method,
            self.target,
            [
                f"From: {self.here}",
                f"To: {self.there}",
                f"Call-ID: {self.call_id}",
                f"CSeq: {self.cseq} {method}",
                f"Contact: <{self.phone.own_uri}>",
                *lines,
            ],
            body,
        )

    async def hang_up(self) -> Answer:
        return await self.request("BYE")


class RawPhone(Runnable, asyncio.DatagramProtocol):
    """`async with RawPhone(…) as phone:` has a socket, and is not registered."""

    def __init__(
        self,
        *,
        extension: str,
        password: str,
        address: str,
        server: tuple[str, int],
        silence_s: float = PATIENCE_S,
    ) -> None:
        """`silence_s`: give a request up after so long, to which nothing at all was said."""
        self._silence_s = silence_s
        self.extension = extension
        self.address = address
        self.invited: list[str] = []  # the first line of every INVITE that came here
        self.forwards_to = ""  # the Contact of the 302 with which calls are answered
        self._password = password
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[str, asyncio.Queue[Answer]] = {}
        self._answered: dict[str, bytes] = {}  # by branch and method: a repeated request
        self._numbers = itertools.count(1)

    @property
    def own_uri(self) -> str:
        return f"sip:{self.extension}@{self.address}:{PORT}"

    @property
    def domain(self) -> str:
        return f"{self._server[0]}:{self._server[1]}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.address, PORT)
        )

    async def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    # --- what a phone does ----------------------------------------------------------------------

    async def register(self, *contacts: str, lines: Sequence[str] = ()) -> Answer:
        """Register with these Contact headers as they stand."""
        here = f"<sip:{self.extension}@{self.domain}>"
        return await self._proved(
            "REGISTER",
            f"sip:{self.domain}",
            [
                f"From: {here};tag={_token()}",
                f"To: {here}",
                f"Call-ID: {_token()}",
                *(f"Contact: {contact}" for contact in contacts),
                *lines,
            ],
        )

    async def unregister(self) -> Answer:
        return await self.register("*", lines=["Expires: 0"])

    async def call(
        self,
        target: str,
        *,
        contact: str | None = None,
        lines: Sequence[str] = (),
        on_early: Callable[[Talk], None] | None = None,
    ) -> Answer | Talk:
        """Call a Request-URI as it stands; the answer, or the call where somebody answered it.

        `on_early` gets the call while it is being set up, each time Asterisk says how it stands.
        """
        here = f"<sip:{self.extension}@{self.domain}>;tag={_token()}"
        call_id = _token()

        def talk_of(answer: Answer) -> Talk:
            found = _URI.search(answer.header("Contact"))
            return Talk(
                self,
                call_id=call_id,
                here=here,
                there=answer.header("To"),
                target=found[1] if found else target,
                cseq=int(answer.header("CSeq").split()[0]),
                sound_at=answer.sound_at,
            )

        def early(answer: Answer) -> None:
            if on_early is not None and _TAG.search(answer.header("To")):
                on_early(talk_of(answer))

        answer = await self._proved(
            "INVITE",
            target,
            [
                f"From: {here}",
                f"To: <sip:somebody@{self.domain}>",
                f"Call-ID: {call_id}",
                f"Contact: {contact or f'<{self.own_uri}>'}",
                "Content-Type: application/sdp",
                *lines,
            ],
            self._offer(),
            early,
        )
        if answer.status not in _OK:
            return answer
        talk = talk_of(answer)
        self._send(self._acknowledgement(talk))
        return talk

    async def transact(
        self,
        method: str,
        target: str,
        lines: Sequence[str],
        body: str = "",
        on_early: Callable[[Answer], None] = lambda _: None,
    ) -> Answer:
        """Send one request, again while nothing comes, and return its final answer."""
        branch = f"z9hG4bK{_token()}"
        request = _message(
            f"{method} {target} SIP/2.0",
            [
                f"Via: SIP/2.0/UDP {self.address}:{PORT};branch={branch};rport",
                "Max-Forwards: 70",
                *lines,
            ],
            body,
        )
        answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._waiting[branch] = answers
        repeating = asyncio.create_task(self._repeat(request, answers))
        silence_s = self._silence_s
        try:
            while True:
                async with patience(silence_s):
                    answer = await answers.get()
                repeating.cancel()
                if answer.status >= _FIRST_FINAL:
                    break
                on_early(answer)
                silence_s = PATIENCE_S
        except TimeoutError:
            return Answer(0)
        finally:
            repeating.cancel()
            del self._waiting[branch]
        if method == "INVITE" and answer.status not in _OK:
            self._send(_refusal_seen(target, request, answer))
        return answer

    # --- the protocol ---------------------------------------------------------------------------

    async def _proved(
        self,
        method: str,
        target: str,
        lines: Sequence[str],
        body: str = "",
        on_early: Callable[[Answer], None] = lambda _: None,
    ) -> Answer:
        """Send a request, and again with the password where it is asked for."""
        number = next(self._numbers)
        plain = [*lines, f"CSeq: {number} {method}"]
        answer = await self.transact(method, target, plain, body, on_early)
        challenge = answer.header("WWW-Authenticate")
        if not challenge:
            return answer
        number = next(self._numbers)
        proof = self._proof(method, target, challenge)
        proved = [*lines, f"CSeq: {number} {method}", proof]
        return await self.transact(method, target, proved, body, on_early)

    def _proof(self, method: str, target: str, challenge: str) -> str:
        asked = {name: quoted or bare for name, quoted, bare in _CHALLENGE.findall(challenge)}
        realm, nonce = asked["realm"], asked["nonce"]
        count, own_nonce = "00000001", _token()
        who = _md5(f"{self.extension}:{realm}:{self._password}")
        what = _md5(f"{method}:{target}")
        response = _md5(f"{who}:{nonce}:{count}:{own_nonce}:auth:{what}")
        return (
            f'Authorization: Digest username="{self.extension}", realm="{realm}", nonce="{nonce}",'
            f' uri="{target}", response="{response}", algorithm=MD5, cnonce="{own_nonce}",'
            f' qop=auth, nc={count}, opaque="{asked.get("opaque", "")}"'
        )

    def _acknowledgement(self, talk: Talk) -> bytes:
        return _message(
            f"ACK {talk.target} SIP/2.0",
            [
                f"Via: SIP/2.0/UDP {self.address}:{PORT};branch=z9hG4bK{_token()};rport",
                "Max-Forwards: 70",
                f"From: {talk.here}",
                f"To: {talk.there}",
                f"Call-ID: {talk.call_id}",
                f"CSeq: {talk.cseq} ACK",
            ],
        )

    def _offer(self) -> str:
        lines = [
            "v=0",
            f"o=- 1 1 IN IP4 {self.address}",
            "s=-",
            f"c=IN IP4 {self.address}",
            "t=0 0",
            "m=audio 40000 RTP/AVP 8",
            "a=rtpmap:8 PCMA/8000",
            "",
        ]
        return _LINE_END.join(lines)

    async def _repeat(self, request: bytes, answers: asyncio.Queue[Answer]) -> None:
        self._send(request)
        for seconds in _REPEAT_S:
            await asyncio.sleep(seconds)
            if answers.empty():
                self._send(request)

    def _send(self, message: bytes, to: tuple[str, int] | None = None) -> None:
        if self._transport is None:
            raise LabError(f"the phone {self.extension} is switched off")
        self._transport.sendto(message, to or self._server)

    # --- what comes in --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio promises it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head, _, body = data.decode("utf-8", "replace").partition(2 * _LINE_END)
        first, *lines = head.split(_LINE_END)
        branch = _branch_of(lines)
        if status := _STATUS.match(first):
            waiting = self._waiting.get(branch)
            if waiting is not None:
                waiting.put_nowait(Answer(int(status[1]), tuple(lines), tuple(body.splitlines())))
            return
        method = first.partition(" ")[0]
        if method != "ACK":
            self._reply(f"{branch} {method}", method, first, lines, addr)

    def _reply(
        self, key: str, method: str, first: str, lines: Sequence[str], to: tuple[str, int]
    ) -> None:
        """Busy to every call, or elsewhere; and yes to everything else."""
        if key not in self._answered:
            status = "200 OK"
            if method == "INVITE":
                self.invited.append(first)
                status = "302 Moved Temporarily" if self.forwards_to else "486 Busy Here"
            copied = [f"Contact: {self.forwards_to}"] if self.forwards_to else []
            copied += [
                line + (f";tag={_token()}" if line.startswith("To:") and "tag=" not in line else "")
                for line in lines
                if line.split(":")[0] in {"Via", "From", "To", "Call-ID", "CSeq"}
            ]
            self._answered[key] = _message(f"SIP/2.0 {status}", copied)
        self._send(self._answered[key], to)


def _message(first: str, lines: Sequence[str], body: str = "") -> bytes:
    content = body.encode()
    head = _LINE_END.join([first, *lines, f"Content-Length: {len(content)}", "", ""])
    return head.encode("utf-8", "surrogateescape") + content


def _refusal_seen(target: str, request: bytes, answer: Answer) -> bytes:
    """ACK of a refusal: it belongs to the INVITE, so it has the same branch."""
    sent = request.decode("utf-8", "surrogateescape").split(_LINE_END)
    own = [line for line in sent if line.startswith(("Via:", "From:", "Call-ID:"))]
    number = answer.header("CSeq").split()[0]
    return _message(
        f"ACK {target} SIP/2.0", [*own, f"To: {answer.header('To')}", f"CSeq: {number} ACK"]
    )


def _branch_of(lines: Sequence[str]) -> str:
    via = next((line for line in lines if line.startswith("Via:")), "")
    found = _BRANCH.search(via)
    return found[1] if found else ""


def _token() -> str:
    return secrets.token_hex(8)


def _md5(text: str) -> str:
    """Digest authentication (RFC 8760 keeps MD5 for phones that know no other)."""
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
