"""The one reader of the settings file and of the environment's TOLLGATE_ variables."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from settings.model import (
    SQLITE,
    DatabaseSettings,
    Settings,
    SharedSections,
    WithSecret,
    secrets_of,
)
from settings.toml_file import FileMissing, TomlFileError, named, parse_toml, read_text, sentence

DEFAULT_FILE = Path("tollgate.toml")
SYSTEM_FILE = Path("/etc/tollgate/tollgate.toml")  # where `tollgate setup asterisk` writes it
SETTINGS_VARIABLE = "TOLLGATE_SETTINGS"
STATE_FOLDER = Path(".tollgate")


class SettingsError(Exception):
    """The settings cannot be used; the message is one sentence for the person who edits them."""


Read = TypeVar("Read", bound=SharedSections)
Section = TypeVar("Section", bound=BaseModel)


def load_settings(file: Path | None = None) -> Settings:
    """Every section; see load_sections."""
    return load_sections(Settings, file)


def load_sections(kind: type[Read], file: Path | None = None) -> Read:
    """Read the sections of `kind`, from `file` and the environment.

    Relative paths in the file start at its folder. Without a `file`: the one that TOLLGATE_SETTINGS
    names, or tollgate.toml of the current folder, or that of the system, or else nothing but
    defaults, with the ledger in the current folder's .tollgate.

    Raises:
        SettingsError: the file is missing, is not TOML, or a field of these sections is wrong.
    """
    found = file or settings_file()
    if found is None:
        return _checked(kind, {}, Path("the environment"), Path.cwd() / STATE_FOLDER)
    settings = _checked(kind, _fields_in(found), found, found.resolve().parent)
    return settings.read_in(found.resolve())


def problems_of(file: Path | None = None) -> Sequence[str]:
    """Everything that is wrong with any section, one sentence each."""
    found = file
    try:
        found = file or settings_file()
        Settings(**({} if found is None else _fields_in(found)))
        load_settings(file)
    except SettingsError as error:
        return [str(error)]
    except ValidationError as error:
        source = found or "the environment"
        return [
            f"{named(source)}: {_sentence_of(each)}" for each in error.errors(include_input=False)
        ]
    return []


def settings_file() -> Path | None:
    """The file that is read where no other is named; None: nothing but the environment.

    Raises:
        SettingsError: the system's may not be looked at: another ledger is never taken instead.
    """
    name = os.environ.get(SETTINGS_VARIABLE)
    if name:
        return Path(name)
    try:
        if _is_there(DEFAULT_FILE):
            return DEFAULT_FILE
    except PermissionError:  # the current folder is somebody else's, and so is what is in it
        pass
    try:
        return SYSTEM_FILE if _is_there(SYSTEM_FILE) else None
    except PermissionError as error:
        raise SettingsError(f"{SYSTEM_FILE} cannot be read: {error.strerror}") from None


def _is_there(file: Path) -> bool:
    """Unlike `Path.exists`, which newer versions of Python let say no where it is not known."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _fields_in(file: Path) -> dict[str, Any]:
    try:
        fields = parse_toml(read_text(file))
    except FileMissing:
        raise SettingsError(f"there is no settings file {named(file)}") from None
    except TomlFileError as error:
        raise SettingsError(f"{named(file)} {error}") from error
    unknown = fields.keys() - Settings.model_fields.keys()
    if unknown:
        sections = sentence(", ".join(sorted(unknown)))
        raise SettingsError(f"{named(file)} has a section that means nothing: {sections}")
    return fields


def _checked(kind: type[Read], fields: dict[str, Any], source: Path, folder: Path) -> Read:
    mine = {name: fields[name] for name in fields.keys() & kind.model_fields.keys()}
    try:
        return _with_secrets(_anchored(kind(**mine), folder))
    except ValidationError as error:
        first = _sentence_of(error.errors(include_input=False)[0])
        raise SettingsError(f"{named(source)}: {first}") from None
    except SettingsError as error:
        raise SettingsError(f"{named(source)}: {error}") from None
    except Exception as error:  # such as a variable of the environment that is no JSON
        # What it says is not repeated: it may hold a password.
        raise SettingsError(
            f"{named(source)}: cannot be understood: {type(error).__name__}"
        ) from error


def _sentence_of(error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing" and len(error["loc"]) == 1:
        return f"the section [{where}] is missing"
    return sentence(f"{where}: {_said(error['msg'])}")


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")  # pydantic's own prefix tells the reader nothing


def _anchored(section: Section, folder: Path) -> Section:
    """Where a relative path starts must not depend on where a command is run."""
    changed = {name: _from(folder, value) for name, value in section}
    if isinstance(section, DatabaseSettings) and section.url.startswith(SQLITE):
        changed["url"] = f"{SQLITE}{folder / section.url.removeprefix(SQLITE)}"
    return _changed(section, changed)


def _from(folder: Path, value: object) -> object:
    match value:
        case Path():
            return folder / value
        case BaseModel():
            return _anchored(value, folder)
        case dict():
            return {name: _from(folder, each) for name, each in value.items()}
        case _:
            return value


def _with_secrets(settings: Read) -> Read:
    """Read the files in which secrets are.

    Raises:
        SettingsError: one cannot be read, or is empty.
    """
    return _changed(
        settings,
        {
            name: _changed(section, _secrets_in_files(name, section))
            for name, section in settings
            if isinstance(section, WithSecret)
        },
    )


def _secrets_in_files(heading: str, section: WithSecret) -> dict[str, object]:
    files = {name: getattr(section, f"{name}_file") for name in secrets_of(type(section))}
    return {
        name: _secret_in(file, f"{heading}.{name}_file")
        for name, file in files.items()
        if file is not None
    }


def _secret_in(file: Path, setting: str) -> SecretStr:
    try:
        secret = read_text(file).strip()
    except TomlFileError as error:
        raise SettingsError(f"{setting}: {named(file)} {error}") from None
    if not secret:
        raise SettingsError(f"{setting}: {named(file)} is empty")
    return SecretStr(secret)


def secret_files(settings: SharedSections) -> Iterator[Path]:
    """The files in which secrets of these sections are."""
    for _, section in settings:
        names = secrets_of(type(section)) if isinstance(section, BaseModel) else ()
        files = (getattr(section, f"{name}_file") for name in names)
        yield from (file for file in files if file is not None)


def _changed(section: Section, values: Mapping[str, object]) -> Section:
    """What is as it was does not count as set."""
    known = dict(section)
    update = {name: value for name, value in values.items() if value != known[name]}
    return section.model_copy(update=update)
