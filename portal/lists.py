"""What lists with filters have in common: the form in the address, and pages that are full."""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import NamedTuple, TypeVar

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
LOOKS_MAX = 5  # for one page: each looks at thousands of rows that a filter may all leave out


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
    form.offer(extension_choices(parts.offices, office.id), parts.pages.words(request).countries())
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
