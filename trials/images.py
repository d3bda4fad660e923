"""The containers' files as the tools read them that they are for, and both images run.

Compose itself brings the office up, over podman, which answers as Docker's daemon would. The caller
and the carrier are let into the network that both containers share: from one address of loopback to
another podman translates no SIP. Nothing leaves this machine. What cannot be tried on it is said.
"""

import asyncio
import contextlib
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
from urllib.request import Request, urlopen

from lab.addresses import AddressBlock
from lab.caller import Calls, PlacedCall, place_calls
from lab.carrier import Carrier, CarrierCall
from lab.errors import LabError
from lab.telephony import find_telephony
from settings import PortalSettings
from telephony.tools import Telephony, Tool

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".setup/images"
TOLLGATE = "localhost/tollgate:local"
NUMBER = "0033612345678"  # a mobile in France: not in the UK plan
TALK_MS = 3000
MONEY = "10"
UP_WITHIN_S = 300
TRIES = 60
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
# Of this trial alone: what a sandbox allows, and an address of loopback that nobody else has.
OVERRIDE = """\
services:
  prepare: &limits
    ulimits: {{ nofile: 4096, nproc: 4096 }}
  asterisk:
    <<: *limits
    ports: !override
      - {published}:{portal}:{portal}/tcp
  tollgate:
    <<: *limits
"""

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
    run = _run(
        [_tool("docker-compose"), *wanted.options, "config", "--quiet"],
        env={**_plain_environment(), **wanted.variables},
    )
    refused = run.returncode != 0
    if refused == bool(wanted.refusal) and wanted.refusal in run.stderr:
        say(f"compose, {wanted.name}: {'refused' if refused else 'taken'}, as it should be")
        return
    yield f"compose, {wanted.name}: {run.stderr.strip() or 'taken, and should be refused'}"


def why_not_run() -> str | None:
    """Why no container can be run here; None: one can."""
    missing = [name for name in ("podman", "nsenter") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} cannot be found"
    run = _run(["podman", "run", "--rm", *LIMITS, "--entrypoint", "true", TOLLGATE])
    return None if run.returncode == 0 else run.stderr.strip().rpartition("\n")[2]


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


