"""Objects of PJSIP's configuration, as ARI tells them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

_NEXT_CONTACT: Final = re.compile(r"\n|,(?=sips?:)")


def path_of(kind: str, name: str) -> str:
    """Where ARI has an object: `endpoint`, `aor` or `contact`."""
    return f"asterisk/config/dynamic/res_pjsip/{kind}/{quote(name, safe='')}"


def fields_of(said: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    """By name. What is there several times, as the contacts of an address, has a line for each."""
    found: dict[str, str] = {}
    for each in said:
        name, value = each["attribute"], each["value"]
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found


def aors_of(endpoint: Mapping[str, str]) -> Sequence[str]:
    return [name.strip() for name in endpoint.get("aors", "").split(",") if name.strip()]


def contacts_of(aor: Mapping[str, str]) -> Sequence[str]:
    """Those of pjsip.conf and those that are registered: Asterisk tells them as one."""
    return [each for each in _NEXT_CONTACT.split(aor.get("contact", "")) if each]
