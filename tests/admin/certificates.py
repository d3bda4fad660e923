"""Certificates for this machine's own name, and servers on loopback that show them."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def make_certificate(folder: Path, *, days: int, clock: Mapping[str, str] | None = None) -> Path:
    """By nobody else; the file is its own authority, and key.pem stands beside it.

    `clock` is the environment of a program whose clock is another: see `wall_clock`.
    """
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", str(days)),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, **(clock or {})},
    )
    return folder / "cert.pem"


async def no_words(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def mails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As little of SMTP as a look at the server wants."""
    writer.write(b"220 localhost ESMTP\r\n")
    while line := await reader.readline():
        writer.write(b"221 bye\r\n" if line.lower().startswith(b"quit") else b"250 localhost\r\n")
    writer.close()


@asynccontextmanager
async def served(certificate: Path, answer: Answer = no_words) -> AsyncIterator[int]:
    """The port at which a server shows the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