class Office:
    """What compose.yaml describes, run by compose itself; nothing of it stays."""

    def __init__(self, say: Say, folder: Path, block: AddressBlock) -> None:
        network = f"172.28.{secrets.randbelow(200) + 50}"  # inside podman, and routed nowhere
        self.address = f"{network}.10"
        self._published = block.asterisk  # of this machine's loopback
        self._say = say
        self._folder = folder
        self._project = f"tollgate-trial-{secrets.token_hex(4)}"
        self._url = f"unix://{folder / 'podman.sock'}"
        self._env = {
            **_plain_environment(),
            "DOCKER_HOST": self._url,
            "COMPOSE_PROJECT_NAME": self._project,
            "TOLLGATE_CONTAINER_NETWORK": f"{network}.0/24",
            "TOLLGATE_CONTAINER_ADDRESS": self.address,
            "TOLLGATE_TRUNK_HOST": block.carrier,
            "TOLLGATE_METRICS": "true",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Up as compose says that it is, every container healthy.

        Raises:
            LabError: it did not come up.
        """
        override = OVERRIDE.format(published=self._published, portal=PortalSettings().port)
        (self._folder / "trial.yaml").write_text(override, encoding="utf-8")
        with self._daemon():
            try:
                self._up()
                yield
            finally:
                self.compose("down", "--volumes", "--timeout", "5")

    def compose(self, *arguments: str) -> str:
        run = _run(self._command(*arguments), env=self._env)
        if run.returncode != 0:
            raise LabError(f"compose {arguments[0]}: {run.stderr.strip() or run.stdout.strip()}")
        return run.stdout

    def tollgate(self, *command: str) -> Mapping[str, Any]:
        """A command in the container, as docs/docker.md gives it."""
        said = self.compose("exec", "--no-TTY", "tollgate", "tollgate", *command, "--json")
        found: Mapping[str, Any] = json.loads(said)
        return found

    def metrics(self, port: int) -> str:
        """What Prometheus would read, from inside the network that the containers share."""
        url = f"http://127.0.0.1:{port}/metrics"
        read = f"import urllib.request as r; print(r.urlopen({url!r}).read().decode())"
        return self.compose("exec", "--no-TTY", "tollgate", "python3", "-c", read)

    def require_portal(self) -> None:
        """Its page for signing in, as a browser of this machine asks for it.

        Raises:
            LabError: it does not come.
        """
        port = PortalSettings().port
        page = Request(
            f"http://{self._published}:{port}/sign-in", headers={"Host": f"localhost:{port}"}
        )
        try:
            with urlopen(page, timeout=30) as answer:  # noqa: S310 - as above
                self._say(f"the portal answers at its published port: {answer.status}")
        except OSError as error:
            raise LabError(f"the portal: {error}") from error

    def password(self) -> str:
        """Of the phone 1001, as it is printed for whoever registers a softphone."""
        told = self.compose("logs", "--no-color", "prepare")
        found = re.search(r"user 1001, password (\S+), server", told)
        if found is None:
            raise LabError(f"prepare printed no login of a softphone: {told}")
        return found[1]

    def inside(self, tool: Tool) -> Tool:
        """A program of this machine in the network of the office."""
        form = ("inspect", "--format", "{{.State.Pid}}")
        pid = _run(["podman", *form, self._container("asterisk")]).stdout.strip()
        return replace(tool, argv=("nsenter", f"--net=/proc/{pid}/ns/net", *tool.argv))

    @contextmanager
    def _daemon(self) -> Iterator[None]:
        """Podman, answering as Docker's daemon would."""
        daemon = self._begin(["podman", "system", "service", "--time", "0", self._url], "podman")
        try:
            for _ in range(TRIES):
                if _run(["podman", "--remote", "--url", self._url, "version"]).returncode == 0:
                    break
            yield
        finally:
            daemon.terminate()
            daemon.wait()

    def _begin(self, command: Sequence[str | Path], name: str) -> subprocess.Popen[bytes]:
        """Started, with what it says in a file of that name."""
        with (self._folder / f"{name}.log").open("wb") as out:
            return subprocess.Popen(  # noqa: S603 - every command is spelt out in this file
                list(command), cwd=ROOT, env=self._env, stdout=out, stderr=out
            )

    def _up(self) -> None:
        """While compose waits, run the images' own health checks, as no timer does it here."""
        up = ("up", "--wait", "--wait-timeout", str(UP_WITHIN_S), "--no-build")
        waiting = self._begin(self._command(*up), "up")
        while waiting.poll() is None:
            for service in ("asterisk", "tollgate"):
                _run(["podman", "healthcheck", "run", self._container(service)])
            with contextlib.suppress(subprocess.TimeoutExpired):
                waiting.wait(timeout=1)
        if waiting.returncode != 0:
            said = (self._folder / "up.log").read_text(encoding="utf-8")
            raise LabError(f"compose up: {said.strip()}")
        self._say("compose up --wait: every container is healthy")

    def _command(self, *arguments: str) -> list[str | Path]:
        files = ("-f", "compose.yaml", "-f", self._folder / "trial.yaml")
        return [_tool("docker-compose"), *files, *arguments]

    def _container(self, service: str) -> str:
        return f"{self._project}-{service}-1"


def run_and_call(say: Say) -> Charged:
    """Bring the office up, put money in, call abroad through it, and compare.

    Raises:
        LabError: something of it did not work.
    """
    telephony = find_telephony(lambda _: None)
    with AddressBlock() as block, tempfile.TemporaryDirectory(prefix="tollgate-images-") as name:
        folder = Path(name)
        office = Office(say, folder, block)
        with office.running():
            office.tollgate("topup", MONEY)
            before = office.tollgate("balance")
            office.require_portal()
            carrier, placed = asyncio.run(_call(telephony, folder, block, office))
            say(f"a call of {carrier.talk_s:.3f} s, set up within {placed.set_up_s:.1f} s")
            return _compare(office, carrier, before)


async def _call(
    telephony: Telephony, folder: Path, block: AddressBlock, office: Office
) -> tuple[CarrierCall, PlacedCall]:
    sipp = office.inside(telephony.tool("sipp"))
    within = replace(telephony, tools={**telephony.tools, "sipp": sipp})
    async with Carrier(within, folder / "carrier", address=block.carrier) as carrier:
        (placed,) = await place_calls(
            within,
            folder / "caller",
            Calls(
                number=NUMBER,
                user="1001",
                password=office.password(),
                talk_ms=TALK_MS,
                sound=True,
            ),
            address=block.next(),
            server=office.address,
        )
        return await carrier.wait_for(lambda call: call.ended), placed


def _compare(office: Office, carrier: CarrierCall, before: Mapping[str, Any]) -> Charged:
    """Asked until the application has settled: it does so as soon as it hears of the end."""
    for _ in range(TRIES):
        (call,) = office.tollgate("calls")["calls"]
        after = office.tollgate("balance")
        if after["reserved_micros"] == 0:
            break
    if 'tollgate_calls_total{outcome="answered"} 1.0' not in office.metrics(9471):
        raise LabError("the application's metrics do not have the call")
    price = office.tollgate("price", NUMBER, "--seconds", str(math.ceil(carrier.talk_s)))
    return Charged(
        carrier=carrier,
        charged_micros=call["cost_micros"],
        owed_micros=price["charge_micros"],
        before_micros=before["available_micros"],
        after_micros=after["available_micros"],
        reserved_micros=after["reserved_micros"],
        sound=office.tollgate("ledger", "verify")["sound"],
    )


def _plain_environment() -> dict[str, str]:
    """This process's, without what would be taken for a setting of the containers'."""
    ours = ("TOLLGATE", "COMPOSE_", "DOCKER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


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
