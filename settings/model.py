"""What can be set: each setting with its unit and default, by section."""

import os
import re
from collections.abc import Sequence
from decimal import Decimal
from ipaddress import IPv4Address, ip_address
from itertools import permutations
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from charging.office_settings import OFFICE_RULES
from charging.rate_deck import STANDARD_DECK, require_deck_name

SQLITE = "sqlite:///"
NO_SECRET = SecretStr("")

_FEATURE_CODE = re.compile(r"[*#][0-9]{1,6}")  # never only digits: those are somebody's number

_OFFICE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # as dialplan/phones.py reads it


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _require_loopback(address: str) -> str:
    try:
        loopback = IPv4Address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"{address} is not of this machine alone, such as 127.0.0.1")
    return address


def _require_bare_url(url: str | None) -> str | None:
    if url is None or re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", url):
        return url
    raise ValueError(
        "write it as https://tollgate.example.com: in lower case, without a path or a / behind"
    )


def secrets_of(section: type[BaseModel]) -> Sequence[str]:
    fields = section.model_fields
    return [name for name in fields if f"{name}_file" in fields]


class WithSecret(_Section):
    """Whose secrets may each be in a file of its own: NAME_file beside NAME."""

    @model_validator(mode="after")
    def _have_each_secret_in_one_place(self) -> Self:
        fields = type(self).model_fields
        for name in secrets_of(type(self)):
            given = [bool(getattr(self, name)), getattr(self, f"{name}_file") is not None]
            if all(given):
                raise ValueError(f"{name} and {name}_file are both given: one of them says it")
            if not any(given) and fields[name].default == NO_SECRET:
                raise ValueError(f"{name} or {name}_file has to be given")
        return self


class AriSettings(WithSecret):
    """How the application and the doctor reach Asterisk's REST interface."""

    base_url: str = "http://127.0.0.1:8088"
    """Where Asterisk's HTTP server listens."""

    username: str = "tollgate"
    """A user of ari.conf."""

    password: SecretStr = Field(default=NO_SECRET, examples=["change me"])  # repr() hides it
    """The password of that user; this or password_file has to be given."""

    password_file: Path | None = Field(default=None, examples=["ari.password"])
    """A file that holds nothing but that password."""

    app_name: str = "tollgate"
    """What `Stasis(...)` of the dialplan names."""

    request_timeout_s: PositiveFloat = 5
    """A request without an answer for this long has failed."""


class AsteriskSettings(_Section):
    """This machine's Asterisk. From `sip_address` on: one whose configuration Tollgate writes."""

    name: str = "asterisk"
    """What this Asterisk is called where several share one ledger."""

    cel_file: Path | None = Field(default=None, examples=["/var/log/asterisk/cel-custom/legs.json"])
    """Asterisk's log of legs (dialplan/cel_custom.conf), which settles what the application did not
    see."""

    sip_address: str = "127.0.0.1"
    """Where phones register: this machine's address in their network."""

    public_address: str | None = Field(default=None, examples=["192.0.2.10"])
    """What phones and the carrier are told instead of `sip_address`, where that cannot be reached
    from their network: Asterisk is in a container, or behind a router."""

    sip_port: PositiveInt = 5060
    """Where Asterisk listens for SIP."""

    rtp_first_port: PositiveInt = 20000
    """The first port for sound."""

    rtp_last_port: PositiveInt = 20999
    """The last port for sound; a call takes four."""

    http_port: PositiveInt = 8088
    """Where Asterisk listens for ARI."""

    ami_port: PositiveInt = 5038
    """Where Asterisk listens for AMI."""

    trunk_host: str = "127.0.0.2"
    """The carrier's address."""

    trunk_port: PositiveInt = 5060
    """The carrier's port."""

    phone_rtp_timeout_s: NonNegativeInt = 600
    """Silence that ends a phone's call; 0: never. Who calls for help may have to keep silent."""


class TrunkSettings(_Section):
    """When Asterisk gives up a leg to the carrier of this name, a PJSIP endpoint; one for each."""

    rtp_timeout_s: NonNegativeInt = 60
    """How long a leg may be without sound; 0: for ever, for a carrier that sends none."""

    # "always" ends every call whose carrier refuses, agreed or not, and is not to be had.
    timers: Literal["no", "yes"] = "no"
    """Session timers. "yes" where the carrier wants them; a refused refresh then ends the call."""


