"""Where phones' contexts begin and end in the admin's dialplan, and which phones are in them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from admin.setup.blocks import block
from admin.setup.conf import Conf, own_values
from dialplan.config_text import Section
from dialplan.office_routes import context_of

_CALLER_ID = re.compile(r'\s*"?(?P<name>[^"<]*?)"?\s*<(?P<number>[0-9]+)>\s*')
_EXTENSION = re.compile(r"[0-9]{2,8}")
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
FIRST = "emergency numbers come before all others"
LAST = "what is no number of your own costs money"


@dataclass(frozen=True, slots=True)
class FoundPhone:
    endpoint: str
    number: str
    name: str
    office: str


def includes(section: Section, office: str) -> Sequence[tuple[int, str]]:
    """Blocks by the line in front of which they belong; none where the admin includes ours."""
    if any(value.startswith("tollgate") for key, value in own_values(section) if key == "include"):
        return ()
    first = block([f"include => {context_of('emergency', office)}"], why=FIRST)
    last = block([f"include => {context_of('', office)}"], why=LAST)
    return ((section.line.number, first), (section.end, last))


def phones_in(pjsip: Conf, contexts: Mapping[str, str]) -> Iterator[FoundPhone]:
    """The endpoints whose calls begin in one of these contexts.

    Args:
        pjsip: Asterisk's pjsip.conf.
        contexts: the phones' contexts, and of which office the phones are.
    """
    for section in pjsip.sections:
        values = dict(pjsip.values(section))
        office = contexts.get(values.get("context", ""))
        if section.is_template or values.get("type") != "endpoint" or office is None:
            continue
        said = _CALLER_ID.fullmatch(values.get("callerid", ""))
        number = section.name if _EXTENSION.fullmatch(section.name) else said and said["number"]
        if number and _EXTENSION.fullmatch(number) and _ENDPOINT.fullmatch(section.name):
            name = said["name"] if said and said["name"] else number
            yield FoundPhone(section.name, number, name, office)


def contexts_of_endpoints(pjsip: Conf) -> Mapping[str, Sequence[str]]:
    """Which endpoints' calls begin where: what an admin chooses from."""
    found: dict[str, list[str]] = {}
    for section in pjsip.sections:
        values = dict(pjsip.values(section))
        if not section.is_template and values.get("type") == "endpoint" and "context" in values:
            found.setdefault(values["context"], []).append(section.name)
    return found


def phones_toml(phones: Iterable[FoundPhone]) -> str:
    """As dialplan.phones reads it."""
    lines = [
        "# The desk phones that `tollgate setup asterisk` found in pjsip.conf; yours from now on.",
        "# What else an entry may say stands in docs/configure.md and in dialplan/phones.toml.",
    ]
    for phone in phones:
        lines += ["", f"[phones.{phone.endpoint}]", f"name = {_quoted(phone.name)}"]
        if phone.number != phone.endpoint:
            lines.append(f'extension = "{phone.number}"')
        if phone.office != "main":
            lines.append(f'office = "{phone.office}"')
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(each for each in escaped if each.isprintable())}"'
