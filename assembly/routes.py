"""What the dialplan may connect by itself, by the plan and tables that the application uses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from assembly.charging import report_plan
from assembly.plans import OfficePlans, plan_files
from assembly.sites import site_at, site_for
from charging.plan import Plan
from dialplan.office_routes import TONES, TONES_ELSEWHERE, OfficeRoutes
from dialplan.patterns import emergency_dialled, free_patterns, included_patterns
from dialplan.phones import EXAMPLE, Phone, load_phones
from dialplan.render import AsteriskConfig, Secrets, Trunk
from settings import Settings
from settings.model import TrunkSettings


def own_asterisk(settings: Settings) -> AsteriskConfig:
    """For an Asterisk that the admin configures: only its dialplan is ours, so it has no secrets.

    Raises:
        PlanFileError: a plan file cannot be used.
        PhonesError: the phones file cannot be used.
    """
    config = AsteriskConfig(
        name=settings.asterisk.name,
        folder=Path("/etc/asterisk"),
        run_folder=Path("/run/asterisk"),
        modules=Path("/usr/lib/asterisk/modules"),
        sip_address=settings.asterisk.sip_address,
        trunk_host=settings.asterisk.trunk_host,
        phones=tuple(phone for phone in _phones(settings) if phone.enabled),
        secrets=Secrets(ari_password="", ami_password="", phones={}),
        offices=(),
    )
    if settings.ari is not None:
        config = replace(config, app_name=settings.ari.app_name)
    return with_routes(config, settings)


def with_routes(config: AsteriskConfig, settings: Settings) -> AsteriskConfig:
    """Emergency and free numbers, and what is included while the application is away.

    Raises:
        PlanFileError: the plan file cannot be used.
    """
    plans = OfficePlans(settings, plan_files(settings, report_plan))
    offices = {office_id: plans.plan_of(office_id) for office_id in settings.offices}
    return replace(
        config,
        offices=tuple(_routes_of(name, plan, settings) for name, plan in offices.items()),
        features=tuple((code, feature) for feature, code in settings.agi.codes if code),
        agi_address=settings.agi.address,
        agi_port=settings.agi.port,
        balance_script=settings.agi.balance_script,
        agi_secret_file=settings.agi.secret_file,
        trunk=_trunk(settings),
        phone_rtp_timeout_s=settings.asterisk.phone_rtp_timeout_s,
        ring_timeout_s=settings.call.ring_timeout_s,
        allow_transfer=settings.call.allow_transfer,
        forwarded_calls=settings.call.forwarded_calls,
    )


def _routes_of(name: str, plan: Plan, settings: Settings) -> OfficeRoutes:
    site = site_for(plan, settings.site)
    fallback = settings.call.included_without_application
    return OfficeRoutes(
        name=name,
        emergency=emergency_dialled((site, site_at(plan.country, settings.site))),
        free=free_patterns(plan, site),
        fallback=included_patterns(plan, site) if fallback else (),
        language=plan.language,
        tones=TONES.get(site.country, TONES_ELSEWHERE),
    )


def _phones(settings: Settings) -> Sequence[Phone]:
    return load_phones(settings.site.phones_file or EXAMPLE)


def _trunk(settings: Settings) -> Trunk:
    """Of the endpoint that pjsip.conf calls so."""
    wanted = settings.trunks.get("trunk", TrunkSettings())
    return Trunk(rtp_timeout_s=wanted.rtp_timeout_s, timers=wanted.timers)
