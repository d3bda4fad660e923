"""The containers' files as the tools read them that they are for, and both images run.

Both containers share a network namespace that has nothing but loopback, as compose gives them one;
the caller and the carrier are let into it. What cannot be tried on a machine is said.
"""

import asyncio
import json
import math
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.addresses import AddressBlock
from lab.caller import Calls, PlacedCall, place_calls
from lab.carrier import Carrier, CarrierCall
from lab.errors import LabError
from lab.telephony import find_telephony
from telephony.tools import Telephony, Tool

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".setup/images"
ASTERISK, TOLLGATE = "localhost/tollgate-asterisk:local", "localhost/tollgate:local"
NUMBER = "0033612345678"  # a mobile in France: not in the UK plan
TALK_MS = 3000
MONEY = "10"
HEALTHY_WITHIN_S = 120
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
LEAST = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
VOLUMES = ("office", "asterisk", "legs", "sounds")

PASSWORD = "TOLLGATE_DATABASE_PASSWORD"  # noqa: S105 - its name
HOST = ("-f", "compose.yaml", "-f", "docker/compose.host.yaml")
MONITORING = ("-f", "compose.yaml", "-f", "docker/monitoring/compose.yaml")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How compose takes its files, with these options and variables."""

    name: str
    options: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""  # a part of what it says; "": it takes them


COMPOSE = (
    Wanted(name="SQLite"),
    Wanted(name="PostgreSQL", variables={"COMPOSE_PROFILES": "postgresql", PASSWORD: "anything"}),
    Wanted(
        name="PostgreSQL without its password",
        variables={"COMPOSE_PROFILES": "postgresql"},
        refusal=f"{PASSWORD} is missing a value",
    ),
    Wanted(
        name="PostgreSQL by an option alone",
        options=("--profile", "postgresql"),
        refusal="choose PostgreSQL by COMPOSE_PROFILES=postgresql",
    ),
    Wanted(
        name="the machine's network",
        options=HOST,
        variables={"TOLLGATE_PUBLIC_ADDRESS": "192.0.2.10"},
    ),
    Wanted(
        name="the machine's network without its address",
        options=HOST,
        refusal="TOLLGATE_PUBLIC_ADDRESS is missing a value",
    ),
    Wanted(name="Prometheus and Grafana", options=MONITORING),
)


def problems_of_files(say: Say) -> Iterator[str]:
    """What hadolint says of the Dockerfiles, and compose of its own files."""
    dockerfiles = sorted((ROOT / "docker").glob("*/Dockerfile"))
    lint = _run([_tool("hadolint"), "--config", ".hadolint.yaml", "--no-color", *dockerfiles])
    say(f"hadolint: {len(dockerfiles)} Dockerfiles, {len(lint.stdout.splitlines())} remarks")
    yield from lint.stdout.splitlines()
    for wanted in COMPOSE:
        yield from _problems_of_compose(wanted, say)


def _problems_of_compose(wanted: Wanted, say: Say) -> Iterator[str]:
    ours = {name: value for name, value in os.environ.items() if name[:8] != "TOLLGATE"}
    ours.pop("COMPOSE_PROFILES", None)
    run = _run(
        [_tool("docker-compose"), *wanted.options, "config", "--quiet"],
        env={**ours, **wanted.variables},
    )
    refused = run.returncode != 0
    if refused == bool(wanted.refusal) and wanted.refusal in run.stderr:
        say(f"compose, {wanted.name}: {'refused' if refused else 'taken'}, as it should be")
        return
    yield f"compose, {wanted.name}: {run.stderr.strip() or 'taken, and should be refused'}"


def why_not_run() -> str | None:
    """Why no container can be run here; None: one can."""
    if shutil.which("podman") is None or shutil.which("nsenter") is None:
        return "podman and nsenter are not here"
    run = _run(["podman", "run", "--rm", "--network", "none", *LIMITS, TOLLGATE, "true"])
    return None if run.returncode == 0 else f"podman run: {run.stderr.strip().splitlines()[-1:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """One paid call, by the carrier's log and by the ledger in the container."""

    carrier: CarrierCall
    charged_micros: int
    owed_micros: int
    before_micros: int
    after_micros: int
    reserved_micros: int
    sound: bool

    @property
    def problems(self) -> tuple[str, ...]:
        found = {
            f"{self.charged_micros} micros were charged, and {self.owed_micros} are owed": (
                self.charged_micros != self.owed_micros
            ),
            "the balance did not fall by what was charged": (
                self.before_micros - self.after_micros != self.charged_micros
            ),
            "money is still reserved": self.reserved_micros != 0,
            "the ledger does not add up": not self.sound,
        }
        return tuple(problem for problem, is_so in found.items() if is_so)


