"""Write one Asterisk instance's configuration from the files beside this one.

The `*.conf` files are Jinja2 templates, read as an administrator would read Asterisk's own; every
value comes from one `AsteriskConfig`, and a value that could end a line is refused.
"""

import hashlib
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dialplan.contexts import SILENCE_MAX_S
from dialplan.office_routes import PHONES_CONTEXT, OfficeRoutes, is_ours, of_all
from dialplan.patterns import DirectPattern
from dialplan.phone_contacts import CHARACTERS, contact_pattern
from dialplan.phones import Phone

TEMPLATES = Path(__file__).parent
DIALPLAN = "extensions.conf"
OUR_CONTEXTS = "tollgate.conf"
TRUNK_CONTEXTS = "tollgate-trunk.conf"
HOOK_CONTEXT = "tollgate-freepbx.conf"
HOOK = """; Written by `tollgate dialplan render`, for extensions_custom.conf: edit nothing here.
[macro-dialout-trunk-predial-hook]
exten => s,1,Goto(tollgate-freepbx,s,1)   ; which ends in Return()
"""
TRUNKS = frozenset({"tollgate-trunk", "tollgate-emergency-trunk"})
PRIVATE_FOLDER_MODE = 0o700
PRIVATE_FILE_MODE = 0o600
STAMP = "tollgate-stamp"
STAMP_DIGITS = 16
STAMP_CONTEXT = """
; Which version, plan and settings wrote these contexts: `tollgate doctor` compares it with its own.
[{name}]
exten => {stamp},1,NoOp()
"""
_RTP_PORTS_A_CALL = 4
_LAST_PORT = 65535

# A line end, a comment or a quote inside a value would change the meaning of the file around it.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f;"]')
_DIGITS = re.compile(r"[0-9]{1,15}")
_DIALLED = re.compile(r"[0-9]{1,15}#?")
_FEATURE = re.compile(r"[*#][0-9]{1,6}")  # never digits alone: it could shadow a number
_PROGRAM = re.compile(r"/[\w./-]+")  # a comma would begin its arguments
_FEATURE_NAME = re.compile(r"[a-z_]{1,20}")
_OFFICE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_CONTEXT = re.compile(r"(?:^;.*\n|^\s*\n)*^\[(?P<name>[\w.-]+)\]\n", re.MULTILINE)
_PLAYED = re.compile(r"Playback\(((?:tollgate/[a-z0-9-]+&?)+)")
_NAMED_TRUNK = re.compile(r"\$\{TOLLGATE_DIAL\}@trunk\b")
_PATTERN = re.compile(r"_?\+?[0-9XZN\[\]-]{1,40}[.!]?")


class Gate(StrEnum):
    """Where an admin's own dialplan meets Tollgate: docs/gate-placement.md."""

    PHONES = "phones"  # the phones' contexts include it
    EXIT = "exit"  # where a trunk would be dialled
    FREEPBX = "freepbx"  # FreePBX's hook before it dials a trunk


class RenderError(Exception):
    """The configuration cannot be written; the message says which value is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Made once per instance; never shown, never logged."""

    ari_password: str = field(repr=False)
    ami_password: str = field(repr=False)
    phones: Mapping[str, str] = field(repr=False)  # endpoint to SIP password
    ari_username: str = "tollgate"
    ami_username: str = "tollgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """When Asterisk gives up a leg to the carrier: docs/adr/0011-dead-and-refusing-legs.md."""

    rtp_timeout_s: int = 60  # without sound; 0: never, for calls without media
    timers: str = "no"  # whether session timers are agreed with a carrier that wants them


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskConfig:
    """Everything in which one instance differs from another."""

    name: str  # of this Asterisk machine; in front of every channel's unique id
    folder: Path  # the instance's own: etc, log, data, db, spool
    run_folder: Path  # holds the control socket, so its path must be short
    modules: Path
    sip_address: str
    trunk_host: str
    phones: tuple[Phone, ...]
    secrets: Secrets
    offices: tuple[OfficeRoutes, ...]
    public_address: str | None = None  # told instead of sip_address, from behind a translation
    sip_port: int = 5060
    control_address: str = "127.0.0.1"  # ARI and AMI; loopback only
    http_port: int = 8088
    ami_port: int = 5038
    rtp_first_port: int = 10000
    rtp_last_port: int = 10999
    trunk_port: int = 5060
    app_name: str = "tollgate"
    # Feature codes, as dialled, and the name of what each does: settings' [agi.codes].
    features: tuple[tuple[str, str], ...] = ()
    agi_address: str = "127.0.0.1"
    agi_port: int = 4573
    balance_script: Path | None = None
    agi_secret_file: Path | None = None
    ring_timeout_s: int = 60
    # From entering Stasis to continuing in the dialplan, or to the application's next sign of life.
    authorise_timeout_s: int = SILENCE_MAX_S
    trunk: Trunk = Trunk()
    # Silence that ends a phone's call; 0: never. An emergency's caller may have to keep silent.
    phone_rtp_timeout_s: int = 600
    allow_transfer: bool = False
    forwarded_calls: bool = False
    max_files: int = 20000


def render(config: AsteriskConfig) -> Path:
    """Write every configuration file into `config.folder`/etc and return that folder.

    The folder and the files in it can be read by their owner alone.

    Raises:
        RenderError: a value is wrong, or the folder cannot be written.
    """
    _require_sound(config)
    etc = config.folder / "etc"
    try:
        etc.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
        etc.chmod(PRIVATE_FOLDER_MODE)
        for name, text in rendered(config).items():
            _write_private(etc / name, text)
    except OSError as error:
        raise RenderError(f"{etc} cannot be written: {error.strerror}") from error
    return etc


def rendered(config: AsteriskConfig) -> Mapping[str, str]:
    """Every configuration file's text, by name."""
    names = sorted(template.name for template in TEMPLATES.glob("*.conf"))
    return {**_filled(names, config), DIALPLAN: _dialplan(config)}


