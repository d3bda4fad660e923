"""What the dialplan may connect by itself, by the plan and tables that the application uses."""

from dataclasses import replace

from assembly.charging import OfficePlans, plan_files, report_plan, site_of
from charging.patterns import emergency_dialled, free_patterns, included_patterns
from dialplan.render import AsteriskConfig
from settings import Settings

FIRST_OFFICE = "main"


def with_routes(config: AsteriskConfig, settings: Settings) -> AsteriskConfig:
    """Emergency and free numbers, and what is included while the application is away.

    Raises:
        PlanFileError: the plan file cannot be used.
    """
    site = site_of(settings)
    offices = settings.offices
    plans = OfficePlans(settings, plan_files(settings, report_plan))
    plan = plans.plan_of(FIRST_OFFICE if FIRST_OFFICE in offices else next(iter(offices)))
    one_plan = len({office.plan for office in offices.values()}) == 1
    fallback = settings.call.included_without_application and one_plan
    return replace(
        config,
        emergency=emergency_dialled(site),
        free=free_patterns(plan, site) if one_plan else (),
        fallback=included_patterns(plan, site) if fallback else (),
        language=plan.language,
        features=tuple((code, feature) for feature, code in settings.agi.codes if code),
        agi_address=settings.agi.address,
        agi_port=settings.agi.port,
        balance_script=settings.agi.balance_script,
        ring_timeout_s=settings.call.ring_timeout_s,
        allow_transfer=settings.call.allow_transfer,
    )
