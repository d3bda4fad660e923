"""One phone, and what a number costs there."""

from charging.extensions import Extension
from charging.numbering import Site, parse_number
from charging.plan import Category
from charging.quotation import Quotation
from charging.rates import Rate
from tests.fakes.charging import RECEPTION


def reception() -> Extension:
    return RECEPTION


def quotation_of(dialled: str, rate: Rate) -> Quotation:
    """As if a deck had this rate for the number."""
    return Quotation(
        number=parse_number(dialled, Site()),
        category=Category.PAID,
        reason="UK plan does not include it",
        destination="somewhere",
        rate=rate,
    )