def stamp_of(config: AsteriskConfig) -> str:
    """What tells our contexts of one version, plan and settings from those of any other."""
    contexts = contexts_in(_filled([DIALPLAN], replace(config, phones=()))[DIALPLAN])
    ours = [name for name in contexts if is_ours(name)]
    text = "".join(contexts[name] for name in ours if name not in TRUNKS)
    return hashlib.sha256(text.encode()).hexdigest()[:STAMP_DIGITS]


def _dialplan(config: AsteriskConfig) -> str:
    stamp = STAMP_CONTEXT.format(name=STAMP, stamp=stamp_of(config))
    return _filled([DIALPLAN], config)[DIALPLAN] + stamp


@cache
def _environment() -> Environment:
    """Keeps the templates as they are compiled, which takes longer than to fill them."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - these are not web pages; _harmless guards each value
        keep_trailing_newline=True,
        finalize=_harmless,
    )


def _filled(names: Iterable[str], config: AsteriskConfig) -> dict[str, str]:
    environment = _environment()
    offices = [_values_of(office, config) for office in config.offices]
    values = {f.name: getattr(config, f.name) for f in fields(config)} | {
        "offices": offices,
        "with_all": [_values_of(of_all(config.offices), config), *offices],
        "incoming": _incoming(config.phones),
        "contact_characters": _Ours(CHARACTERS),
        "contact_pattern": _Ours(contact_pattern("${ARG1}").replace(";", r"\;")),
    }
    return {name: environment.get_template(name).render(values) for name in names}


def _values_of(office: OfficeRoutes, config: AsteriskConfig) -> Mapping[str, object]:
    """What the templates write for one office."""
    several = len(config.offices) > 1
    return {
        **{f.name: getattr(office, f.name) for f in fields(office)},
        "suffix": office.suffix,
        "phones": [phone for phone in config.phones if phone.office == office.name],
        "phones_context": PHONES_CONTEXT + (office.suffix if several else ""),
    }


def _incoming(phones: Iterable[Phone]) -> Sequence[tuple[str, Phone]]:
    """What the carrier may deliver; an extension that two offices have says of neither's phone."""
    rung: dict[str, list[Phone]] = {}
    for phone in phones:
        for number in phone.numbers:
            rung.setdefault(number, []).append(phone)
    return [(number, found[0]) for number, found in rung.items() if len(found) == 1]


def rendered_dialplan(config: AsteriskConfig, gate: Gate = Gate.PHONES) -> Mapping[str, str]:
    """What an Asterisk that the admin configures needs of ours, by the name of the file.

    Every context `tollgate…`. Those that are the admin's to edit (trunks, failover, caller ID) are
    a file of their own. Where the gate is decides only what stands beside our contexts, and which
    trunk is dialled: at the exit the one that the admin's dialplan has named.

    Raises:
        RenderError: a value is wrong.
    """
    for wrong in _number_problems(config):
        raise RenderError(wrong)
    contexts = contexts_in(_dialplan(config))
    ours = [name for name in contexts if is_ours(name)]
    written = (
        "; Written by `tollgate dialplan render`, which will write it again: edit nothing here."
    )
    generated = "".join(contexts[name] for name in ours if name not in TRUNKS)
    trunks = "".join(contexts[name] for name in ours if name in TRUNKS)
    if gate is Gate.EXIT:
        trunks = _NAMED_TRUNK.sub("${TOLLGATE_DIAL}@${TOLLGATE_TRUNK}", trunks)
    files = {OUR_CONTEXTS: f"{written}\n{generated}", TRUNK_CONTEXTS: trunks.lstrip("\n")}
    return files | ({HOOK_CONTEXT: HOOK} if gate is Gate.FREEPBX else {})


