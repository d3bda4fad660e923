"""The files beside the ledger that make an office what it is: settings, plans, phones.

Secrets in files of their own stay where they are: a backup is copied about more than they are.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from assembly.offices import phones_file, plan_file
from backups.errors import BackupError
from backups.manifest import PHONES, PLANS, SETTINGS
from settings import SharedSections
from settings.toml_file import TomlFileError, named, parse_toml, read_text

_NAMES_A_SECRET: Final = re.compile(r"[a-z_]*(?:password|secret|key)_file")  # a test compares


def site_files(settings: SharedSections) -> Iterator[tuple[str, Path]]:
    """What each is called in a backup, and where it is; what is missing is not the backup's."""
    if settings.file is not None:
        yield SETTINGS, settings.file
    phones = phones_file(settings)
    if phones.is_file():
        yield PHONES, phones
    for plan in _plans(settings):
        yield f"{PLANS}/{plan.name}", plan


def secrets_left_out(settings: SharedSections) -> Sequence[str]:
    """By their names in the settings: whoever takes a backup need not be able to read them."""
    if settings.file is None:
        return []
    folder = settings.file.parent
    sections = [each for each in _fields_of(settings.file).values() if isinstance(each, dict)]
    return sorted(
        str(folder / str(value))
        for section in sections
        for name, value in section.items()
        if _NAMES_A_SECRET.fullmatch(name)
    )


def _fields_of(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_text(file))
    except TomlFileError as error:  # it was good when the settings were read
        raise BackupError(f"{named(file)} {error}") from error


def _plans(settings: SharedSections) -> Sequence[Path]:
    """Those of the offices, and whatever else the admin keeps beside them."""
    found = {plan_file(settings, office.plan) for office in settings.offices.values()}
    if settings.site.plans_folder is not None:
        found |= set(settings.site.plans_folder.glob("*.toml"))
    by_name = {plan.name: plan for plan in found if plan.is_file()}
    return [by_name[name] for name in sorted(by_name)]
