"""What can be set, with its unit and default, and the one reader of the settings file."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

DEFAULT_FILE = Path("tollgate.toml")


class SettingsError(Exception):
    """The settings cannot be used; the message is one sentence for the person who edits them."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AriSettings(_Section):
    base_url: str = "http://127.0.0.1:8088"
    username: str = "tollgate"
    password: SecretStr  # no default, and repr() hides it
    app_name: str = "tollgate"  # must match Stasis(...) in the dialplan
    request_timeout_s: PositiveFloat = 5


class AmiSettings(_Section):
    host: str = "127.0.0.1"
    port: PositiveInt = 5038
    username: str = "tollgate"
    secret: SecretStr
    request_timeout_s: PositiveFloat = 5


class DatabaseSettings(_Section):
    # sqlite:///FILE or postgresql://USER@HOST/NAME; a relative FILE starts at the settings file
    url: str = "sqlite:///ledger.sqlite"


class OfficeSettings(_Section):
    plan: str = "uk"  # the name of a file in plans_folder, without .toml


class SiteSettings(_Section):
    """How this site dials."""

    country: str = "GB"  # ISO 3166 alpha-2: whose national numbers, and whose emergency numbers
    outside_line_prefix: str = ""  # "9" where one dials 9 for a line
    international_prefix: str = "00"
    phones_file: Path | None = None  # None: the example that comes with Tollgate
    plans_folder: Path | None = None  # None: the plans that come with Tollgate


class CallSettings(_Section):
    ring_timeout_s: PositiveInt = 60
    # Asterisk itself ends a leg this long after its paid time, with every process of ours dead.
    paid_time_grace_s: NonNegativeFloat = Field(default=0.5, le=2)
    # The next increment is reserved this long before it begins, or half an increment where shorter.
    reserve_ahead_s: PositiveFloat = 10
    allow_transfer: bool = False


class PromptSettings(_Section):
    engine: Literal["auto", "recorded", "pico", "espeak-ng", "gtts"] = "auto"
    sounds_folder: Path | None = None  # None: the cache folder that set-up fills
    skip_key: str = "any"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="TOLLGATE_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    ari: AriSettings
    ami: AmiSettings
    database: DatabaseSettings = DatabaseSettings()
    offices: dict[str, OfficeSettings] = {"main": OfficeSettings()}
    site: SiteSettings = SiteSettings()
    call: CallSettings = CallSettings()
    prompts: PromptSettings = PromptSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as init arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_settings(file: Path = DEFAULT_FILE) -> Settings:
    """Read `file` and the environment; relative paths in the file start at its folder.

    Raises:
        SettingsError: the file is missing, is not TOML, or a field is wrong.
    """
    try:
        fields = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"there is no settings file {file}; `make setup` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    unknown = fields.keys() - Settings.model_fields.keys()
    if unknown:
        raise SettingsError(
            f"{file} has a section that means nothing: {', '.join(sorted(unknown))}"
        )
    try:
        return Settings(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{file}: {where}: {first['msg']}") from error