class Containers:
    """Both, as compose.yaml has them, and nothing of them afterwards."""

    def __init__(self, say: Say, block: AddressBlock) -> None:
        self._say = say
        self._name = f"tollgate-trial-{secrets.token_hex(4)}"
        self._settings = {
            "TOLLGATE_ASTERISK__SIP_ADDRESS": block.asterisk,
            "TOLLGATE_ASTERISK__TRUNK_HOST": block.carrier,
            "TOLLGATE_METRICS__ENABLED": "true",
        }

    @contextmanager
    def running(self) -> Iterator[str]:
        """The password of the phone 1001, once both are healthy."""
        try:
            told = self._podman("run", "--rm", *self._options("none", write=VOLUMES), *PREPARE)
            self._start("asterisk", "none", ASTERISK, write=("asterisk", "legs"))
            self._wait_until_healthy("asterisk")
            shared = f"container:{self._name}-asterisk"
            self._start("tollgate", shared, TOLLGATE, write=("office",))
            self._wait_until_healthy("tollgate")
            yield _password_in(told)
        finally:
            for each in ("tollgate", "asterisk"):
                _run(["podman", "rm", "--force", "--time", "10", f"{self._name}-{each}"])
            for volume in VOLUMES:
                _run(["podman", "volume", "rm", "--force", f"{self._name}-{volume}"])

    def tollgate(self, *command: str) -> Mapping[str, Any]:
        """A command in the container, as `docker compose exec` gives it."""
        said = self._podman("exec", f"{self._name}-tollgate", "tollgate", *command, "--json")
        found: Mapping[str, Any] = json.loads(said)
        return found

    def metrics(self, port: int) -> str:
        """What Prometheus would read, from inside the network that the containers share."""
        url = f"http://127.0.0.1:{port}/metrics"
        read = f"import urllib.request as r; print(r.urlopen({url!r}).read().decode())"
        python = "/opt/tollgate/bin/python"
        return self._podman("exec", f"{self._name}-tollgate", python, "-c", read)

    def inside(self, tool: Tool) -> Tool:
        """A program of this machine in the network of the containers."""
        form = "{{.State.Pid}}"
        pid = self._podman("inspect", "--format", form, f"{self._name}-asterisk").strip()
        return replace(tool, argv=("nsenter", f"--net=/proc/{pid}/ns/net", *tool.argv))

    def _start(self, name: str, network: str, image: str, *, write: Sequence[str]) -> None:
        options = self._options(network, write=write)
        self._podman("run", "--detach", "--name", f"{self._name}-{name}", *options, image)

    def _options(self, network: str, *, write: Sequence[str]) -> list[str]:
        mounts = [
            f"--volume={self._name}-{each}:/srv/{PLACES[each]}{'' if each in write else ':ro'}"
            for each in VOLUMES
        ]
        settings = [f"--env={name}={value}" for name, value in self._settings.items()]
        return ["--network", network, "--tmpfs", "/tmp", *LIMITS, *LEAST, *mounts, *settings]  # noqa: S108

    def _wait_until_healthy(self, name: str) -> None:
        """By the image's own health check, run here: no timer of systemd runs it."""
        container = f"{self._name}-{name}"
        for _ in range(HEALTHY_WITHIN_S):
            if _run(["podman", "healthcheck", "run", container]).returncode == 0:
                self._say(f"{name}: healthy")
                return
            if self._podman("inspect", "--format", "{{.State.Running}}", container) == "false\n":
                break
        said = _run(["podman", "logs", "--tail", "20", container])
        raise LabError(f"{name} is not healthy: {said.stdout}{said.stderr}")

    def _podman(self, *arguments: str) -> str:
        run = _run(["podman", *arguments])
        if run.returncode != 0:
            raise LabError(f"podman {arguments[0]}: {run.stderr.strip() or run.stdout.strip()}")
        return run.stdout


