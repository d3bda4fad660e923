"""One settings file per site, read once by an entry point and passed down.

The file is TOML; `TOLLGATE_SETTINGS` names it, and `TOLLGATE_<SECTION>__<FIELD>` overrides one
field (for example `TOLLGATE_DATABASE__URL`). No other module reads these. Each process reads the
sections that it needs, and no other: `load_sections`.
"""

from settings.model import (
    AgiSections,
    AgiSettings,
    AmiSettings,
    ApplicationSections,
    AriSettings,
    AsteriskSettings,
    CallSettings,
    DatabaseSettings,
    FeatureCodes,
    MailServerSettings,
    MetricsSettings,
    NoticeSettings,
    OfficeSettings,
    PaymentSections,
    PaymentsSettings,
    PortalSections,
    PortalSettings,
    PromptSettings,
    Settings,
    SharedSections,
    SiteSettings,
    TopUpSections,
    TopUpSettings,
)
from settings.reading import (
    SETTINGS_VARIABLE,
    SettingsError,
    load_sections,
    load_settings,
    problems_of,
    secret_files,
    settings_file,
)

__all__ = [
    "SETTINGS_VARIABLE",
    "AgiSections",
    "AgiSettings",
    "AmiSettings",
    "ApplicationSections",
    "AriSettings",
    "AsteriskSettings",
    "CallSettings",
    "DatabaseSettings",
    "FeatureCodes",
    "MailServerSettings",
    "MetricsSettings",
    "NoticeSettings",
    "OfficeSettings",
    "PaymentSections",
    "PaymentsSettings",
    "PortalSections",
    "PortalSettings",
    "PromptSettings",
    "Settings",
    "SettingsError",
    "SharedSections",
    "SiteSettings",
    "TopUpSections",
    "TopUpSettings",
    "load_sections",
    "load_settings",
    "problems_of",
    "secret_files",
    "settings_file",
]
