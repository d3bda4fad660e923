"""What the running Asterisk says of itself: its dialplan, its endpoints, and who is which."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import product

import aiohttp

from admin.checks.ami import AmiConversation, AmiRefusedError, logged_in
from admin.checks.asterisk import AriError, ari_session, get_json
from assembly.offices import read_offices
from charging.offices import Office
from dialplan.contexts import OUR_TRUNKS
from dialplan.patterns import emergency_dialled
from dialplan.phones import EXAMPLE, Phone, PhonesError, load_phones
from dialplan.walk.listing import dialplan_of
from dialplan.walk.lookup import Dialplan
from dialplan.walk.names import names_read
from dialplan.walk.reached import Start
from dialplan.walk.verdict import PAID_MS
from dialplan.walk.walker import Walker
from dialplan.witnesses import witnesses
from settings import Settings

TIMEOUT_S = 10  # a dialplan of 30,000 priorities takes a second or two
VARIABLES_MAX = 500
HELP_MAX = 8  # numbers for help: those of all offices begin with the plainest
NAMES_IN_NAMES_MAX = 5  # ${A_${B_${C}}}
SENT = "33142685300"  # to see what a paid call's trunk does with it
_NAME = re.compile(r"\$\{(\w+)[:}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Of PJSIP, as Asterisk has it now."""

    name: str
    context: str
    allow_transfer: bool
    is_trunk: bool
    variables: Mapping[str, str] = field(default_factory=dict)  # that its channels begin with


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the running Asterisk says of itself."""

    dialplan: Dialplan
    variables: Mapping[str, str]  # global ones
    endpoints: Sequence[Endpoint]

    def trunks(self) -> frozenset[str]:
        return frozenset(each.name for each in self.endpoints if each.is_trunk)


def walker_of(running: Running, settings: Settings) -> Walker:
    app_name = "tollgate" if settings.ari is None else settings.ari.app_name
    return Walker(running.dialplan, app_name=app_name, variables=running.variables)


async def running_asterisk(settings: Settings) -> Running:
    """Raises AmiError, AriError, OfficesError, PlanFileError."""
    assert settings.ami is not None  # noqa: S101 - seen to by whoever calls
    async with logged_in(settings.ami, timeout_s=TIMEOUT_S) as ami:
        dialplan = dialplan_of(await ami.whole_dialplan())
        endpoints = await _endpoints(settings)
        contexts = {each.context for each in endpoints}
        numbers = _of_every_kind(read_offices(settings))
        variables = await _variables(ami, dialplan, contexts, numbers)
    return Running(dialplan=dialplan, variables=variables, endpoints=endpoints)


def _of_every_kind(offices: Sequence[Office]) -> Collection[str]:
    """Of what one reads on its way, another may read nothing; so a number of each."""
    sites = [site for office in offices for site in office.emergency_sites]
    found = {f"00{SENT}", *(dialled for dialled, _ in emergency_dialled(sites)[:HELP_MAX])}
    for office in offices:
        kinds = {each.category: each.dialled for each in witnesses(office.plan, office.site)}
        found |= set(kinds.values())
    return found


async def _variables(
    ami: AmiConversation, dialplan: Dialplan, contexts: Collection[str], numbers: Collection[str]
) -> Mapping[str, str]:
    """The global ones that it reads. One that is not set has no value, or an empty one.

    Of `${OUT_${DIAL_TRUNK}}` only a walk says which are read.
    """
    names = {
        name
        for context in dialplan.contexts.values()
        for extension in context.extensions
        for step in extension.steps
        for name in _NAME.findall(step.data)
    }
    found = dict(await _asked(ami, names))
    asked = set(names)
    # A name that the dialplan puts together is none that Asterisk sets by itself: unset is empty.
    put_together = tuple(filter(None, names_read(dialplan)[1]))
    for _ in range(NAMES_IN_NAMES_MAX):
        walker = Walker(dialplan, variables=found)
        for context, dialled in product(sorted(contexts), sorted(numbers)):
            walker.walk(Start(context=context, dialled=dialled, paid_ms=PAID_MS))
        more = walker.names_wanted - asked
        if not more:
            break
        asked |= more
        found |= dict.fromkeys((name for name in more if name.startswith(put_together)), "")
        found |= dict(await _asked(ami, more))
    return found


async def _asked(ami: AmiConversation, names: Collection[str]) -> Sequence[tuple[str, str]]:
    found = []
    for name in sorted(names)[:VARIABLES_MAX]:
        try:
            value = (await ami.ask("Getvar", Variable=name)).get("Value", "")
        except AmiRefusedError:
            continue
        if value:
            found.append((name, value))
    return found


async def _endpoints(settings: Settings) -> Sequence[Endpoint]:
    phones = frozenset(phone.endpoint for phone in phones_of(settings))
    async with ari_session(settings) as session:
        status, known = await get_json(session, "endpoints")
        if status != HTTPStatus.OK:
            raise AriError(f"it does not list its endpoints: status {status}")
        names = sorted(each["resource"] for each in known if each.get("technology") == "PJSIP")
        found = [await _endpoint(session, name, settings, phones) for name in names]
    return [each for each in found if each is not None]


async def _endpoint(
    session: aiohttp.ClientSession, name: str, settings: Settings, phones: Collection[str]
) -> Endpoint | None:
    fields = await _fields(session, "endpoint", name)
    if fields is None:
        return None
    is_trunk = name in settings.trunks or name in OUR_TRUNKS
    if not is_trunk and name not in phones:
        aors = [aor.strip() for aor in fields.get("aors", "").split(",") if aor.strip()]
        known = [await _fields(session, "aor", aor) for aor in aors]
        # Somebody with an address of their own is no phone that registers.
        is_trunk = any(aor and aor.get("contact") for aor in known)
    return Endpoint(
        name=name,
        context=fields.get("context", "default"),
        allow_transfer=fields.get("allow_transfer") in {"yes", "true"},
        is_trunk=is_trunk,
        variables=_assigned(fields.get("set_var", "")),
    )


def _assigned(text: str) -> Mapping[str, str]:
    """`set_var` of an endpoint, one `name=value` a line."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, found, value in pairs if found}


async def _fields(session: aiohttp.ClientSession, kind: str, name: str) -> Mapping[str, str] | None:
    """An object of PJSIP's configuration; None: gone meanwhile."""
    status, said = await get_json(session, f"asterisk/config/dynamic/res_pjsip/{kind}/{name}")
    if status != HTTPStatus.OK:
        return None
    found: dict[str, str] = {}
    for each in said:
        before = found.get(each["attribute"])
        found[each["attribute"]] = each["value"] if before is None else f"{before}\n{each['value']}"
    return found


def phones_of(settings: Settings) -> Sequence[Phone]:
    try:
        return load_phones(settings.site.phones_file or EXAMPLE)
    except PhonesError:
        return ()  # said by check_phones
