"""Which Contacts of a phone are dialled: a leg to a phone goes nowhere but to that phone.

A phone chooses its Contact, and SIP lets one name another host (`maddr`), a way there (`?Route=`),
or, as a second Contact, anybody at all. So what may be in one is listed; nothing else is dialled.
The pattern is a POSIX extended regular expression, for Asterisk's REGEX(), and means the same to
Python's `re`. docs/adr/0013-legs-to-phones.md says why.
"""

import re

# FILTER()'s list of characters: of these alone is a Contact that the pattern may be asked about.
CHARACTERS = r"A-Za-z0-9._~:\;=@\x2d"

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_WORD = "[A-Za-z0-9._~-]"
# Its own extension, a name, or a UUID: nothing that a gateway among the phones could dial.
_USER = (
    f"(@EXTENSION@([-_.~]{_WORD}{{0,64}})?"
    f"|[A-Za-z]{_WORD}{{0,64}}"
    "|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)
# IPv4 as it is usually written: a name can be another machine a moment later.
_ADDRESS = f"{_OCTET}[.]{_OCTET}[.]{_OCTET}[.]{_OCTET}(:[1-9][0-9]{{0,4}})?"
_TRANSPORT = "transport=([Uu][Dd][Pp]|[Tt][Cc][Pp]|[Tt][Ll][Ss]|[Ww][Ss][Ss]?)"
# What phones are seen to add; `x-ast-orig-host` is Asterisk's own, where it rewrote the address.
_PARAMETER = (
    f"(;({_TRANSPORT}|ob|user=phone"
    f"|(rinstance|line|registering_acc|x-ast-orig-host)=[A-Za-z0-9._:-]{{1,64}}))"
)
_CONTACT = f"^sips?:({_USER}@)?{_ADDRESS}{_PARAMETER}*$"


def contact_pattern(extension: str) -> str:
    """What a Contact of that extension must be."""
    return _CONTACT.replace("@EXTENSION@", extension)


def is_dialled(uri: str, extension: str) -> bool:
    """Whether Asterisk dials this Contact of that extension."""
    return re.fullmatch(contact_pattern(extension), uri) is not None
