"""Each program lets Prometheus read what it counts, where the settings say so; ten seconds."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.ports import find_free_port
from tests.programs import make_ledger, python_program

PATIENCE_S = 110
OWN = {
    "agi": ('tollgate_features_total{outcome="told"} 0.0',),
    "payments": ("tollgate_ledger_up 1.0", "tollgate_ledger_open_calls 0.0"),
    "portal": ('tollgate_portal_answers_total{status="2xx"} 0.0',),
}


@asynccontextmanager
async def running(program: str, folder: Path, metrics_port: int) -> AsyncIterator[Any]:
    """The line by which it says that it can be read."""
    make_ledger(folder)
    (folder / "tollgate.toml").write_text(
        f"[{program}]\nport = {find_free_port()}\n"
        f"[metrics]\nenabled = true\n{program}_port = {metrics_port}\n",
        encoding="utf-8",
    )
    arguments = ("-m", program, str(folder / "tollgate.toml"))
    async with python_program(*arguments, patience_s=PATIENCE_S) as process:
        assert process.stdout is not None
        async for line in process.stdout:
            told = json.loads(line)
            if told["event"] == "metrics_readable":
                break
        yield told
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.parametrize("program", OWN)
async def test_a_program_says_where_it_can_be_read_and_is_read_there(
    program: str, tmp_path: Path
) -> None:
    port = find_free_port()
    async with running(program, tmp_path, port) as told, httpx.AsyncClient() as prometheus:
        assert (told["address"], told["port"]) == ("127.0.0.1", port)
        read = (await prometheus.get(f"http://127.0.0.1:{port}/metrics")).text
    assert f'tollgate_build{{program="{program}"' in read
    assert 'tollgate_well{about="ledger"} 1.0' in read
    for each in OWN[program]:
        assert each in read
