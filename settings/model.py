"""What can be set, with its unit and default, and the one reader of the settings file."""

import os
import re
from ipaddress import IPv4Address
from itertools import permutations
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from charging.countries import require_country
from charging.rate_deck import STANDARD_DECK, require_deck_name
from settings.toml_file import FileMissing, TomlFileError, parse_toml, read_text, sentence

DEFAULT_FILE = Path("tollgate.toml")
SETTINGS_VARIABLE = "TOLLGATE_SETTINGS"
STATE_FOLDER = Path(".tollgate")
SQLITE = "sqlite:///"

_FEATURE_CODE = re.compile(r"[*#][0-9]{1,6}")  # never only digits: those are somebody's number

_OFFICE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # as dialplan/phones.py reads it


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


class AsteriskSettings(_Section):
    name: str = "asterisk"  # of this machine, where several share one ledger
    # Asterisk's own record of every leg (dialplan/cel_custom.conf): settles what we did not see.
    cel_file: Path | None = None
    # The rest is for an Asterisk whose configuration Tollgate writes. Loopback unless changed here.
    sip_address: str = "127.0.0.1"
    sip_port: PositiveInt = 5060
    rtp_first_port: PositiveInt = 20000
    rtp_last_port: PositiveInt = 20999
    http_port: PositiveInt = 8088
    ami_port: PositiveInt = 5038
    trunk_host: str = "127.0.0.2"
    trunk_port: PositiveInt = 5060
    # Silence that ends a phone's call; 0: never. Who calls for help may have to keep silent.
    phone_rtp_timeout_s: NonNegativeInt = 600


class TrunkSettings(_Section):
    """[trunks.NAME]: when Asterisk gives up a leg to the PJSIP endpoint NAME, a carrier."""

    rtp_timeout_s: NonNegativeInt = 60  # without sound; 0: never, for a carrier that sends none
    # "yes": agreed with a carrier that wants them; a refused refresh then ends the call. "always"
    # ends every call whose carrier refuses, agreed or not, and is not to be had.
    timers: Literal["no", "yes"] = "no"


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
    deck: str = STANDARD_DECK  # the rate deck, of the plan's currency: `rates import --deck NAME`

    @field_validator("deck")
    @classmethod
    def _as_decks_are_called(cls, deck: str) -> str:
        return require_deck_name(deck)


class SiteSettings(_Section):
    """How this site dials."""

    # ISO 3166 alpha-2, only where the phones stand in another country than their plan's: whose
    # national numbers these are. Its emergency numbers connect beside those of every plan.
    country: str | None = None
    outside_line_prefix: str = ""  # "9" where one dials 9 for a line
    international_prefix: str = "00"
    phones_file: Path | None = None  # None: the example that comes with Tollgate
    plans_folder: Path | None = None  # None: the plans that come with Tollgate

    @field_validator("country")
    @classmethod
    def _of_a_country(cls, country: str | None) -> str | None:
        return None if country is None else require_country(country)


class CallSettings(_Section):
    ring_timeout_s: PositiveInt = 60
    # Asterisk ends a leg this long before its paid time is over, so that the time its hang-up takes
    # does not begin an increment that nobody paid for.
    cut_off_early_s: NonNegativeFloat = Field(default=0.15, le=0.5)
    # The next increment is reserved this long before it begins, or half an increment where shorter.
    reserve_ahead_s: PositiveFloat = 10
    allow_transfer: bool = False
    # A call that another channel of Asterisk places (call forward, queue, follow-me) is paid by the
    # phone that TOLLGATE_PAYER names, a variable of the dialplan; False: it is refused.
    forwarded_calls: bool = False
    # With the application away the dialplan connects what the plan includes, of the site's country.
    included_without_application: bool = True
    live_calls_max: PositiveInt = 2000  # more are refused, so that those under way stay metered


class FeatureCodes(_Section):
    """What a phone dials to be told something; "" switches a code off."""

    balance: str = "*80"
    price: str = "*81"
    last_call: str = "*82"
    language: str = "*83"

    @model_validator(mode="after")
    def _tell_them_apart(self) -> Self:
        codes = {name: code for name, code in self if code}
        for name, code in codes.items():
            if not _FEATURE_CODE.fullmatch(code):
                raise ValueError(
                    f'{name} = "{code}" is not * or # and one to six digits, such as "*80"'
                )
        for (name, code), (other, longer) in permutations(codes.items(), 2):
            if longer.startswith(code):
                raise ValueError(
                    f'{name} = "{code}" and {other} = "{longer}" cannot be told apart while they'
                    " are dialled: no code may be the beginning of another"
                )
        return self


