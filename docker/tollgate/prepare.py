"""`prepare`, in the image of Tollgate: what both containers need, made where it is missing.

Secrets, settings, ledger, sample prices and sounds are made once and are the admin's from then on;
Asterisk's configuration is written anew each time, from the settings and the phones as they are.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from assembly.offices import OfficesError, phones_file, plan_file
from assembly.routes import with_routes
from charging.errors import ChargingUnavailable
from charging.plain_text import escaped
from db.engine import file_of, open_engine
from db.ledger import read_from
from db.rate_decks import decks_in_force
from dialplan.phones import Phone, PhonesError, load_phones
from dialplan.render import (
    PRIVATE_FILE_MODE,
    PRIVATE_FOLDER_MODE,
    AsteriskConfig,
    RenderError,
    Secrets,
    render,
)
from plans.files import SAMPLE_DECKS, PlanFileError, read_plan
from settings import SETTINGS_VARIABLE, Settings, SettingsError, load_settings

ROOT = Path("/srv")
MODULES = Path("/usr/lib/asterisk-modules")  # a link in Asterisk's image, whatever its processor
SHIPPED = Path("/usr/share/asterisk")
SHIPPED_FOLDERS = ("documentation", "rest-api", "static-http")
FILES_MAX = 20_000
PASSWORD_VARIABLE = "POSTGRESQL_PASSWORD"  # noqa: S105 - its name
MANAGER = "manager@example.com"
TEST_CARD = "4242 4242 4242 4242"

SETTINGS = """\
# Written once, by `prepare`; yours from then on. What compose.yaml sets as TOLLGATE_… wins over it.

[database]
url = {url}

[asterisk]
cel_file = "{root}/legs/cel-custom/legs.json"

[ari]
password_file = "{root}/tollgate/secrets/ari"

[ami]
secret_file = "{root}/tollgate/secrets/ami"

[agi]
secret_file = "{root}/asterisk/agi.secret"

[site]
phones_file = "{root}/tollgate/phones.toml"

[prompts]
engine = "pack"
sounds_folder = "{root}/sounds"

[payments]
sandbox_folder = "{root}/tollgate/sandbox"
"""
PHONES = """\
# The desk phones. `docker compose run --rm prepare` gives a new one its password, and
# `docker compose restart asterisk tollgate` lets it register.

[phones.1001]
name = "Reception"

