"""Card processors as processes of their own, for tests; each ends with the test session."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assembly.parent import die_with_parent
from lab.ports import find_free_port
from lab.sandbox import PROGRAM, Sandbox

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


@contextmanager
def running(sandbox: Sandbox) -> Iterator[subprocess.Popen[str]]:
    """The sandbox, until it is killed at the end of the block, or within it."""
    with process("-m", PROGRAM, ready='"ready"', **sandbox.environment) as server:
        yield server


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