Trunks = dict[str, TrunkSettings]
OUR_TRUNK: Trunks = {"trunk": TrunkSettings()}


class AmiSettings(WithSecret):
    """How the application and the doctor reach Asterisk's manager interface."""

    host: str = "127.0.0.1"
    """Where Asterisk's manager interface listens."""

    port: PositiveInt = 5038
    """Its port."""

    username: str = "tollgate"
    """A user of manager.conf."""

    secret: SecretStr = Field(default=NO_SECRET, examples=["change me"])
    """The secret of that user; this or secret_file has to be given."""

    secret_file: Path | None = Field(default=None, examples=["ami.secret"])
    """A file that holds nothing but that secret."""

    request_timeout_s: PositiveFloat = 5
    """An action without an answer for this long has failed."""


class DatabaseSettings(_Section):
    """Where the ledger is kept."""

    url: str = "sqlite:///ledger.sqlite"
    """`sqlite:///FILE` or `postgresql://USER@HOST/NAME`."""


def _of_an_office(text: str | None, info: ValidationInfo) -> str | None:
    return None if text is None else OFFICE_RULES[str(info.field_name)](text)


class OfficeSettings(_Section):
    """A business with an account of its own; one section for each office."""

    plan: str = "uk"
    """The name of a file in `plans_folder`, without .toml: uk, uk-europe or france."""

    deck: str = STANDARD_DECK
    """The rate deck of the plan's currency that the office pays by: `tollgate rates import
    --deck`."""

    country: str | None = Field(default=None, examples=["FR"])
    """Where its phones stand (ISO 3166): whose national numbers are ordinary ones, and whose
    emergency numbers connect beside those of its plan's country. Like the next four, what is left
    out here is the office's manager's (`tollgate office set`), or as [site] says, or its plan."""

    outside_line_prefix: str | None = Field(default=None, examples=["9"])
    """What its phones dial for a line, where they do; "" where they do not."""

    international_prefix: str | None = Field(default=None, examples=["00"])
    """What its phones dial before a country code."""

    time_zone: str | None = Field(default=None, examples=["Europe/Paris"])
    """When its days and months begin, for limits and for rates that change."""

    language: str | None = Field(default=None, examples=["fr"])
    """What its phones hear that say nothing else: en or fr."""

    @field_validator("deck")
    @classmethod
    def _as_decks_are_called(cls, deck: str) -> str:
        return require_deck_name(deck)

    @field_validator(*OFFICE_RULES)
    @classmethod
    def _as_offices_may_be(cls, text: str | None, info: ValidationInfo) -> str | None:
        return _of_an_office(text, info)


class SiteSettings(_Section):
    """Where the files are; and of every office that says nothing else, how it dials."""

    country: str | None = Field(default=None, examples=["GB"])
    """Where the phones stand (ISO 3166), only if in another country than their plan's. This and the
    next four are for every office: its own section and its manager win."""

    outside_line_prefix: str | None = Field(default=None, examples=["9"])
    """What one dials for a line, where one does."""

    international_prefix: str | None = Field(default=None, examples=["00"])
    """What is dialled before a country code; "00" where nobody says."""

    time_zone: str | None = Field(default=None, examples=["Europe/London"])
    """When days and months begin, only if elsewhere than the plan says."""

    language: str | None = Field(default=None, examples=["en"])
    """What phones hear, only if it is not the plan's: en or fr."""

    phones_file: Path | None = Field(default=None, examples=["phones.toml"])
    """The desk phones; without one, the example that comes with Tollgate (dialplan/phones.toml)."""

    plans_folder: Path | None = Field(default=None, examples=["plans"])
    """The calling plans; without one, those that come with Tollgate (plans/)."""

    @field_validator(*OFFICE_RULES)
    @classmethod
    def _as_offices_may_be(cls, text: str | None, info: ValidationInfo) -> str | None:
        return _of_an_office(text, info)


class PrivacySettings(_Section):
    """How long whom somebody called may be known."""

    keep_numbers_days: NonNegativeInt = Field(default=400, le=36_500)
    """The last four digits of a call's numbers are masked after so many days; 0: never. Money,
    times and countries stay. 400 days are a year and a month: a month can be compared with the same
    one of the year before while its bill may be questioned; then nobody needs the number."""

    mask_logs: bool = True
    """Whether lines of the log show telephone numbers without their last four digits; `false` while
    a fault is looked for."""


