"""`python -m portal`: a real process on a free port."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from assembly.health import ask
from lab.ports import find_free_port
from portal.__main__ import hosts_of
from settings import PortalSettings, load_settings
from tests.programs import make_ledger, python_program

PATIENCE_S = 60


def prepared(folder: Path, port: int) -> Path:
    make_ledger(folder)
    file = folder / "tollgate.toml"
    file.write_text(f"[portal]\nport = {port}\n", encoding="utf-8")
    return file


async def ready(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


async def test_it_serves_pages_and_its_health_and_ends_when_told(tmp_path: Path) -> None:
    port = find_free_port()
    file = prepared(tmp_path, port)
    async with python_program("-m", "portal", str(file), patience_s=PATIENCE_S) as process:
        assert (await ready(process))["url"] == f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
            page = await browser.get("/sign-in")
        assert page.status_code == 200
        assert "server" not in page.headers
        assert (await ask("portal", load_settings(file))).problems == {}
        process.terminate()
        assert await process.wait() == 0


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = prepared(tmp_path, taken.getsockname()[1])
        program = python_program("-m", "portal", str(file), patience_s=PATIENCE_S)
        async with program as process:
            assert await process.wait() == 78
            assert process.stderr is not None
            said = (await process.stderr.read()).decode()
    assert "cannot be listened at" in said


def test_only_hosts_that_are_ours_are_answered() -> None:
    assert hosts_of(PortalSettings()) == {"127.0.0.1:8181", "localhost:8181"}
    public = PortalSettings(address="0.0.0.0", public_url="https://t.example")  # noqa: S104
    assert hosts_of(public) == {"t.example"}


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "0.0.0.0"},  # noqa: S104 - what is refused
        {"address": "here"},
        {"public_url": "https://t.example/"},
        {"public_url": "t.example"},
    ],
)
def test_a_portal_for_the_network_wants_the_name_it_is_reached_by(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"public_url|address"):
        PortalSettings.model_validate(fields)
