"""The desk phones, read from the one file that lists them: phones.toml."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from charging.extension_settings import EXTENSION_RULES, text_of_classes
from charging.provenance import checked
from dialplan.contexts import OUR_TRUNKS
from settings.toml_file import FileMissing, TomlFileError, named, parse_toml, read_text, sentence

EXAMPLE = Path(__file__).with_name("phones.toml")

_NUMBER: Final = re.compile(r"[0-9]{2,8}")
_ENDPOINT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_INCOMING: Final = re.compile(r"\+?[0-9]{2,15}")
_OFFICE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_FIELDS: Final = frozenset({"extension", "office", "incoming", "enabled", *EXTENSION_RULES})
# Sections of pjsip.conf that are no phone's.
_TAKEN: Final = OUR_TRUNKS | {"global", "system", "udp", "phone", "phone-auth", "phone-aor"}


class PhonesError(Exception):
    """The phones file cannot be used; the message names the file and what is wrong in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One desk phone: its endpoint is one of all offices, its number one of its own office."""

    endpoint: str  # its PJSIP endpoint and SIP user name
    number: str  # what colleagues dial
    name: str
    language: str | None = None  # None: its entry names none
    office: str = "main"
    incoming: tuple[str, ...] = ()
    enabled: bool = True
    # The settings of charging.extension_settings that its entry names; a manager may set the rest.
    said: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every number that rings it when the carrier delivers a call."""
        return (self.number, *self.incoming)


def load_phones(file: Path = EXAMPLE) -> tuple[Phone, ...]:
    """Read the phones, in the order of the file.

    Raises:
        PhonesError: the file is missing or damaged, or an entry is wrong.
    """
    try:
        phones = tuple(_phones(parse_toml(read_text(file))))
        _refuse_shared_numbers(phones)
    except FileMissing:
        raise PhonesError(f"there is no phones file {named(file)}") from None
    except TomlFileError as error:
        raise PhonesError(f"{named(file)} {error}") from error
    except _EntryError as error:
        raise PhonesError(f"{named(file)}: {sentence(str(error))}") from None
    except Exception as error:  # whatever it is, calls go on with the phones as they were
        reason = sentence(f"{type(error).__name__}: {error}")
        raise PhonesError(f"{named(file)} cannot be understood: {reason}") from error
    return phones


class _EntryError(Exception):
    pass


def _phones(content: Mapping[str, object]) -> Iterator[Phone]:
    for section in content:
        if section != "phones":
            raise _EntryError(f"a section [{section}] means nothing, only [phones.EXTENSION]")
    entries = content.get("phones")
    if not isinstance(entries, Mapping) or not entries:
        raise _EntryError("it lists no phone; write one as [phones.1001]")
    for endpoint, fields in entries.items():
        if not isinstance(fields, Mapping):
            raise _EntryError(f"phones.{endpoint} must be a section, [phones.{endpoint}]")
        try:
            yield _phone(str(endpoint), fields)
        except (_EntryError, ValueError) as error:
            raise _EntryError(f"[phones.{endpoint}] {error}") from None


def _phone(endpoint: str, fields: Mapping[str, object]) -> Phone:
    unknown = sorted(fields.keys() - _FIELDS)
    if unknown:
        raise _EntryError(f"has a field that means nothing: {', '.join(unknown)}")
    if not _ENDPOINT.fullmatch(endpoint) or endpoint in _TAKEN:
        raise _EntryError("is no name of a phone: letters, digits, - and _, and no trunk's")
    enabled = fields.get("enabled", True)
    if not isinstance(enabled, bool):
        raise _EntryError("enabled must be true or false")
    number = _number(endpoint, fields)
    said = {
        name: checked(EXTENSION_RULES, name, _text(name, fields[name]))
        for name in EXTENSION_RULES
        if name in fields
    }
    return Phone(
        endpoint=endpoint,
        number=number,
        name=said.get("name", number),
        language=said.get("language"),
        office=_office(fields.get("office", "main")),
        incoming=_incoming(fields.get("incoming", [])),
        enabled=enabled,
        said=said,
    )


def _number(endpoint: str, fields: Mapping[str, object]) -> str:
    number = fields.get("extension", endpoint)
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        if "extension" not in fields:
            raise _EntryError('is not an extension of 2 to 8 digits: add extension = "1001"')
        raise _EntryError(f'extension = {number!r} is not 2 to 8 digits in quotes, like "1001"')
    return number


def _office(value: object) -> str:
    if not isinstance(value, str) or not _OFFICE.fullmatch(value):
        raise _EntryError(f"office = {value!r} is not a lower-case name in quotes")
    return value


def _text(name: str, value: object) -> str:
    """A setting as one would type it."""
    if name == "allow":
        return _listed(value)
    if name == "calls_at_once":
        if type(value) is not int or value < 0:
            raise _EntryError(f"{name} must be a whole number, like 2")
        return str(value)
    if not isinstance(value, str):
        kind = 'an amount in quotes, like "5.00"' if name.endswith("_limit") else "text in quotes"
        raise _EntryError(f"{name} must be {kind}")
    return value


def _listed(value: object) -> str:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _EntryError('allow must be a list, like ["included", "national"]')
    return text_of_classes(value)


def _incoming(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _EntryError('incoming must be a list of numbers in quotes, like ["442079460101"]')
    for number in value:
        if not isinstance(number, str) or not _INCOMING.fullmatch(number):
            raise _EntryError(f"incoming holds {number!r}, which is not a number in quotes")
    return tuple(value)


def _refuse_shared_numbers(phones: Sequence[Phone]) -> None:
    """A number rings one phone; a second entry for it would be dead and nobody would know."""
    numbers: dict[tuple[str, str], str] = {}
    for phone in phones:
        other = numbers.setdefault((phone.office, phone.number), phone.endpoint)
        if other != phone.endpoint:
            raise _EntryError(
                f"[phones.{phone.endpoint}] extension {phone.number} of the office {phone.office}"
                f" already rings {other}"
            )
    rung = {number: endpoint for (_, number), endpoint in numbers.items()}
    for phone in phones:
        for number in phone.incoming:
            if number in rung:
                raise _EntryError(
                    f"[phones.{phone.endpoint}] incoming {number} already rings {rung[number]}"
                )
            rung[number] = phone.endpoint