class MetricsSettings(_Section):
    """Figures of each process for Prometheus, as http://ADDRESS:PORT/metrics: docs/metrics.md."""

    enabled: bool = False
    """Whether they can be read: by every user of this machine. Sums and counts only, no number, no
    name."""

    address: str = "127.0.0.1"
    """Where they are read; nobody is asked for a password, so loopback only."""

    ari_app_port: PositiveInt = Field(default=9471, le=65535)
    """The port of the application: calls, metering, connections to Asterisk."""

    agi_port: PositiveInt = Field(default=9472, le=65535)
    """The port of the feature codes."""

    payments_port: PositiveInt = Field(default=9473, le=65535)
    """The port of card payments, which also tells of the ledger: balances, reservations, refills,
    and whether it agrees with itself."""

    portal_port: PositiveInt = Field(default=9474, le=65535)
    """The port of the portal."""

    @field_validator("address")
    @classmethod
    def _stay_on_this_machine(cls, address: str) -> str:
        return _require_loopback(address)


class CallSettings(_Section):
    """How a paid call is placed, metered and ended."""

    ring_timeout_s: PositiveInt = 60
    """How long a called number rings before the call is given up."""

    cut_off_early_s: NonNegativeFloat = Field(default=0.15, le=0.5)
    """Asterisk ends a leg this long before its paid time is over, so that the time its hang-up
    takes does not begin an increment that nobody paid for; at most 0.5."""

    reserve_ahead_s: PositiveFloat = 10
    """The next increment is reserved this long before it begins, or half an increment if
    shorter."""

    refill_wait_s: NonNegativeFloat = 8
    """How long a caller waits, and hears so, while the account's card is charged because the call
    lacks money; 0: not at all."""

    allow_transfer: bool = False
    """Whether a phone may transfer a paid call."""

    forwarded_calls: bool = False
    """Whether a call that another channel of Asterisk places (call forward, queue, follow-me) is
    paid by the phone that the dialplan's variable TOLLGATE_PAYER names; `false`: it is refused."""

    included_without_application: bool = True
    """Whether the dialplan connects what the plan includes of the site's country while the
    application is away."""

    live_calls_max: PositiveInt = 2000
    """More paid calls at once are refused, so that those under way stay metered."""


class FeatureCodes(_Section):
    """What a phone dials to be told something; "" switches a code off."""

    balance: str = "*80"
    """Speaks the office's balance."""

    price: str = "*81"
    """Asks for a number and speaks what it costs."""

    last_call: str = "*82"
    """Speaks what the phone's last paid call cost."""

    language: str = "*83"
    """Switches what the phone hears between English and French."""

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

    address: str = "127.0.0.1"
    """Where feature codes are answered; FastAGI knows no password, so loopback only."""

    port: PositiveInt = Field(default=4573, le=65535)
    """Its port."""

    codes: FeatureCodes = FeatureCodes()

    secret_file: Path | None = Field(default=None, examples=["agi.secret"])
    """A file of letters and digits that Asterisk and `python -m agi` may read and nobody else: who
    does not send it is told nothing. Without it every user of this machine can ask any balance."""

    balance_script: Path | None = Field(
        default=None, examples=["/usr/share/asterisk/agi-bin/balance_script.py"]
    )
    """agi/balance_script.py, where Asterisk may run it: speaks the balance while no server
    answers."""

    @field_validator("address")
    @classmethod
    def _stay_on_this_machine(cls, address: str) -> str:
        return _require_loopback(address)


class PromptSettings(_Section):
    """What callers hear, and who speaks it."""

    announce: bool = True
    """Whether the balance is spoken before a paid call connects."""

    engine: Literal["auto", "recorded", "pico", "pack", "espeak-ng", "gtts"] = "auto"
    """Who speaks when prompts are built; "auto": a folder of recordings, or else what can be
    had."""

    sounds_folder: Path | None = Field(default=None, examples=["sounds"])
    """Where the sounds are; without one, the cache folder that `make setup` fills."""

    recorded_folder: Path | None = Field(default=None, examples=["recorded"])
    """LANGUAGE/SOUND.wav of a person, instead of any engine."""


