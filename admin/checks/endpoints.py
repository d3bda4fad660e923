"""Whether Asterisk and the settings speak of the same phones and carriers, by their names."""

from collections.abc import Iterator, Sequence

from admin.checks.asked import OfRunning
from admin.checks.findings import Finding, listed, ok, warning
from admin.checks.running import SENT, Running, walker_of
from assembly.offices import read_offices
from dialplan.phones import Phone, load_phones
from dialplan.walk.reached import Start
from settings import Settings


@OfRunning
def check_endpoints(settings: Settings, running: Running) -> Iterator[Finding]:
    if settings.site.phones_file is None:
        return
    phones = load_phones(settings.site.phones_file)
    found = [*judge_names(running, phones, settings), *judge_strangers(running, phones, settings)]
    yield from found or [ok("Asterisk's endpoints are the phones and carriers of the settings")]


def judge_names(running: Running, phones: Sequence[Phone], settings: Settings) -> Iterator[Finding]:
    """What the settings name and Asterisk does not have."""
    known = {each.name for each in running.endpoints}
    absent = [each.endpoint for each in phones if each.enabled and each.endpoint not in known]
    if absent:
        yield warning(
            f"Asterisk knows no phone {listed(absent)}: it cannot register",
            f"an endpoint of that name in pjsip.conf, or out with it from"
            f" {settings.site.phones_file}",
        )
    named = settings.trunks if "trunks" in settings.model_fields_set else {}
    for trunk in named:
        if trunk not in known:
            yield warning(
                f"the settings have [trunks.{trunk}], and Asterisk has no such endpoint: its calls"
                " are watched as if it had no limits of its own",
                f"[trunks.NAME] takes the name of an endpoint: {listed(sorted(known))}",
            )


def judge_strangers(
    running: Running, phones: Sequence[Phone], settings: Settings
) -> Iterator[Finding]:
    """Endpoints that reach the application, which refuses whom it does not know."""
    walker = walker_of(running, settings)
    file = settings.site.phones_file
    sites = {office.site for office in read_offices(settings)}
    paid = [f"{site.outside_line_prefix}{site.international_prefix}{SENT}" for site in sites]
    enabled = {each.endpoint for each in phones if each.enabled}
    strangers = [
        each.name
        for each in running.endpoints
        if not each.is_trunk and each.name not in enabled
        if any(walker.walk(Start(context=each.context, dialled=dialled)).asked for dialled in paid)
    ]
    if strangers:
        yield warning(
            f"{listed(strangers)} may dial, and is no phone of {file}: paid calls are refused",
            f"[phones.{strangers[0]}] in {file}, enabled; or another context for it in pjsip.conf",
        )
