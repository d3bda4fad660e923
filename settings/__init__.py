"""One settings file per site, read once by an entry point and passed down.

The file is TOML; `TOLLGATE_SETTINGS` names it, and `TOLLGATE_<SECTION>__<FIELD>` overrides one
field (for example `TOLLGATE_DATABASE__URL`). No other module reads these.
"""

from settings.model import (
    SETTINGS_VARIABLE,
    AgiSettings,
    AmiSettings,
    AriSettings,
    AsteriskSettings,
    CallSettings,
    DatabaseSettings,
    FeatureCodes,
    OfficeSettings,
    PaymentsSettings,
    PortalSettings,
    PromptSettings,
    Settings,
    SettingsError,
    SiteSettings,
    load_settings,
    settings_file,
)

__all__ = [
    "SETTINGS_VARIABLE",
    "AgiSettings",
    "AmiSettings",
    "AriSettings",
    "AsteriskSettings",
    "CallSettings",
    "DatabaseSettings",
    "FeatureCodes",
    "OfficeSettings",
    "PaymentsSettings",
    "PortalSettings",
    "PromptSettings",
    "Settings",
    "SettingsError",
    "SiteSettings",
    "load_settings",
    "settings_file",
]
