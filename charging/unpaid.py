"""Which numbers a carrier may be sent without anybody paying for the call."""

from collections.abc import Iterable

from charging.errors import InvalidNumber
from charging.numbering import Number, Site, find_emergency, parse_number
from charging.offices import Office
from charging.plan import Category, classify

COSTS_NOTHING = frozenset({Category.EMERGENCY, Category.FREE, Category.INCLUDED})


def costs_nothing(sent: str, offices: Iterable[Office]) -> bool:
    """Whether a number, as a trunk was told it, is one that some office need not pay for.

    Most trunks are told all digits of E.164, so what is no emergency number is read as that first,
    and else as it would be dialled here. What is no number at all costs.
    """
    return any(_costs_nothing(sent, office) for office in offices)


def _costs_nothing(sent: str, office: Office) -> bool:
    if find_emergency(sent, office.emergency_sites):
        return True
    number = number_sent(sent, office.site)
    return number is not None and classify(number, office.plan).category in COSTS_NOTHING


def number_sent(sent: str, site: Site) -> Number | None:
    """The number that a trunk was told; None: it is none that could be dialled here."""
    emergency = find_emergency(sent, (site,))
    if emergency is not None:
        return emergency
    for form in (f"+{sent.removeprefix('+')}", sent):
        try:
            return parse_number(form, site)
        except InvalidNumber:
            continue
    return None
