"""Alerts, dashboard and runbook name figures and pages that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from agi.metrics import feature_counts
from ari_app.metrics import CallCounts, watch_now
from assembly.ledger_metrics import LedgerCollector
from assembly.metrics import of_commits, registry_of, watch_of, wellness_of
from db.engine import open_engine
from db.schema import upgrade
from payments.metrics import payment_counts
from portal.metrics import MeasuredPages
from settings import MetricsSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker/monitoring"
_METRIC = re.compile(r"\b(?:tollgate|process|python)_[a-z_]+")
OF_PROMETHEUS = {"up"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def figures(engine: Engine) -> frozenset[str]:
    """The name of everything that can be read of any program."""
    registries = [registry_of("ari_app"), *(CollectorRegistry() for _ in range(3))]
    application, agi, payments, portal = registries
    watch_of(application, CallCounts(application).by_event)
    watch_now(application, Whatever(), ari=Whatever(), ami=Whatever())  # type: ignore[arg-type]
    of_commits(application)
    feature_counts(agi)
    payment_counts(payments)
    payments.register(LedgerCollector(engine))
    payments.register(wellness_of({"ledger": lambda: None}))
    MeasuredPages(Whatever(), portal)  # type: ignore[arg-type]
    samples = {s.name for each in registries for family in each.collect() for s in family.samples}
    families = {family.name for each in registries for family in each.collect()}
    return frozenset(samples | families)


class Whatever:
    live_calls = 0
    connected = True

    @property
    def clock(self) -> "Whatever":
        return self

    ahead_s = 0.0


def alerts() -> list[Mapping[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[Mapping[str, Any]]:
    board = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    of_alerts = {f"alert {rule['alert']}": rule["expr"] for rule in alerts()}
    of_panels = {
        f"panel {panel['title']}, {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    }
    return of_alerts | of_panels


def test_every_figure_that_is_looked_at_is_one_that_a_program_has(
    figures: frozenset[str],
) -> None:
    unknown = {
        where: sorted(set(_METRIC.findall(expression)) - figures)
        for where, expression in expressions().items()
    }
    assert {where: names for where, names in unknown.items() if names} == {}


def test_every_figure_of_ours_is_documented(figures: frozenset[str]) -> None:
    documented = set(
        re.findall(r"`(tollgate_[a-z_]+)", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"))
    )
    ours = {name for name in figures if name.startswith("tollgate_")}
    suffixes = ("_total", "_created", "_bucket", "_count", "_sum")

    def is_documented(name: str) -> bool:
        bare = next((name.removesuffix(s) for s in suffixes if name.endswith(s)), name)
        return bool({name, bare, f"{bare}_total"} & documented)

    assert sorted(name for name in ours if not is_documented(name)) == []
    assert documented <= ours


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_page_which_names_it(rule: Mapping[str, Any]) -> None:
    page = ROOT / rule["annotations"]["runbook"]
    text = page.read_text(encoding="utf-8")
    assert f"`{rule['alert']}`" in text
    assert "## What to do" in text or "| what to do |" in text
    assert rule["labels"]["severity"] in {"critical", "warning"}


def test_every_page_is_of_an_alert() -> None:
    named = {ROOT / rule["annotations"]["runbook"] for rule in alerts()}
    assert set((ROOT / "docs/runbook").glob("alert-*.md")) == named


def test_prometheus_reads_each_program_at_the_port_of_the_settings() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    read = {entry["labels"]["program"]: entry["targets"] for entry in job["static_configs"]}
    settings = MetricsSettings()
    assert read == {
        program: [f"{settings.address}:{getattr(settings, f'{program}_port')}"]
        for program in ("ari_app", "agi", "payments", "portal")
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here")
def test_prometheus_itself_takes_the_files() -> None:
    for what, file in (("config", "prometheus.yml"), ("rules", "alerts.yml")):
        said = subprocess.run(
            ["promtool", "check", what, FOLDER / file],  # noqa: S607 - whichever is installed
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stdout + said.stderr
