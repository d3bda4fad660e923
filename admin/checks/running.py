"""What the running Asterisk says of itself: its dialplan, and who is in which context."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from admin.checks.ami import AmiConversation, AmiRefusedError, logged_in
from admin.checks.pjsip import Endpoint, endpoints_of
from assembly.offices import read_offices
from charging.offices import Office
from dialplan.patterns import emergency_dialled
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
        endpoints = await endpoints_of(settings, dialplan)
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
