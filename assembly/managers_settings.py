"""What a manager sets, from the command line or the portal: one way for both."""

from sqlalchemy import Engine

from assembly.offices import Sources
from charging.managers_settings import SettingChange, allowed_change
from db.managers_settings import store_setting


def change_setting(
    engine: Engine, sources: Sources, change: SettingChange, *, client_address: str = ""
) -> SettingChange:
    """Keep what a manager sets or unsets; programs that run follow within seconds.

    Returns:
        The change as it is kept, its value written in one way.

    Raises:
        UnknownOffice, UnknownExtension: the office is none, or has no such extension.
        SettingRefused: a file says it, or it cannot be so.
        ChargingUnavailable: the database is away. In all cases nothing was changed.
    """
    fixed = sources.fixed(change.office_id, change.endpoint)
    allowed = allowed_change(change, fixed=fixed)
    store_setting(engine, allowed, client_address=client_address)
    return allowed
