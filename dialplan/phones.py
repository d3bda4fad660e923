"""The desk phones, read from the one file that lists them: phones.toml."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dialplan.phone_limits import FIELDS, NO_LIMITS, PhoneLimits, parse_limits
from settings.toml_file import FileMissing, TomlFileError, parse_toml, read_text, sentence

EXAMPLE = Path(__file__).with_name("phones.toml")
LANGUAGES = ("en", "fr")

_EXTENSION = re.compile(r"[0-9]{2,8}")
_INCOMING = re.compile(r"\+?[0-9]{2,15}")
_NAME = re.compile(r"[\w .'()&+-]{1,60}")  # goes into a SIP header: no quote, no line end
_OFFICE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class PhonesError(Exception):
    """The phones file cannot be used; the message names the file and what is wrong in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One desk phone. Its extension is also its PJSIP endpoint and its SIP user name."""

    extension: str
    name: str
    language: str | None = None  # None: the language of the office's plan
    office: str = "main"
    incoming: tuple[str, ...] = ()
    enabled: bool = True
    limits: PhoneLimits = NO_LIMITS

    @property
    def endpoint(self) -> str:
        return self.extension

    @property
    def number(self) -> str:
        return self.extension

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every number that rings it when the carrier delivers a call."""
        return (self.extension, *self.incoming)


def load_phones(file: Path = EXAMPLE) -> tuple[Phone, ...]:
    """Read the phones, in the order of the file.

    Raises:
        PhonesError: the file is missing or damaged, or an entry is wrong.
    """
    try:
        phones = tuple(_phones(parse_toml(read_text(file))))
        _refuse_shared_numbers(phones)
    except FileMissing:
        raise PhonesError(f"there is no phones file {file}") from None
    except TomlFileError as error:
        raise PhonesError(f"{file} {error}") from error
    except _EntryError as error:
        raise PhonesError(f"{file}: {sentence(str(error))}") from None
    except Exception as error:  # whatever it is, calls go on with the phones as they were
        reason = sentence(f"{type(error).__name__}: {error}")
        raise PhonesError(f"{file} cannot be understood: {reason}") from error
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
    for extension, fields in entries.items():
        if not isinstance(fields, Mapping):
            raise _EntryError(f"phones.{extension} must be a section, [phones.{extension}]")
        try:
            yield _phone(str(extension), fields)
        except _EntryError as error:
            raise _EntryError(f"[phones.{extension}] {error}") from None


def _phone(extension: str, fields: Mapping[str, object]) -> Phone:
    known = {"name", "language", "office", "incoming", "enabled"} | FIELDS
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise _EntryError(f"has a field that means nothing: {', '.join(unknown)}")
    if not _EXTENSION.fullmatch(extension):
        raise _EntryError("is not an extension: 2 to 8 digits")
    language = _text(fields, "language", "en") if "language" in fields else None
    if language is not None and language not in LANGUAGES:
        raise _EntryError(f'language = "{language}" is not one of {", ".join(LANGUAGES)}')
    enabled = fields.get("enabled", True)
    if not isinstance(enabled, bool):
        raise _EntryError("enabled must be true or false")
    return Phone(
        extension=extension,
        name=_matching(_text(fields, "name", extension), _NAME, "name", "letters and digits"),
        language=language,
        office=_matching(_text(fields, "office", "main"), _OFFICE, "office", "a lower-case name"),
        incoming=_incoming(fields.get("incoming", [])),
        enabled=enabled,
        limits=_limits(fields),
    )


def _limits(fields: Mapping[str, object]) -> PhoneLimits:
    try:
        return parse_limits(fields)
    except ValueError as error:
        raise _EntryError(str(error)) from error


def _text(fields: Mapping[str, object], field: str, default: str) -> str:
    value = fields.get(field, default)
    if not isinstance(value, str):
        raise _EntryError(f'{field} must be text in quotes, like "{default}"')
    return value


def _matching(value: str, pattern: re.Pattern[str], field: str, wanted: str) -> str:
    if not pattern.fullmatch(value):
        raise _EntryError(f"{field} = {value!r} is not {wanted}")
    return value


def _incoming(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _EntryError('incoming must be a list of numbers in quotes, like ["442079460101"]')
    for number in value:
        if not isinstance(number, str) or not _INCOMING.fullmatch(number):
            raise _EntryError(f"incoming holds {number!r}, which is not a number in quotes")
    return tuple(value)


def _refuse_shared_numbers(phones: tuple[Phone, ...]) -> None:
    """A number rings one phone; a second entry for it would be dead and nobody would know."""
    owner: dict[str, str] = {phone.extension: phone.extension for phone in phones}
    for phone in phones:
        for number in phone.incoming:
            if number in owner:
                raise _EntryError(
                    f"[phones.{phone.extension}] incoming {number} already rings {owner[number]}"
                )
            owner[number] = phone.extension
