"""What the images are made of, by the files that say so; `make images` builds and runs them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings import MetricsSettings, PaymentsSettings, PortalSettings

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCKERFILES = sorted((ROOT / "docker").glob("*/Dockerfile"))


def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def lines(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_every_package_that_ships_goes_into_the_image_and_nothing_else_of_ours_does() -> None:
    packages = {each.partition(".")[0] for each in PROJECT["tool"]["setuptools"]["packages"]}
    let_in = {
        line.removeprefix("!") for line in lines(ROOT / ".dockerignore") if line.startswith("!")
    }
    folders = {each for each in let_in if (ROOT / each).is_dir()}
    assert folders == packages
    assert let_in - folders == {
        *("LICENSE", "NOTICE", "README.md", "pyproject.toml", "requirements/run.txt"),
        *("docker/tollgate/prepare", "docker/tollgate/prepare.py"),
    }


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_an_image_runs_as_nobody_special_and_says_how_it_is(file: Path) -> None:
    last_stage = lines(file)[max(n for n, line in enumerate(lines(file)) if "FROM " in line) :]
    said = [line.split()[0] for line in last_stage]
    assert "USER" in said
    assert "HEALTHCHECK" in said
    user = [line.split()[1] for line in last_stage if line.startswith("USER")]
    assert user[-1] not in {"root", "0"}
    assert lines(file)[0] == "ARG BASE=debian:forky-slim"


def test_both_images_have_one_user() -> None:
    numbers = {
        match
        for file in DOCKERFILES
        for match in re.findall(r"ARG USER_ID=(\d+)", file.read_text(encoding="utf-8"))
    }
    assert len(numbers) == 1


def test_pip_installs_what_is_pinned_and_fetches_nothing_else() -> None:
    text = "\n".join(lines(ROOT / "docker/tollgate/Dockerfile"))
    installs = re.findall(r"pip (?:install|wheel)[^&\n]*", text)
    assert len(installs) == 3
    for install in installs:
        hashes = "--require-hashes -r requirements/run.txt" in install
        nothing = "--no-deps" in install and ("--no-index" in install or "--no-build" in install)
        assert hashes or nothing, install


def test_what_controls_calls_is_published_nowhere() -> None:
    services = compose()["services"]
    published = [port for service in services.values() for port in service.get("ports", ())]
    inside = {re.split(r":(?!-)", port)[-1].partition("/")[0] for port in published}
    for name in ("8088", "5038", "4573", "8182", *map(str, dict(MetricsSettings()).values())):
        assert name not in inside
    browsers = [port for port in published if port.endswith("/tcp")]
    assert sorted(browsers) == [
        f"127.0.0.1:{PortalSettings().port}:{PortalSettings().port}/tcp",
        f"127.0.0.1:{PaymentsSettings().sandbox_port}:{PaymentsSettings().sandbox_port}/tcp",
    ]
    assert services["tollgate"]["network_mode"] == "service:asterisk"


@pytest.mark.parametrize("name", ["prepare", "asterisk", "tollgate"])
def test_no_container_can_do_more_than_it_has_to(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
