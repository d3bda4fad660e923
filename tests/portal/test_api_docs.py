"""What docs/api.md shows: each example is sent, and what it shows is what comes."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from admin.__main__ import app
from charging.people import Role
from portal.api.once import KEY_HEADER, REPLAYED
from portal.app import portal_app
from tests.portal.money import save_card
from tests.portal.programs import fill, token
from tests.portal.site import HOST, Site

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PORTAL = "https://portal.example"
TOKENS = {"VIEWER": Role.VIEWER, "MANAGER": Role.MANAGER, "CARE": Role.CUSTOMER_CARE}
ANYTHING = "…"


@dataclass
class Request:
    """A command of curl, as far as the document uses it."""

    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    address: str = ""


def shown() -> Iterator[tuple[str, str]]:
    """Each command of the document, and the line below it."""
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL):
        lines = block.strip().splitlines()
        for number, line in enumerate(lines):
            if line.startswith("$ "):
                below = lines[number + 1] if number + 1 < len(lines) else ""
                yield line.removeprefix("$ "), "" if below.startswith("$ ") else below


def parsed(command: str, variables: Mapping[str, str]) -> Request:
    for name, value in variables.items():
        command = command.replace(f"${name}", value)
    request, words = Request(), iter(shlex.split(command)[1:])
    for word in words:
        match word:
            case "-X":
                request.method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                request.headers[name] = value
            case "-d":
                request.body = next(words)
                request.method = "POST" if request.method == "GET" else request.method
            case _:
                request.address = word
    assert request.address.startswith(f"{PORTAL}/api/v1/"), command
    return request


def assert_shown(expected: Any, came: Any, where: str = "") -> None:
    """Equal, but for what is written as dots."""
    if isinstance(expected, dict):
        assert expected.keys() == came.keys(), where
        for name, value in expected.items():
            assert_shown(value, came[name], f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(expected) == len(came), where
        for number, value in enumerate(expected):
            assert_shown(value, came[number], f"{where}[{number}]")
    elif isinstance(expected, str) and ANYTHING in expected:
        pattern = ".*".join(map(re.escape, expected.split(ANYTHING)))
        assert re.fullmatch(pattern, came, re.DOTALL), where
    else:
        assert expected == came, where


async def test_every_request_of_the_document_is_answered_as_it_shows(site: Site) -> None:
    await fill(site, "20")
    await save_card(site)
    tokens = {name: token(site, role) for name, role in TOKENS.items()}
    requests = [pair for pair in shown() if pair[0].startswith("curl ")]
    assert len(requests) > 8
    transport = httpx.ASGITransport(portal_app(site.parts, hosts={HOST}))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        for command, below in requests:
            request = parsed(command, tokens)
            answer = await client.request(
                request.method,
                request.address.removeprefix(PORTAL),
                headers=request.headers,
                content=request.body,
            )
            assert_shown(json.loads(below), answer.json(), command)


def test_every_command_of_the_document_is_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tollgate.toml"
    file.write_text("[offices.main]\n", encoding="utf-8")
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(file))
    commands = [command for command, _ in shown() if command.startswith("tollgate ")]
    assert len(commands) == 3
    for command in ("tollgate ledger prepare", *commands):
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output


def test_the_document_names_the_headers_that_are_read_and_sent() -> None:
    assert KEY_HEADER in TEXT
    assert REPLAYED.title() in TEXT
