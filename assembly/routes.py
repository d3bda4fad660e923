"""What the dialplan may connect by itself, by the plan and tables that the application uses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from assembly.offices import phones_file, read_offices
from charging.offices import Office
from dialplan.office_routes import TONES, TONES_ELSEWHERE, OfficeRoutes
from dialplan.patterns import emergency_dialled, free_patterns, included_patterns
from dialplan.phones import Phone, load_phones
from dialplan.render import AsteriskConfig, Secrets, Trunk
from settings import Settings
from settings.model import TrunkSettings


def own_asterisk(settings: Settings) -> AsteriskConfig:
    """For an Asterisk that the admin configures: only its dialplan is ours, so it has no secrets.

    Raises:
        OfficesError, PlanFileError: an office's settings or plan cannot be used.
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
        OfficesError, PlanFileError: an office's settings or plan cannot be used.
    """
    fallback = settings.call.included_without_application
    return replace(
        config,
        offices=tuple(_routes_of(each, fallback=fallback) for each in read_offices(settings)),
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


def _routes_of(office: Office, *, fallback: bool) -> OfficeRoutes:
    return OfficeRoutes(
        name=office.id,
        emergency=emergency_dialled(office.emergency_sites),
        free=free_patterns(office.plan, office.site),
        fallback=included_patterns(office.plan, office.site) if fallback else (),
        language=office.language,
        tones=TONES.get(office.site.country, TONES_ELSEWHERE),
    )


def _phones(settings: Settings) -> Sequence[Phone]:
    return load_phones(phones_file(settings))


def _trunk(settings: Settings) -> Trunk:
    """Of the endpoint that pjsip.conf calls so."""
    wanted = settings.trunks.get("trunk", TrunkSettings())
    return Trunk(rtp_timeout_s=wanted.rtp_timeout_s, timers=wanted.timers)
