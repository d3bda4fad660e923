"""What each file of Asterisk's lacks for Tollgate; what is there for others stays as it is.

Each answer is the text of a file of ours, which the admin's own file then includes. `[name](+)`
adds to a section that is there; without one Asterisk would refuse the whole file.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from admin.setup.conf import Conf, own_values
from dialplan.config_text import is_true
from dialplan.render import TEMPLATES

LOOPBACK = "127.0.0.1"
HTTP_PORT = "8088"
AMI_PORT = "5038"
WRITE_TIMEOUT_MS = 5000
USER = "tollgate"
EMERGENCY = "emergency"  # the endpoint that silence and session timers never end
EVENT_TIME = "EventTime(%s.%q)"  # in this log alone: cel.conf's dateformat is for all of them
_REQUIRED = "require"
# Of what Tollgate's own configuration requires, these it needs of anybody's.
_OURS = (
    *("app_", "func_", "cel_", "res_agi", "res_ari", "res_cdrel", "res_stasis"),
    *("chan_pjsip", "pbx_config"),
)
_LOADS = frozenset({"load", "require", "preload", "preload-require"})


@dataclass(slots=True)
class Needed:
    """Lines by section, and what the admin is told."""

    sections: dict[str, list[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    inherited: dict[str, str] = field(default_factory=dict)  # by a section, from another one

    def add(self, section: str, *lines: str) -> None:
        self.sections.setdefault(section, []).extend(lines)

    def text(self, conf: Conf, *, comment: str) -> str:
        """Of the file of ours; empty where nothing is lacking."""
        if not self.sections:
            return ""
        parts = [f"; {comment}\n; Written by `tollgate setup asterisk`: edit nothing here.\n"]
        for name, lines in self.sections.items():
            option = "+" if conf.has(name) else self.inherited.get(name)
            header = f"[{name}]" if option is None else f"[{name}]({option})"
            parts.append("\n".join([header, *lines, ""]))
        return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class Address:
    """Where one of Asterisk's servers is reached from this machine."""

    host: str
    port: str


def http(conf: Conf) -> tuple[Needed, Address]:
    """HTTP on loopback, for ARI; a server that is there already keeps its address."""
    needed, host = _listening(conf, "http.conf: HTTP, and with it ARI,")
    return needed, Address(_reached(host), conf.last("general", "bindport", HTTP_PORT))


def _listening(conf: Conf, server: str) -> tuple[Needed, str]:
    """What a server wants in order to listen, and at which address it then does."""
    needed = Needed()
    host = conf.last("general", "bindaddr")
    if not is_true(conf.last("general", "enabled", "no")):
        needed.add("general", "enabled = yes")
        if not _is_loopback(host):
            needed.add("general", f"bindaddr = {LOOPBACK}")
            host = LOOPBACK
    elif not _is_loopback(host):
        needed.told.append(
            f"{server} listens at {host or 'every address'}; Tollgate needs no more than"
            f" bindaddr = {LOOPBACK}"
        )
    return needed, host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reached(host: str) -> str:
    """From this machine: a server at every address is at the loopback one, too."""
    try:
        return LOOPBACK if not host or ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host


def ari(conf: Conf, password: str) -> Needed:
    """A user of our own; ARI itself, and patience with a reader that is busy."""
    needed = Needed()
    if not is_true(conf.last("general", "enabled", "yes")):
        needed.add("general", "enabled = yes")
    timeout = conf.last("general", "websocket_write_timeout", "0")
    if not timeout.isdigit() or int(timeout) < WRITE_TIMEOUT_MS:
        needed.add("general", f"websocket_write_timeout = {WRITE_TIMEOUT_MS}")
    needed.add(
        USER, "type = user", "read_only = no", "password_format = plain", f"password = {password}"
    )
    return needed