class AgiSettings(_Section):
    """Feature codes: spoken by `python -m agi`, which Asterisk reaches on this machine."""

    address: str = "127.0.0.1"  # FastAGI knows no password, so loopback only
    port: PositiveInt = Field(default=4573, le=65535)
    codes: FeatureCodes = FeatureCodes()
    # A file of letters and digits that Asterisk and `python -m agi` may read and nobody else: who
    # does not send it is told nothing. Without it every user of this machine can ask any balance.
    secret_file: Path | None = None
    # agi/balance_script.py, where Asterisk may run it: speaks the balance while no server answers
    balance_script: Path | None = None

    @field_validator("address")
    @classmethod
    def _stay_on_this_machine(cls, address: str) -> str:
        try:
            loopback = IPv4Address(address).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise ValueError(f"{address} is not of this machine alone, such as 127.0.0.1")
        return address


class PromptSettings(_Section):
    announce: bool = True  # False: an authorised paid call connects without hearing the balance
    engine: Literal["auto", "recorded", "pico", "pack", "espeak-ng", "gtts"] = "auto"
    sounds_folder: Path | None = None  # None: the cache folder that set-up fills
    recorded_folder: Path | None = None  # LANGUAGE/SOUND.wav of a person, instead of any engine
    skip_key: str = "any"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="TOLLGATE_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    asterisk: AsteriskSettings = AsteriskSettings()
    trunks: dict[str, TrunkSettings] = {"trunk": TrunkSettings()}
    ari: AriSettings | None = None  # only the application needs these two
    ami: AmiSettings | None = None
    database: DatabaseSettings = DatabaseSettings()
    offices: dict[str, OfficeSettings] = {"main": OfficeSettings()}
    site: SiteSettings = SiteSettings()
    call: CallSettings = CallSettings()
    agi: AgiSettings = AgiSettings()
    prompts: PromptSettings = PromptSettings()

    @field_validator("offices")
    @classmethod
    def _name_offices(cls, offices: dict[str, OfficeSettings]) -> dict[str, OfficeSettings]:
        """An office's name is part of its accounts' names and of its entries' keys."""
        if not offices:
            raise ValueError("names no office; write one as [offices.main]")
        for name in offices:
            if not _OFFICE.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name of an office: lower-case letters, digits, - and _"
                )
        return offices

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


def load_settings(file: Path | None = None) -> Settings:
    """Read `file` and the environment; relative paths in the file start at its folder.

    Without a `file`: the one that TOLLGATE_SETTINGS names, or tollgate.toml of the current folder,
    or else nothing but defaults, with the ledger in the current folder's .tollgate.

    Raises:
        SettingsError: the file is missing, is not TOML, or a field is wrong.
    """
    found = file or settings_file()
    if found is None:
        return _checked({}, Path("the environment"), Path.cwd() / STATE_FOLDER)
    return _read(found)


def settings_file() -> Path | None:
    """The file that is read where no other is named; None: nothing but the environment."""
    name = os.environ.get(SETTINGS_VARIABLE)
    if name:
        return Path(name)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _read(file: Path) -> Settings:
    try:
        fields = parse_toml(read_text(file))
    except FileMissing:
        raise SettingsError(f"there is no settings file {file}") from None
    except TomlFileError as error:
        raise SettingsError(f"{file} {error}") from error
    unknown = fields.keys() - Settings.model_fields.keys()
    if unknown:
        named = sentence(", ".join(sorted(unknown)))
        raise SettingsError(f"{file} has a section that means nothing: {named}")
    return _checked(fields, file, file.resolve().parent)


def _checked(fields: dict[str, Any], source: Path, folder: Path) -> Settings:
    try:
        settings = Settings(**fields)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = sentence(f"{where}: {_said(first['msg'])}")
        raise SettingsError(f"{source}: {said}") from None
    except Exception as error:  # such as a variable of the environment that is no JSON
        # What it says is not repeated: it may hold a password.
        raise SettingsError(f"{source}: cannot be understood: {type(error).__name__}") from error
    return _with_absolute_paths(settings, folder)


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")  # pydantic's own prefix tells the reader nothing


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    """Where a relative path starts must not depend on where a command is run."""
    site = settings.site.model_copy(
        update={
            "phones_file": _from(folder, settings.site.phones_file),
            "plans_folder": _from(folder, settings.site.plans_folder),
        }
    )
    prompts = settings.prompts.model_copy(
        update={
            "sounds_folder": _from(folder, settings.prompts.sounds_folder),
            "recorded_folder": _from(folder, settings.prompts.recorded_folder),
        }
    )
    script = _from(folder, settings.agi.balance_script)
    secret_file = _from(folder, settings.agi.secret_file)
    agi = settings.agi.model_copy(update={"balance_script": script, "secret_file": secret_file})
    cel_file = _from(folder, settings.asterisk.cel_file)
    asterisk = settings.asterisk.model_copy(update={"cel_file": cel_file})
    scheme, found, path = settings.database.url.partition(SQLITE)
    url = f"{SQLITE}{folder / path}" if found and not scheme else settings.database.url
    database = settings.database.model_copy(update={"url": url})
    return settings.model_copy(
        update={
            "asterisk": asterisk,
            "site": site,
            "agi": agi,
            "prompts": prompts,
            "database": database,
        }
    )


def _from(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path
