"""What a dialled number is, whether it may be called, and what it costs: one answer for everybody.

Authorisation, `tollgate explain`, `tollgate price` and the spoken price all ask here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from charging.errors import DestinationBarred, ExtensionNotAllowed, NoRateForDestination
from charging.extensions import DestinationClass, Extension
from charging.numbering import Number
from charging.plan import PREMIUM_KINDS, Category, Classification, Plan, classify
from charging.rate_deck import RateDeck
from charging.rates import Rate
from charging.reach import reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    number: Number
    category: Category
    reason: str
    destination: str
    rate: Rate | None  # None unless paid


def quote(number: Number, *, plan: Plan, deck: Callable[[], RateDeck], on: date) -> Quotation:
    """Classify a number and find its rate; the deck is asked for only if the number is paid.

    Args:
        number: what would be called.
        plan: of the office that pays.
        deck: finds its rates.
        on: the day that it is in the office.

    Raises:
        DestinationBarred: the plan bars it.
        NoRateForDestination: it would be paid, and the deck has no rate for it.
    """
    classification = classify(number, plan)
    if classification.category is Category.BARRED:
        raise DestinationBarred(number.digits, classification.reason)
    if classification.category is Category.PAID:
        return _priced(number, classification, plan, deck(), on=on)
    return Quotation(
        number=number,
        category=classification.category,
        reason=classification.reason,
        destination=describe(number),
        rate=None,
    )


def _priced(
    number: Number, classification: Classification, plan: Plan, deck: RateDeck, *, on: date
) -> Quotation:
    row = deck.lookup(number.key, on)
    if row is None:
        raise NoRateForDestination(number.digits)
    if not reaches(row.prefix, number, row.destination):
        named = f"{row.prefix} {row.destination}"
        raise NoRateForDestination(number.digits, f": {named} does not mean {describe(number)}")
    service = number.kind in PREMIUM_KINDS and number.country == plan.country
    return Quotation(
        number=number,
        category=Category.PAID,
        reason=classification.reason,
        destination=row.destination,
        rate=with_access_charge(row.rate, plan) if service else row.rate,
    )


def with_access_charge(service: Rate, plan: Plan) -> Rate:
    """A service number costs our access charge and the service charge that the deck names."""
    if not plan.access_per_minute and not plan.access_connection:
        return service
    return Rate(
        per_minute=service.per_minute + plan.access_per_minute,
        connection_charge=service.connection_charge + plan.access_connection,
        per_call=service.per_call,
        initial_s=service.initial_s,
        increment_s=service.increment_s,
    )


def describe(number: Number) -> str:
    """A destination's name where no rate names it: "GB landline"."""
    return f"{number.country} {number.kind.value.replace('_', ' ')}"


def require_allowed(extension: Extension, quotation: Quotation, plan: Plan) -> None:
    """Refuse what this desk phone may not call. Emergency and free numbers are never asked about.

    Raises:
        ExtensionNotAllowed: it is switched off, or the class of destination is not allowed.
    """
    if quotation.category in {Category.EMERGENCY, Category.FREE}:
        return
    if not extension.enabled:
        raise ExtensionNotAllowed(extension.endpoint, "is switched off", what="switched_off")
    wanted = class_of(quotation, plan)
    if wanted not in extension.allow:
        raise ExtensionNotAllowed(
            extension.endpoint, f"{wanted.value} calls are not allowed", what=wanted.value
        )


def class_of(quotation: Quotation, plan: Plan) -> DestinationClass:
    """The class of an included or paid call."""
    if quotation.category is Category.INCLUDED:
        return DestinationClass.INCLUDED
    if quotation.number.kind in PREMIUM_KINDS:
        return DestinationClass.PREMIUM
    if quotation.number.country == plan.country:
        return DestinationClass.NATIONAL
    return DestinationClass.INTERNATIONAL
