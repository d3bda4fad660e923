"""What set-up would write on a machine, and why: the same plan again once it is written."""

import secrets
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from admin.setup import asterisk_files, contexts, places, units
from admin.setup.asterisk_plan import AsteriskPlan
from admin.setup.found import Found
from admin.setup.items import Item, MakeFolder, MakeLink, Plan, PutFile
from admin.setup.machine import ABSENT, Machine, SetupError
from admin.setup.settings_file import Connections, settings_toml
from assembly.offices import OfficesError
from assembly.routes import own_asterisk
from charging.language import LANGUAGES
from dialplan.phones import PhonesError
from dialplan.render import RenderError, rendered_dialplan
from plans.files import PlanFileError
from prompts.playing import FOLDER
from settings import Settings, SettingsError

SECRET_BYTES = 32
_UNUSABLE = (ValueError, SettingsError, PhonesError, OfficesError, PlanFileError, RenderError)
OWN_TRUNKS = (
    "an extension of your own that dials a trunk is none of Tollgate's business until it says"
    " Goto(tollgate,NUMBER,1): `tollgate doctor` names each by which nobody pays"
)
OWN_PHONES = (
    "where you dial a phone, Gosub(tollgate-phone-contacts,s,1(ENDPOINT)) returns what to dial;"
    " and each phone of pjsip.conf wants contact_deny = the addresses of your trunks"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the admin says on the command line; kept for the next run."""

    plan: str = "uk"
    contexts: Mapping[str, str] = field(default_factory=dict)  # of phones, each with its office
    trunks: tuple[str, ...] = ()  # PJSIP endpoints of carriers; the first is dialled
    program: Path = places.COMMAND  # the `tollgate` that is installed


def new_secret() -> str:
    return secrets.token_hex(SECRET_BYTES)


def make_plan(
    machine: Machine, found: Found, wishes: Wishes, *, secret: Callable[[], str] = new_secret
) -> Plan:
    """Read what is there, and say what is lacking.

    Raises:
        SetupError: a file cannot be read, or the settings that are there cannot be used.
    """
    if refused := found.refusals():
        return Plan(items=(), refused=refused)
    asterisk = AsteriskPlan(machine, found, trunks=wishes.trunks)
    proofs = _secret_files(machine, found, secret)
    servers, connections = asterisk.servers(
        ari_password=proofs[places.ARI_PASSWORD].text.strip(),
        ami_secret=proofs[places.AMI_SECRET].text.strip(),
    )
    phones = _phones(machine, asterisk, wishes)
    settings = _settings(machine, connections, wishes, phones=bool(phones))
    rendered = _rendered(settings.text, phones.text if phones else "")
    items = [
        *_folders(found),
        *proofs.values(),
        *servers,
        *([phones] if phones else []),
        settings,
        *asterisk.dialplan(rendered),
        *_sounds(found),
        *_system(machine, found, wishes),
        *asterisk.admins_files(wishes.contexts),
    ]
    told = [*asterisk.told, *_remains(asterisk, wishes, phones=bool(phones))]
    return Plan(items=list(_with_folders(machine, items)), told=told)


def _with_folders(machine: Machine, items: Sequence[Item]) -> Iterator[Item]:
    """What is not there yet of the folders above each item, before it."""
    planned = {item.path for item in items}
    for item in items:
        for folder in reversed(item.path.parents):
            if folder not in planned and not machine.exists(folder):
                planned.add(folder)
                yield MakeFolder(path=folder, why=item.why)
        yield item


# --- folders and secrets ------------------------------------------------------------------------


def _folders(found: Found) -> Iterator[Item]:
    yield MakeFolder(path=places.SETTINGS_FOLDER, why="settings")
    yield MakeFolder(
        path=places.LEDGER_FOLDER,
        why=f"the ledger: only the system user {places.USER} may enter",
        mode=0o750,
        owner=places.USER,
        group=places.USER,
    )
    yield MakeFolder(
        path=places.LOG_FOLDER,
        why="Asterisk's log of legs: Asterisk writes it, Tollgate reads it, nobody else does",
        mode=0o2750,
        owner=found.user,
        group=places.USER,
    )
    yield MakeFolder(
        path=found.etc / places.OURS, why="what Asterisk is given, in files of Tollgate's own"
    )


def _secret_files(
    machine: Machine, found: Found, secret: Callable[[], str]
) -> Mapping[Path, PutFile]:
    """Each is made once; the one that is there stays."""

    def file(path: Path, why: str, *, owner: str, mode: int) -> PutFile:
        there = machine.content(path)
        return PutFile(
            path=path,
            content=there or f"{secret()}\n".encode(),
            why=why,
            mode=mode,
            owner=owner,
            group=places.USER,
            secret=True,
        )

    shared = "what feature codes prove themselves with: Asterisk and Tollgate may read it"
    files = (
        file(places.ARI_PASSWORD, "the password for ARI", owner=places.USER, mode=0o600),
        file(places.AMI_SECRET, "the secret for AMI", owner=places.USER, mode=0o600),
        file(places.AGI_SECRET, shared, owner=found.user, mode=0o640),
    )
    return {each.path: each for each in files}


# --- settings and phones ------------------------------------------------------------------------


def _phones(machine: Machine, asterisk: AsteriskPlan, wishes: Wishes) -> PutFile | None:
    """Those of pjsip.conf, written once; None: there is no list, and nothing to make one of."""
    there = machine.content(places.PHONES_FILE)
    found = list(contexts.phones_in(asterisk.pjsip, wishes.contexts))
    if there is None and not found:
        return None
    named = ", ".join(wishes.contexts)
    return PutFile(
        path=places.PHONES_FILE,
        content=there or contexts.phones_toml(found).encode(),
        why=f"the {len(found)} phones of pjsip.conf whose calls begin in {named}",
        yours=True,
    )


def _settings(
    machine: Machine, connections: Connections, wishes: Wishes, *, phones: bool
) -> PutFile:
    """Written once; those that are there say how things are."""
    there = machine.content(places.SETTINGS_FILE)
    offices = list(dict.fromkeys(wishes.contexts.values())) or ["main"]
    text = settings_toml(connections, plan=wishes.plan, offices=offices, phones=phones)
    return PutFile(
        path=places.SETTINGS_FILE,
        content=there or text.encode(),
        why="the settings; what is secret is in files of its own",
        yours=True,
    )


@lru_cache
def _rendered(settings: str, phones: str) -> Mapping[str, str]:
    """Our contexts by settings, and phones, that may not be written yet.

    Raises:
        SetupError: they cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            fields = tomllib.loads(settings)
            if phones:
                file = Path(folder) / places.PHONES_FILE.name
                file.write_text(phones, encoding="utf-8")
                fields["site"] = {**fields.get("site", {}), "phones_file": file}
            return rendered_dialplan(own_asterisk(Settings.model_validate(fields)))
        except _UNUSABLE as error:
            raise SetupError(f"{places.SETTINGS_FILE} cannot be used: {error}") from error


# --- sounds, the command, systemd ---------------------------------------------------------------


def _sounds(found: Found) -> Iterator[Item]:
    yield MakeFolder(path=places.SOUNDS, why="what callers hear", made=True)
    for language in LANGUAGES:
        yield MakeLink(
            path=found.data / "sounds" / language / FOLDER,
            target=places.SOUNDS / language / FOLDER,
            why="where Asterisk looks for sounds",
        )


def _system(machine: Machine, found: Found, wishes: Wishes) -> Iterator[Item]:
    if wishes.program != places.COMMAND:
        now = machine.state(places.COMMAND)
        if now == ABSENT or now.target == str(wishes.program):
            why = "the command, where every shell finds it"
            yield MakeLink(path=places.COMMAND, target=wishes.program, why=why)
    yield PutFile(
        path=places.SERVICE,
        content=units.service(wishes.program).encode(),
        why="starts Tollgate, watches it, and opens nothing to it that it does not need",
    )
    yield PutFile(
        path=places.LOGROTATE,
        content=units.logrotate(found.user).encode(),
        why="keeps the log of legs small",
    )


# --- what remains -------------------------------------------------------------------------------


def _remains(asterisk: AsteriskPlan, wishes: Wishes, *, phones: bool) -> Sequence[str]:
    """What no program should decide for the admin."""
    told = []
    missing = asterisk_files.modules_missing(asterisk.conf("modules.conf"))
    if missing:
        named = ", ".join(missing)
        told.append(f"modules.conf keeps from Asterisk what Tollgate needs: {named}")
    if not wishes.contexts:
        for name, endpoints in contexts.contexts_of_endpoints(asterisk.pjsip).items():
            told.append(
                f"the calls of {', '.join(endpoints)} begin in [{name}]: for phones, that is"
                f" --phones-context {name}; for a carrier, --trunk ENDPOINT"
            )
    if not phones:
        told.append(
            f"list your phones in {places.PHONES_FILE}, and name it in {places.SETTINGS_FILE}:"
            f' [site] phones_file = "{places.PHONES_FILE.name}"'
        )
    return [*told, OWN_TRUNKS, OWN_PHONES]
