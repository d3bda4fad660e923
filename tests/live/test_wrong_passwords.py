"""Whoever guesses SIP passwords is in Asterisk's security log, as Debian's fail2ban reads it."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from lab.paid_office import PaidOffice
from lab.patience import patience
from lab.watch import FileWatch
from tests.live.conftest import StartOffice

pytestmark = pytest.mark.live

GUESSES = 20
FILTER = Path("/etc/fail2ban/filter.d/asterisk.conf")
REGISTER = (
    "REGISTER sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{number}\r\n"
    "From: <sip:{user}@{host}>;tag={number}\r\nTo: <sip:{user}@{host}>\r\n"
    "Call-ID: guess-{number}\r\nCSeq: {number} REGISTER\r\nContact: <sip:{user}@{own}>\r\n"
    "Max-Forwards: 70\r\n{authorization}Content-Length: 0\r\n\r\n"
)
NONCE = re.compile(r'nonce="([^"]+)".*?opaque="([^"]*)"')


class Guesser(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answers: asyncio.Queue[str] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del addr
        self.answers.put_nowait(data.decode())


async def guess(paid: PaidOffice, guesses: int) -> None:
    """Send wrong passwords for a phone that there is, and for one that there is not."""
    config = paid.office.asterisk.config
    place = {"host": config.sip_address, "port": config.sip_port}
    transport, guesser = await asyncio.get_running_loop().create_datagram_endpoint(
        Guesser,
        local_addr=(config.sip_address, 0),
        remote_addr=(config.sip_address, config.sip_port),
    )
    own = "{}:{}".format(*transport.get_extra_info("sockname"))
    authorization = ""
    try:
        for number in range(1, guesses + 1):
            user = "1001" if number % 4 else "4711"
            fields = {**place, "own": own, "number": number, "user": user}
            transport.sendto(REGISTER.format(**fields, authorization=authorization).encode())
            async with patience(10):
                answer = await guesser.answers.get()
            assert answer.startswith("SIP/2.0 401"), answer
            found = NONCE.search(answer)
            assert found is not None
            authorization = (
                f'Authorization: Digest username="1001", realm="asterisk", nonce="{found[1]}",'
                f' uri="sip:{config.sip_address}", response="{number:032x}", algorithm=MD5,'
                f' opaque="{found[2]}", qop=auth, cnonce="1", nc=00000001\r\n'
            )
    finally:
        transport.close()


async def test_every_wrong_password_is_in_the_security_log(start_office: StartOffice) -> None:
    async with start_office() as paid:
        log = paid.office.asterisk.log_file.with_name("security")
        with FileWatch(log.parent) as watch:
            await guess(paid, GUESSES)
            await watch.until(lambda: len(wrong(log)) >= GUESSES - 2, timeout_s=10)
        lines = wrong(log)
    assert all("RemoteAddress=" in line for line in lines)
    regex = shutil.which("fail2ban-regex")
    if regex is None:
        pytest.skip("fail2ban is not installed: its filter was not tried on these lines")
    program = await asyncio.create_subprocess_exec(
        *(regex, log, FILTER), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await program.communicate()
    found = re.search(r"Failregex: (\d+) total", printed.decode())
    assert found is not None, printed.decode()
    assert int(found[1]) == len(lines)


def wrong(log: Path) -> list[str]:
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    events = ("ChallengeResponseFailed", "InvalidAccountID", "InvalidPassword", "FailedACL")
    return [line for line in text.splitlines() if any(f'"{event}"' in line for event in events)]
