"""What lists with filters have in common: the form in the address, and pages that are full."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Generic, NamedTuple, TypeVar

from fastapi import Request

from portal.access import Visit
from portal.filters import CallFilter, Period
from portal.offices import extension_choices
from portal.parts import Parts

Form = TypeVar("Form", bound=CallFilter)
Item = TypeVar("Item")
Place = TypeVar("Place")

ROWS = 50
CSV_ROWS = 500  # read at a time
_SHEET: Final = re.compile(r"[1-9][0-9]{0,5}")
LOOKS_MAX = 3  # for one page: each looks at thousands of rows that a filter may all leave out


class Listed(NamedTuple):
    """What a list shows, in the office's own days."""

    period: Period
    zone: tzinfo


def filter_of(
    kind: type[Form], request: Request, visit: Visit, parts: Parts
) -> tuple[Form, Listed]:
    """The filter as it stands in the address; what is wrong of it filters nothing."""
    form = kind(request.query_params)
    office = parts.offices.office(visit.office_id)
    form.offer(extension_choices(parts.offices, office.id), parts.pages.words(request))
    form.validate()
    return form, Listed(form.chosen(office.day_of(visit.at)), office.time_zone)


def full_page(
    read: Callable[[int, Place | None], tuple[Sequence[Item], Place | None]], place: Place | None
) -> tuple[list[Item], Place | None]:
    """A page with as many rows as it may have, where a filter leaves nearly all of them out.

    Args:
        read: so many rows from a place on, and where the next ones begin.
        place: where the page begins.

    Returns:
        The rows, and the place of the next page; there may be one even where no row was found.
    """
    rows: list[Item] = []
    for _ in range(LOOKS_MAX):
        more, place = read(ROWS - len(rows), place)
        rows += more
        if len(rows) >= ROWS or place is None:
            break
    return rows, place


@dataclass(frozen=True, slots=True)
class Sheet(Generic[Item]):
    """So many of a list that has an order of its own, and whether there are others."""

    rows: Sequence[Item]
    number: int  # from 1
    has_next: bool


def sheet_number(request: Request) -> int:
    """Which is asked for; what is no number is the first."""
    text = request.query_params.get("page", "")
    return int(text) if _SHEET.fullmatch(text) else 1


def sheet_of(items: Sequence[Item], request: Request) -> Sheet[Item]:
    """The sheet that is asked for, of a whole list."""
    number = sheet_number(request)
    first = (number - 1) * ROWS
    return Sheet(items[first : first + ROWS], number, has_next=len(items) > first + ROWS)