[phones.1002]
name = "Workshop"
"""


class PrepareError(Exception):
    """Something is not as it should be; the message is one sentence."""


PROBLEMS = (
    ChargingUnavailable,
    OfficesError,
    PhonesError,
    PlanFileError,
    PrepareError,
    RenderError,
    SettingsError,
)


def main() -> int:
    try:
        _prepare(ROOT, os.environ)
    except PROBLEMS as error:
        sys.stderr.write(f"prepare: {escaped(str(error))}\n")
        return 1
    return 0


def _prepare(root: Path, environment: Mapping[str, str]) -> None:
    password = environment.get(PASSWORD_VARIABLE, "")
    make_files(root, password)
    settings = load_settings(root / "tollgate/tollgate.toml")
    require_the_same_database(settings, wants_postgresql=bool(password))
    _tollgate(settings, "ledger", "prepare")
    _import_sample_prices(settings)
    _tollgate(settings, "prompts", "build")
    config = asterisk_config(root, settings)
    _make_folders(root, config)
    render(config)
    for line in _what_to_do(settings, config):
        _say(line)
    _tollgate(settings, "user", "add", MANAGER)


def make_files(root: Path, password: str) -> None:
    """Settings, phones and secrets, for their owner alone; what is there stays as it is."""
    state = root / "tollgate"
    for secret in (state / "secrets/ari", state / "secrets/ami", root / "asterisk/agi.secret"):
        _write_once(secret, secrets.token_hex(32))
    _write_once(state / "phones.toml", PHONES)
    _write_once(state / "tollgate.toml", settings_text(root, password))


def settings_text(root: Path, password: str) -> str:
    """The settings of an installation that has none yet; a password means PostgreSQL."""
    url = (
        f"postgresql://tollgate:{quote(password, safe='')}@postgresql/tollgate"
        if password
        else f"sqlite:///{root}/tollgate/ledger.sqlite"
    )
    return SETTINGS.format(root=root, url=json.dumps(url))


def require_the_same_database(settings: Settings, *, wants_postgresql: bool) -> None:
    """A ledger does not move by itself, and must not seem to be empty.

    Raises:
        PrepareError: the settings name the other one.
    """
    if wants_postgresql == (file_of(settings.database.url) is None):
        return
    named, wanted = ("SQLite", "PostgreSQL") if wants_postgresql else ("PostgreSQL", "SQLite")
    raise PrepareError(
        f"{settings.file} keeps the ledger in {named}, and compose's profile wants {wanted}: a"
        " ledger is moved by hand, see docs/docker.md"
    )


def asterisk_config(root: Path, settings: Settings) -> AsteriskConfig:
    """Asterisk as the settings want it; each phone has a password of its own.

    Raises:
        OfficesError, PlanFileError, PhonesError: what makes offices or phones cannot be used.
        PrepareError: the settings lack Asterisk's passwords.
    """
    asterisk, folder = settings.asterisk, root / "asterisk"
    phones = tuple(phone for phone in load_phones(phones_file(settings)) if phone.enabled)
    if settings.ari is None or settings.ami is None:
        raise PrepareError(f"{settings.file} lacks the section [ari] or [ami]")
    config = AsteriskConfig(
        name=asterisk.name,
        folder=folder,
        run_folder=folder / "run",
        modules=MODULES,
        sip_address=asterisk.sip_address,
        public_address=asterisk.public_address,
        sip_port=asterisk.sip_port,
        http_port=asterisk.http_port,
        ami_port=asterisk.ami_port,
        rtp_first_port=asterisk.rtp_first_port,
        rtp_last_port=asterisk.rtp_last_port,
        trunk_host=asterisk.trunk_host,
        trunk_port=asterisk.trunk_port,
        app_name=settings.ari.app_name,
        phones=phones,
        secrets=Secrets(
            ari_password=settings.ari.password.get_secret_value(),
            ami_password=settings.ami.secret.get_secret_value(),
            phones=_phone_passwords(root / "tollgate/secrets/phones.json", phones),
            ari_username=settings.ari.username,
            ami_username=settings.ami.username,
        ),
        offices=(),
        max_files=FILES_MAX,
    )
    return with_routes(config, settings)


# --- what is made once -----------------------------------------------------------------------


def _phone_passwords(file: Path, phones: Sequence[Phone]) -> Mapping[str, str]:
    """By endpoint; a phone that is new gets one, and no other changes."""
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    missing = [phone.endpoint for phone in phones if phone.endpoint not in known]
    known.update({endpoint: secrets.token_urlsafe(18) for endpoint in missing})
    if missing:
        _write(file, json.dumps(known, indent=1))
    return known


def _write_once(file: Path, text: str) -> None:
    if not file.exists():
        _write(file, text)


def _write(file: Path, text: str) -> None:
    """In one step, so that whoever is killed meanwhile leaves the file as it was."""
    file.parent.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.new")
    partial.touch(mode=PRIVATE_FILE_MODE)
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def _make_folders(root: Path, config: AsteriskConfig) -> None:
    """What Asterisk wants to find; its own documentation is in its image."""
    for name in ("db", "spool/cache", "data", "run"):
        (config.folder / name).mkdir(parents=True, exist_ok=True)
    (root / "legs/cel-custom").mkdir(exist_ok=True)
    links = {
        config.folder / "log": root / "legs",
        config.folder / "data/sounds": root / "sounds",
        **{config.folder / "data" / name: SHIPPED / name for name in SHIPPED_FOLDERS},
    }
    for link, target in links.items():
        if not link.is_symlink():
            link.symlink_to(target)


def _import_sample_prices(settings: Settings) -> None:
    """In each currency that has no prices yet, so that a first call can be priced."""
    engine = open_engine(settings.database.url)
    known = {key.currency for key in read_from(engine, decks_in_force)}
    engine.dispose()
    for name, office in settings.offices.items():
        currency = read_plan(plan_file(settings, office.plan)).currency
        sample = SAMPLE_DECKS / f"sample-{currency.lower()}.csv"
        if currency not in known and sample.exists():
            _tollgate(settings, "rates", "import", str(sample), "--office", name)
            _say(f"{sample.name} has sample prices: import your carrier's before anybody calls")
            known.add(currency)


def _tollgate(settings: Settings, *command: str) -> None:
    """A command, which says itself what is wrong.

    Raises:
        PrepareError: it failed.
    """
    run = subprocess.run(  # noqa: S603 - each is spelt out above
        [sys.executable, "-m", "admin", *command],
        env={**os.environ, SETTINGS_VARIABLE: str(settings.file)},
        check=False,
    )
    if run.returncode != 0:
        raise PrepareError(f"`tollgate {' '.join(command)}` failed, see the line above")


# --- what to do now --------------------------------------------------------------------------


def _what_to_do(settings: Settings, config: AsteriskConfig) -> Iterator[str]:
    """Read in `docker compose logs prepare`."""
    server = f"{config.public_address or config.sip_address}:{config.sip_port}"
    yield ""
    yield "Register a softphone (SIP over UDP):"
    for phone in config.phones:
        password = config.secrets.phones[phone.endpoint]
        yield f"  user {phone.endpoint}, password {password}, server {server}"
    codes = settings.agi.codes
    yield f"Dial {codes.balance} to hear the balance, {codes.price} for the price of a number."
    if settings.payments.processor == "sandbox":
        yield f"Cards are charged by a sandbox, no money is real; a card that works: {TEST_CARD}"
    yield f"The portal is {settings.portal.address_for_browsers}; who may use it:"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # in order with what the commands say


if __name__ == "__main__":
    sys.exit(main())