def manager(conf: Conf, secret: str, *, http_on_loopback: bool) -> tuple[Needed, Address]:
    """A user that may list and end calls, from this machine: nothing that amounts to a shell."""
    needed, host = _listening(conf, "manager.conf: AMI")
    if not is_true(conf.last("general", "webenabled", "no")) and http_on_loopback:
        needed.add("general", "webenabled = yes")
    others = {each.name for each in conf.sections} - {"general", USER}
    if not others and not conf.last("general", "disabledevents"):
        needed.add(
            "general", f"disabledevents = {_template_value('manager.conf', 'disabledevents')}"
        )
    needed.add(
        USER,
        f"secret = {secret}",
        "deny = 0.0.0.0/0.0.0.0",
        "permit = 127.0.0.0/255.0.0.0",
        "read =",
        "write = call,reporting",
        f"writetimeout = {WRITE_TIMEOUT_MS}",
    )
    return needed, Address(_reached(host), conf.last("general", "port", AMI_PORT))


def _template_value(file: str, key: str) -> str:
    """As the configuration that Tollgate writes for itself has it."""
    for line in (TEMPLATES / file).read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == key:
            return value.strip()
    raise LookupError(f"{file} has no {key}")


def cel(conf: Conf) -> Needed:
    """Events added to those that are logged for others."""
    needed = Needed()
    if not is_true(conf.last("general", "enable", "no")):
        needed.add("general", "enable = yes")
    for key in ("apps", "events"):
        there = {each.lower() for each in _all_of(conf, key)}
        wanted = _template_value("cel.conf", key).split(",")
        missing = [each for each in wanted if each.lower() not in there and "all" not in there]
        if missing:
            needed.add("general", f"{key} = {','.join(missing)}")
    return needed


def _all_of(conf: Conf, key: str) -> Iterable[str]:
    """Asterisk adds the events of every such line together."""
    for section in conf.named("general"):
        for known, value in conf.values(section):
            if known.lower() == key:
                yield from (each.strip() for each in value.split(","))


def cel_custom(legs_file: str) -> Needed:
    needed = Needed()
    fields = _template_value("cel_custom.conf", "fields").replace("EventTime", EVENT_TIME)
    needed.add(legs_file, "format = json", f"fields = {fields}")
    return needed


PJSIP_GLOBAL: Mapping[str, str] = {
    "ignore_uri_user_options": "yes",
    "taskprocessor_overload_trigger": "pjsip_only",
}


def pjsip(conf: Conf, trunk: str | None) -> Needed:
    """What keeps emergency calls from being refused, and the endpoint that they leave by."""
    needed = Needed()
    known = [each for each in conf.sections if not each.is_template and conf.kind(each) == "global"]
    there = dict(conf.values(known[0])) if known else {}
    lines = [f"{key} = {value}" for key, value in PJSIP_GLOBAL.items() if key not in there]
    for key, value in PJSIP_GLOBAL.items():
        if there.get(key, value) != value:
            needed.told.append(f"pjsip.conf: {key} = {there[key]}; emergency calls want {value}")
    if lines:
        needed.add(
            known[0].name if known else "global", *(() if known else ("type = global",)), *lines
        )
    if trunk is not None and not conf.has(EMERGENCY) and is_endpoint(conf, trunk):
        needed.inherited[EMERGENCY] = trunk
        needed.add(EMERGENCY, "rtp_timeout = 0", "rtp_timeout_hold = 0", "timers = no")
    return needed


def is_endpoint(conf: Conf, name: str) -> bool:
    """Whether Asterisk finds an endpoint there: it takes the first section of a name."""
    return any(conf.kind(each) == "endpoint" for each in conf.named(name)[:1])


def modules_missing(conf: Conf) -> Sequence[str]:
    """What Tollgate needs of Asterisk and modules.conf keeps from it."""
    named = [
        (key.lower(), value) for each in conf.named("modules") for key, value in own_values(each)
    ]
    barred = {_module(value) for key, value in named if key == "noload"}
    loaded = {_module(value) for key, value in named if key in _LOADS}
    automatic = is_true(conf.last("modules", "autoload", "no"))
    return [
        module
        for module in _modules_needed()
        if module in barred or not (automatic or module in loaded)
    ]


def _module(value: str) -> str:
    return value if value.endswith(".so") else f"{value}.so"


def _modules_needed() -> Iterable[str]:
    """Those of Tollgate's own configuration that are no codec, format or convenience of it."""
    for line in (TEMPLATES / "modules.conf").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == _REQUIRED and value.strip().startswith(_OURS):
            yield value.strip()
