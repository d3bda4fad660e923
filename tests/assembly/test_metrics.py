"""What Prometheus reads of a process, where it reads it, and that nobody has to let it."""

import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from assembly.health import LEDGER
from assembly.metrics import known, of_commits, readable, registry_of
from lab.ports import find_free_port
from settings import SettingsError, SharedSections


def settings_with(tmp_path: Path, **fields: object) -> SharedSections:
    database = {"url": f"sqlite:///{tmp_path / 'ledger.sqlite'}"}
    return SharedSections.model_validate({"database": database, "metrics": fields})


async def read(port: int) -> str:
    async with httpx.AsyncClient() as prometheus:
        answer = await prometheus.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    return answer.text


async def test_figures_are_read_on_loopback_where_the_settings_say_so(tmp_path: Path) -> None:
    port = find_free_port()
    settings = settings_with(tmp_path, enabled=True, agi_port=port)
    registry = registry_of("agi")
    of_commits(registry)(3, 2_000_000)
    problems: list[str | None] = [None, "database is locked"]
    async with readable("agi", settings, registry, {LEDGER: lambda: problems.pop(0)}):
        well, unwell = await read(port), await read(port)
    assert 'tollgate_build{program="agi",version="' in well
    assert "tollgate_ledger_commands_total 3.0" in well
    assert 'tollgate_ledger_commit_seconds_bucket{le="0.0025"} 1.0' in well
    assert "process_resident_memory_bytes" in well
    assert 'tollgate_well{about="ledger"} 1.0' in well
    assert 'tollgate_well{about="ledger"} 0.0' in unwell
    with pytest.raises(httpx.ConnectError):
        await read(port)


async def test_nobody_reads_anything_unless_the_settings_say_so(tmp_path: Path) -> None:
    port = find_free_port()
    settings = settings_with(tmp_path, agi_port=port)
    async with readable("agi", settings, registry_of("agi"), {}):
        with pytest.raises(httpx.ConnectError):
            await read(port)


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = settings_with(tmp_path, enabled=True, portal_port=port)
        with pytest.raises(SettingsError, match=f"metrics: port {port} of 127.0.0.1 cannot be"):
            async with readable("portal", settings, CollectorRegistry(), {}):
                pass


def test_metrics_never_leave_this_machine(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not of this machine alone"):
        settings_with(tmp_path, address="192.0.2.1")


def test_a_label_has_a_value_that_is_listed() -> None:
    values = frozenset({"debit", "reserve"})
    assert [known(each, values) for each in ("debit", "0033612345678", None)] == [
        *("debit", "other", "other")
    ]