class PortalSettings(_Section):
    """The web portal: `python -m portal`, in which managers see and fill their accounts."""

    address: str = "127.0.0.1"
    """Where it listens. Anything but loopback wants `public_url`, and a proxy with TLS before
    it."""

    port: PositiveInt = Field(default=8181, le=65535)
    """Its port."""

    public_url: str | None = Field(default=None, examples=["https://tollgate.example.com"])
    """How browsers reach it, where not by `address` and `port`: links in mails begin so, and only
    requests for this host are answered."""

    trusted_proxy: str | None = Field(default=None, examples=["127.0.0.1"])
    """The reverse proxy whose X-Forwarded-For names the browser's address; without one, none is
    believed."""

    @property
    def host(self) -> str:
        """As it stands in an address: of IPv6 in brackets."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"

    @property
    def address_for_browsers(self) -> str:
        """How links begin that are mailed or printed."""
        return self.public_url or f"http://{self.host}"

    @field_validator("public_url")
    @classmethod
    def _without_a_path(cls, url: str | None) -> str | None:
        return _require_bare_url(url)

    @model_validator(mode="after")
    def _never_in_the_clear(self) -> Self:
        if self.public_url is None and not ip_address(self.address).is_loopback:
            raise ValueError("public_url is missing: passwords would be sent to any host's name")
        return self

    @field_validator("address")
    @classmethod
    def _an_address(cls, address: str) -> str:
        ip_address(address)
        return address


class PaymentsSettings(_Section):
    """Money in by card; only `python -m payments`, which holds the keys, reads these."""

    processor: Literal["sandbox", "stripe"] = "sandbox"
    """Who charges cards; "sandbox" comes with Tollgate, and no money in it is real."""

    stripe_key: SecretStr | None = Field(default=None, examples=["sk_live_…"])
    """Stripe's secret or restricted key; `stripe_key_file` keeps it out of this file."""

    stripe_key_file: Path | None = Field(default=None, examples=["stripe.key"])
    """A file with that key, which only the user of `python -m payments` may read."""

    webhook_secret: SecretStr | None = Field(default=None, examples=["whsec_…"])
    """What Stripe signs webhooks with; two with a space between them while it is changed. Without
    one no webhook is taken, and what happened is found out by asking."""

    webhook_secret_file: Path | None = Field(default=None, examples=["stripe-webhook.secret"])
    """A file with that secret, or both."""

    address: str = "127.0.0.1"
    """Where webhooks are taken: loopback, behind the proxy that has the certificate."""

    port: PositiveInt = Field(default=8182, le=65535)
    """Its port."""

    request_timeout_s: PositiveFloat = 20
    """A request to the processor without an answer for this long is of unknown outcome, and is
    asked about."""

    sandbox_folder: Path = Path("sandbox")
    """Where the sandbox keeps its state, its log and its key."""

    sandbox_address: str = "127.0.0.1"
    """Where the sandbox listens. Anything but loopback wants `sandbox_url`: it is for a container,
    whose ports are published on loopback, and never for a network."""

    sandbox_port: PositiveInt = Field(default=8183, le=65535)
    """The port of the sandbox."""

    sandbox_url: str | None = Field(default=None, examples=["https://sandbox.example.com"])
    """How browsers reach the sandbox's pages, where not on this machine."""

    @field_validator("address")
    @classmethod
    def _stay_on_this_machine(cls, address: str) -> str:
        return _require_loopback(address)

    @field_validator("sandbox_url")
    @classmethod
    def _without_a_path(cls, url: str | None) -> str | None:
        return _require_bare_url(url)

    @model_validator(mode="after")
    def _published_on_purpose(self) -> Self:
        if self.sandbox_url is None and not ip_address(self.sandbox_address).is_loopback:
            raise ValueError("sandbox_url is missing: browsers would not find the sandbox")
        return self


class TopUpSettings(_Section):
    """What may be bought by card, and what the receipts say of the operator."""

    amounts: tuple[PositiveInt, ...] = (10, 20, 50, 100)
    """The amounts that can be chosen, in whole units of the office's currency; a refill adds one of
    them, too."""

    seller_name: str | None = Field(default=None, examples=["Example Telecom Ltd"])
    """Who sells the calls: the operator's name on receipts. Without one none is issued."""

    seller_address: tuple[str, ...] = ()
    """The operator's address, line by line: ["1 High Street", "London"]."""

    seller_registration: str = ""
    """A company number, or SIRET, where the law wants it on receipts."""

    vat_number: str = ""
    """The operator's VAT number; without one no receipt shows the tax."""

    vat_at: Literal["topup", "use"] = "topup"
    """When the tax is due: with the money, and receipts show it, or when the credit is used. An
    accountant knows."""

    vat_percent: Decimal = Field(default=Decimal(20), ge=0, lt=100, decimal_places=2)
    """The rate of VAT; prices include it."""

    @field_validator("amounts")
    @classmethod
    def _at_least_one(cls, amounts: tuple[int, ...]) -> tuple[int, ...]:
        if not amounts or len(set(amounts)) != len(amounts):
            raise ValueError("names at least one amount, and none twice")
        return tuple(sorted(amounts))


