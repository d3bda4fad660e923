"""What the admin wrote: settings and who may read them, plans, phones, addresses."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from yarl import URL

from admin.checks.findings import Finding, ok, problem, warning
from assembly.offices import OfficesError, Sources, known_managers, plan_file
from charging.managers_settings import ManagersSettings
from charging.offices import Office
from db.engine import file_of
from dialplan.patterns import emergency_dialled, hidden_service
from dialplan.phones import EXAMPLE, Phone, PhonesError, load_phones
from plans.files import PlanFileError, read_plan
from settings import Settings, secret_files, settings_file
from settings.toml_file import parse_toml, read_text

OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_settings(_settings: Settings) -> Iterator[Finding]:
    """They could be read, or no check that needs them would run."""
    file = settings_file()
    if file is None:
        yield warning(
            "there is no settings file: everything is as it comes",
            "write tollgate.toml here, or name it: TOLLGATE_SETTINGS=/etc/tollgate/tollgate.toml",
        )
    else:
        yield ok(f"{file} is valid")


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Who reads the settings can log in to Asterisk; who writes to the ledger has money."""
    exposed = False
    file = settings_file()
    if file is not None and _mode(file) & OTHERS and _holds_secrets(file):
        exposed = True
        yield problem(f"{file} holds passwords and others may read it", f"chmod 600 {file}")
    for secret in secret_files(settings):
        if _mode(secret) & OTHERS:
            exposed = True
            yield problem(
                f"{secret} holds a password and others may read it", f"chmod 600 {secret}"
            )
    for opened in _open_to_others(file_of(settings.database.url)):
        exposed = True
        yield opened
    if not exposed:
        yield ok("what is secret is its owner's alone")


def _open_to_others(ledger: Path | None) -> Iterator[Finding]:
    """SQLite keeps what is newest beside the ledger, in files of their own."""
    if ledger is None:
        return
    beside = [ledger.with_name(ledger.name + end) for end in ("", "-wal", "-shm")]
    files = [file for file in beside if file.exists()]
    chmod = f"chmod 600 {' '.join(map(str, files))}"
    modes = [_mode(file) for file in files]
    if any(mode & OTHERS_WRITE for mode in modes):
        yield problem(
            f"others may write to the ledger {ledger}, and so give themselves money", chmod
        )
    elif any(mode & stat.S_IROTH for mode in modes):
        yield problem(f"everybody on this machine may read the ledger {ledger}", chmod)


def check_addresses(settings: Settings) -> Iterator[Finding]:
    """What can be reached, or is reached, from beyond this machine."""
    beyond = tuple(_beyond_this_machine(settings))
    yield from beyond
    if not beyond:
        yield ok("SIP, ARI, AMI and FastAGI are on this machine alone")


def _beyond_this_machine(settings: Settings) -> Iterator[Finding]:
    sip_address = settings.asterisk.sip_address
    if not is_loopback(sip_address):
        yield warning(
            f"SIP listens on {sip_address}, for phones on the network",
            "right if they are; see that the Internet cannot reach it: a firewall, or a VLAN",
        )
    if settings.ari is not None:
        url = URL(settings.ari.base_url)
        if url.scheme != "https" and not is_loopback(url.host or ""):
            yield warning(
                f"ARI's password crosses the network unencrypted, to {url.host}",
                "let Asterisk listen on 127.0.0.1, or use https or a VPN: [ari] base_url",
            )
    if settings.ami is not None and not is_loopback(settings.ami.host):
        yield warning(
            f"AMI's secret crosses the network unencrypted, to {settings.ami.host}",
            "let Asterisk listen on 127.0.0.1, or use a VPN: [ami] host",
        )


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_plans(settings: Settings) -> Iterator[Finding]:
    for office_id, section in settings.offices.items():
        try:
            office = office_of(settings, office_id)
        except (OfficesError, PlanFileError) as error:
            yield problem(
                f"office {office_id}: {error}",
                f"correct it, or name another plan: [offices.{office_id}] plan;"
                " programs that run keep the last good plan until then",
            )
        else:
            plan = office.plan
            yield ok(f"office {office_id}: the {plan.title} plan ({section.plan}), {plan.currency}")
            yield from _elsewhere(office)


def _elsewhere(office: Office) -> Iterator[Finding]:
    country, sold_in = office.site.country, office.plan.country
    if country != sold_in:
        yield warning(
            f"office {office.id} dials as one does in {country}, and its plan is of {sold_in}",
            f"right if its phones stand in {country}: `tollgate office show` tells who says so",
        )


def office_of(
    settings: Settings, office_id: str, managers: ManagersSettings | None = None
) -> Office:
    """Raises OfficesError, PlanFileError."""
    plan = settings.offices[office_id].plan
    plans = {plan: read_plan(plan_file(settings, plan))}
    known = known_managers(settings) if managers is None else managers
    return Sources(settings=settings, plans=plans, phones=(), managers=known).office(office_id)


def good_offices(settings: Settings) -> dict[str, Office]:
    """Every office whose plan file is good; `check_plans` tells of the others."""
    offices, managers = {}, known_managers(settings)
    for office_id in settings.offices:
        try:
            offices[office_id] = office_of(settings, office_id, managers)
        except (OfficesError, PlanFileError):
            continue
    return offices


def check_phones(settings: Settings) -> Iterator[Finding]:
    file = settings.site.phones_file or EXAMPLE
    try:
        phones = load_phones(file)
        _require_offices(settings, file, phones)
    except PhonesError as error:
        yield problem(str(error), f"correct {file}; it ends with an example")
        return
    yield from shadowing(settings, phones)
    if settings.site.phones_file is None:
        yield warning(
            f"the {len(phones)} phones are the example that comes with Tollgate",
            'copy dialplan/phones.toml, edit it and name it: [site] phones_file = "phones.toml"',
        )
    else:
        yield ok(f"{len(phones)} phones in {file}")


def _require_offices(settings: Settings, file: Path, phones: Sequence[Phone]) -> None:
    for phone in phones:
        if phone.office not in settings.offices:
            raise PhonesError(
                f"{file}: [phones.{phone.endpoint}] is of the office {phone.office!r}, which the"
                " settings lack"
            )


def shadowing(settings: Settings, phones: tuple[Phone, ...]) -> Iterator[Finding]:
    """Extensions that are also something else to dial in their own office."""
    for office in good_offices(settings).values():
        own = [phone for phone in phones if phone.office == office.id]
        yield from _shadowing_in(office, own)


def _shadowing_in(office: Office, phones: Sequence[Phone]) -> Iterator[Finding]:
    emergency = {dialled for dialled, _ in emergency_dialled(office.emergency_sites)}
    countries = sorted({site.country for site in office.emergency_sites})
    for phone in phones:
        hidden = [hidden_service(phone.number, country) for country in countries]
        if phone.number in emergency:
            yield problem(
                f"extension {phone.number} is an emergency number: it would never ring",
                "give the phone another extension",
            )
        elif service := next(filter(None, hidden), None):
            yield warning(
                f"extension {phone.number} hides {service}: who dials that rings a phone",
                "give the phone another extension",
            )


def _mode(file: Path) -> int:
    return file.stat().st_mode


def _holds_secrets(file: Path) -> bool:
    sections: Mapping[str, Any] = parse_toml(read_text(file))
    url = str(sections.get("database", {}).get("url", ""))
    named = ("password" in sections.get("ari", {})) or ("secret" in sections.get("ami", {}))
    return named or make_url(url or "sqlite://").password is not None
