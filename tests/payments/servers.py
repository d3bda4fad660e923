"""Card processors as processes of their own, for tests; each ends with the test session."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from assembly.parent import die_with_parent
from lab.ports import find_free_port
from payments.addresses import sandbox_url
from payments.keys import sandbox_keys
from settings import PaymentsSettings

ROOT = Path(__file__).parents[2]


@contextmanager
def process(*arguments: str, ready: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`python ARGUMENTS`, once a line of its standard output matches `ready`."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - it calls one function of the kernel's
    ) as running:
        try:
            assert running.stdout is not None
            if not any(re.search(ready, line) for line in running.stdout):
                raise AssertionError(f"{arguments} ended with {running.wait()}")
            yield running
        finally:
            running.kill()


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox, and what may be ordered of it."""

    payments: PaymentsSettings

    @classmethod
    def in_folder(cls, folder: Path, *, request_timeout_s: float = 20) -> "Sandbox":
        return cls(
            PaymentsSettings(
                sandbox_folder=folder,
                sandbox_port=find_free_port(),
                port=find_free_port(),
                request_timeout_s=request_timeout_s,
            )
        )

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        told = {
            f"TOLLGATE_PAYMENTS__{name.upper()}": str(getattr(self.payments, name))
            for name in ("sandbox_folder", "sandbox_port", "port")
        }
        with process("-m", "payments.sandbox_server", ready='"ready"', **told) as running:
            yield running

    async def order(self, what: str, **told: Any) -> Any:
        """POST one of its control paths; GET without anything told."""
        key = sandbox_keys(self.payments.sandbox_folder).api_key
        async with (
            aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}) as session,
            session.request(
                "POST" if told or what in {"release", "no-faults", "hasten"} else "GET",
                f"{sandbox_url(self.payments)}/sandbox/{what}",
                data=json.dumps(told),
            ) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def charges_of(self, payment_id: str) -> int:
        """How often the sandbox charged for a payment, by its own log."""
        log = await self.order("log")
        return sum(row["what"] == "charged" and row["payment"] == payment_id for row in log)


_LOCALSTRIPE = """
import sys
from aiohttp import web
from localstripe import resources
from localstripe.server import app
resources.store.dump_to_disk = lambda: None  # its state is a pickle that every run would share
say = lambda _: print("ready", flush=True)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=say)
"""


@contextmanager
def localstripe() -> Iterator[str]:
    """The address of a localstripe of its own, on loopback alone."""
    port = find_free_port()
    with process("-c", _LOCALSTRIPE, str(port), ready="ready"):
        yield f"http://127.0.0.1:{port}"