PLACES = {"office": "tollgate", "asterisk": "asterisk", "legs": "legs", "sounds": "sounds"}
PREPARE = (TOLLGATE, "prepare")


def run_and_call(say: Say) -> Charged:
    """Start both, put money in, call abroad through them, and compare.

    Raises:
        LabError: something of it did not work.
    """
    telephony = find_telephony(lambda _: None)
    with AddressBlock() as block, tempfile.TemporaryDirectory(prefix="tollgate-images-") as folder:
        containers = Containers(say, block)
        with containers.running() as password:
            containers.tollgate("topup", MONEY)
            before = containers.tollgate("balance")
            within = _let_in(telephony, containers)
            carrier, placed = asyncio.run(_call(within, Path(folder), block, password))
            say(f"a call of {carrier.talk_s:.3f} s, set up within {placed.set_up_s:.1f} s")
            return _compare(containers, carrier, before)


def _let_in(telephony: Telephony, containers: Containers) -> Telephony:
    sipp = containers.inside(telephony.tool("sipp"))
    return replace(telephony, tools={**telephony.tools, "sipp": sipp})


async def _call(
    telephony: Telephony, folder: Path, block: AddressBlock, password: str
) -> tuple[CarrierCall, PlacedCall]:
    async with Carrier(telephony, folder / "carrier", address=block.carrier) as carrier:
        (placed,) = await place_calls(
            telephony,
            folder / "caller",
            Calls(number=NUMBER, user="1001", password=password, talk_ms=TALK_MS, sound=True),
            address=block.next(),
            server=block.asterisk,
        )
        return await carrier.wait_for(lambda call: call.ended), placed


def _compare(containers: Containers, carrier: CarrierCall, before: Mapping[str, Any]) -> Charged:
    """Asked until the application has settled: it does so as soon as it hears of the end."""
    for _ in range(30):
        (call,) = containers.tollgate("calls")["calls"]
        after = containers.tollgate("balance")
        if after["reserved_micros"] == 0:
            break
    if 'tollgate_calls_total{outcome="answered"} 1.0' not in containers.metrics(9471):
        raise LabError("the application's metrics do not have the call")
    price = containers.tollgate("price", NUMBER, "--seconds", str(math.ceil(carrier.talk_s)))
    return Charged(
        carrier=carrier,
        charged_micros=call["cost_micros"],
        owed_micros=price["charge_micros"],
        before_micros=before["available_micros"],
        after_micros=after["available_micros"],
        reserved_micros=after["reserved_micros"],
        sound=containers.tollgate("ledger", "verify")["sound"],
    )


def _password_in(told: str) -> str:
    found = re.search(r"user 1001, password (\S+), server", told)
    if found is None:
        raise LabError(f"prepare printed no login of a softphone: {told}")
    return found[1]


def _tool(name: str) -> Path:
    """A binary of requirements/images.txt; compose's stands beside the wrapper's library."""
    places = [*TOOLS.glob(f"lib/*/site-packages/compose/{name}"), TOOLS / "bin" / name]
    found = next((each for each in places if each.exists()), None)
    if found is None:
        raise LabError(f"{name} is not there: `make images` installs it")
    return found


def _run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - every command is spelt out above
        list(command), cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