def contexts_in(dialplan: str) -> dict[str, str]:
    """Every context with the comments above it."""
    starts = list(_CONTEXT.finditer(dialplan))
    ends = [*(start.start() for start in starts[1:]), len(dialplan)]
    return {
        start["name"]: dialplan[start.start() : end]
        for start, end in zip(starts, ends, strict=False)  # no start: the one end is nobody's
    }


def sounds_played() -> frozenset[str]:
    """The clips that Asterisk plays by itself, with every process of ours away."""
    dialplan = (TEMPLATES / DIALPLAN).read_text(encoding="utf-8")
    lists = _PLAYED.findall(dialplan)
    return frozenset(clip.removeprefix("tollgate/") for clips in lists for clip in clips.split("&"))


class _Ours(str):
    """Text of this program and of nobody's settings, already written as the file wants it."""

    __slots__ = ()


def _harmless(value: object) -> object:
    if isinstance(value, _Ours):
        return value
    if _UNSAFE.search(str(value)):
        raise RenderError(f"{value!r} cannot stand in an Asterisk configuration file")
    return value


def _require_sound(config: AsteriskConfig) -> None:
    for problem in _problems(config):
        raise RenderError(problem)


def _problems(config: AsteriskConfig) -> Iterator[str]:
    yield from _number_problems(config)
    for phone in config.phones:
        if phone.endpoint not in config.secrets.phones:
            yield f"the phone {phone.endpoint} has no password yet"
    yield from _address_problems(config)
    if not config.rtp_first_port + _RTP_PORTS_A_CALL <= config.rtp_last_port <= _LAST_PORT:
        yield f"RTP ports {config.rtp_first_port} to {config.rtp_last_port} hold no call"


def _number_problems(config: AsteriskConfig) -> Iterator[str]:
    names = [office.name for office in config.offices]
    if not names:
        yield "there is no office"
    for phone in config.phones:
        if phone.office not in names:
            yield f"the phone {phone.endpoint} is of the office {phone.office}, which is none"
    for office in config.offices:
        yield from _office_problems(office, config.phones)
    yield from _feature_problems(config)


def _office_problems(office: OfficeRoutes, phones: Iterable[Phone]) -> Iterator[str]:
    if not _OFFICE.fullmatch(office.name):
        yield f"{office.name!r} is no name of an office"
    if not office.emergency:
        yield f"the office {office.name} has no emergency number to route"
    for dialled, number in office.emergency:
        if not _DIALLED.fullmatch(dialled) or not _DIGITS.fullmatch(number):
            yield f"the emergency number {dialled!r} is not digits"
    reserved = {dialled for dialled, _ in office.emergency}
    for phone in phones:
        if phone.office == office.name and phone.number in reserved:
            yield f"the extension {phone.number} is an emergency number"
    for direct in (*office.free, *office.fallback):
        yield from _pattern_problems(direct)


def _feature_problems(config: AsteriskConfig) -> Iterator[str]:
    for code, feature in config.features:
        if not _FEATURE.fullmatch(code) or not _FEATURE_NAME.fullmatch(feature):
            yield f"the feature code {code!r} ({feature}) is not * or # and digits"
    for name in ("balance_script", "agi_secret_file"):
        file = getattr(config, name)
        if file is not None and not _PROGRAM.fullmatch(str(file)):
            yield f"{name} {file} cannot stand in a dialplan"


def _address_problems(config: AsteriskConfig) -> Iterator[str]:
    """SIP needs an address that phones can be told; what controls calls stays on this machine."""
    for name, address in (
        ("trunk", config.trunk_host),  # a name could not be denied to phones' Contacts
        ("sip", config.sip_address),
        ("control", config.control_address),
        ("agi", config.agi_address),
        *([] if config.public_address is None else [("public", config.public_address)]),
    ):
        try:
            given = ipaddress.ip_address(address)
        except ValueError:
            setting = "trunk_host" if name == "trunk" else f"{name}_address"
            yield f"{setting} {address!r} is not an IP address"
            continue
        if name in {"sip", "public"} and given.is_unspecified:
            yield (
                f"{name}_address {address} is every address; name the one that phones register at"
            )
        if name in {"control", "agi"} and not given.is_loopback:
            yield f"{name}_address {address} is not of this machine alone, such as 127.0.0.1"


def _pattern_problems(number: DirectPattern) -> Iterator[str]:
    if not _PATTERN.fullmatch(number.pattern):
        yield f"the pattern {number.pattern!r} is not digits, X, Z, N and [ranges]"
    if not re.fullmatch(r"\+?[0-9]*", number.prepend):
        yield f"{number.prepend!r} cannot be put in front of a number"


def _write_private(file: Path, text: str) -> None:
    """Replace `file` in one step; it is never readable by anyone else, not even for a moment."""
    partial = file.with_name(f".{file.name}.new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    partial.replace(file)