class MailServerSettings(BaseModel):
    """Of [notices], what a process may know that sends no mail: whether there is a server."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    smtp_host: str | None = None


class NoticeSettings(MailServerSettings, WithSecret):
    """Mails to offices and to the operator; without a server they are lines of the log."""

    smtp_host: str | None = Field(default=None, examples=["smtp.example.com"])
    """The mail server."""

    smtp_port: PositiveInt = Field(default=587, le=65535)
    """Its port."""

    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted: "tls" from the first byte (port 465), "none" for a server on
    this machine."""

    smtp_user: str = ""
    """Who signs in there; "" for a server that asks nobody."""

    smtp_password: SecretStr | None = Field(default=None, examples=["change me"])
    """The password of that user; `smtp_password_file` keeps it out of this file."""

    smtp_password_file: Path | None = Field(default=None, examples=["smtp.password"])
    """A file with that password."""

    smtp_ca_file: Path | None = Field(default=None, examples=["/etc/ssl/mail-ca.pem"])
    """Who vouches for the server's certificate, where not the authorities that this system
    trusts."""

    sender: str = "Tollgate <tollgate@localhost>"
    """Who the mails come from."""

    operator: str | None = Field(default=None, examples=["operator@example.com"])
    """Who is told what no office can mend, and what an office without an address would be."""

    @property
    def password(self) -> str:
        """Empty for a server that asks for none."""
        return "" if self.smtp_password is None else self.smtp_password.get_secret_value()


class SharedSections(BaseSettings):
    """The sections that every process reads. What one alone needs, a class of its own adds.

    Whatever is not in a process's class is neither looked at nor kept: it knows no secret of
    another, and a mistake in another's section does not stop it.
    """

    model_config = SettingsConfigDict(
        env_prefix="TOLLGATE_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    asterisk: AsteriskSettings = AsteriskSettings()
    database: DatabaseSettings = DatabaseSettings()
    offices: dict[str, OfficeSettings] = {"main": OfficeSettings()}
    site: SiteSettings = SiteSettings()
    call: CallSettings = CallSettings()
    privacy: PrivacySettings = PrivacySettings()
    metrics: MetricsSettings = MetricsSettings()
    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """Where they were read; None: nothing but the environment."""
        return self._file

    def read_in(self, file: Path) -> Self:
        """Remember it, for what `place_of` says."""
        self._file = file
        return self

    def place_of(self, *path: str) -> str:
        """Where a setting stands, the file or a variable: `place_of("offices", "nice", "plan")`."""
        variables = {name.upper() for name in os.environ}
        for length in range(len(path), 0, -1):
            variable = "__".join(("TOLLGATE_" + path[0], *path[1:length])).upper()
            if variable in variables:
                return f"the variable {variable}"
        return f"{self._file or 'the settings'}, [{'.'.join(path[:-1])}]"

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


class AgiSections(SharedSections):
    """What `python -m agi` reads."""

    agi: AgiSettings = AgiSettings()


class ApplicationSections(SharedSections):
    """What `python -m ari_app` reads."""

    ari: AriSettings
    ami: AmiSettings
    trunks: Trunks = OUR_TRUNK
    prompts: PromptSettings = PromptSettings()


class TopUpSections(SharedSections):
    """What commands about money in read."""

    topups: TopUpSettings = TopUpSettings()


class PortalSections(TopUpSections):
    """What `python -m portal` reads."""

    portal: PortalSettings = PortalSettings()
    notices: MailServerSettings = MailServerSettings()


class PaymentSections(TopUpSections):
    """What `python -m payments` reads, and the sandbox: no other process knows a key."""

    payments: PaymentsSettings = PaymentsSettings()
    notices: NoticeSettings = NoticeSettings()


class Settings(AgiSections, PortalSections, PaymentSections):
    """Every section there is: what the doctor looks at, and what Asterisk's files are made from."""

    ari: AriSettings | None = None
    ami: AmiSettings | None = None
    trunks: Trunks = OUR_TRUNK
    prompts: PromptSettings = PromptSettings()
    notices: NoticeSettings = NoticeSettings()
