"""What the dialplan may connect by itself, by the plan and tables that the application uses."""

from dataclasses import replace
from pathlib import Path

from assembly.charging import report_plan
from assembly.plans import OfficePlans, plan_files
from assembly.sites import OfficeSites, site_for
from dialplan.patterns import emergency_dialled, free_patterns, included_patterns
from dialplan.render import TONES, TONES_ELSEWHERE, AsteriskConfig, Secrets, Trunk
from settings import Settings
from settings.model import TrunkSettings

FIRST_OFFICE = "main"


def own_asterisk(settings: Settings) -> AsteriskConfig:
    """For an Asterisk that the admin configures: only its dialplan is ours, so it has no secrets.

    Raises:
        PlanFileError: the plan file cannot be used.
    """
    config = AsteriskConfig(
        name=settings.asterisk.name,
        folder=Path("/etc/asterisk"),
        run_folder=Path("/run/asterisk"),
        modules=Path("/usr/lib/asterisk/modules"),
        sip_address=settings.asterisk.sip_address,
        trunk_host=settings.asterisk.trunk_host,
        phones=(),
        secrets=Secrets(ari_password="", ami_password="", phones={}),
        emergency=(),
    )
    if settings.ari is not None:
        config = replace(config, app_name=settings.ari.app_name)
    return with_routes(config, settings)


def with_routes(config: AsteriskConfig, settings: Settings) -> AsteriskConfig:
    """Emergency and free numbers, and what is included while the application is away.

    Raises:
        PlanFileError: the plan file cannot be used.
    """
    offices = settings.offices
    plans = OfficePlans(settings, plan_files(settings, report_plan))
    plan = plans.plan_of(FIRST_OFFICE if FIRST_OFFICE in offices else next(iter(offices)))
    site = site_for(plan, settings.site)
    one_plan = len({office.plan for office in offices.values()}) == 1
    fallback = settings.call.included_without_application and one_plan
    return replace(
        config,
        emergency=emergency_dialled(OfficeSites(settings, plans).sites()),
        free=free_patterns(plan, site) if one_plan else (),
        fallback=included_patterns(plan, site) if fallback else (),
        language=plan.language,
        tones=TONES.get(site.country, TONES_ELSEWHERE),
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


def _trunk(settings: Settings) -> Trunk:
    """Of the endpoint that pjsip.conf calls so."""
    wanted = settings.trunks.get("trunk", TrunkSettings())
    return Trunk(rtp_timeout_s=wanted.rtp_timeout_s, timers=wanted.timers)
