"""A desk phone and what it may do."""

from dataclasses import dataclass
from enum import StrEnum

from charging.money import Money


class DestinationClass(StrEnum):
    """What an extension may be allowed or denied. Every call is of exactly one of these.

    Emergency and free numbers are of none: nobody can be denied them.
    """

    INCLUDED = "included"  # in the calling plan, costs nothing
    NATIONAL = "national"  # paid, ordinary number of the office's country
    INTERNATIONAL = "international"  # paid, ordinary number of another country
    PREMIUM = "premium"  # paid, with a service charge: premium, service and directory numbers


EVERY_CLASS = frozenset(DestinationClass)
PAID_CLASSES = EVERY_CLASS - {DestinationClass.INCLUDED}  # "paid" in a phones file


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One desk phone, known by its endpoint. Limits that are None do not exist."""

    endpoint: str  # its PJSIP endpoint and SIP user name: one of all offices has it
    number: str  # what colleagues dial: one of its own office has it
    name: str
    office_id: str
    language: str | None = None  # None: its office's
    enabled: bool = True
    allow: frozenset[DestinationClass] = EVERY_CLASS
    day_limit: Money | None = None  # spent by this extension, per day of the office
    month_limit: Money | None = None
    calls_at_once: int | None = None  # paid calls only: included calls touch no ledger
