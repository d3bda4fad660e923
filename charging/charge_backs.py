"""What was taken back of a payment without our asking: by its bank, or at the processor's desk.

Each has the processor's name, by which it is entered once, however often and in whatever order
its beginning and its end are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from charging.money import Money


class TakenBy(StrEnum):
    BANK = "bank"  # a dispute
    DESK = "desk"  # a refund that somebody made at the processor's desk


@dataclass(frozen=True, slots=True)
class ChargedBack:
    """One dispute, or one refund that is not ours."""

    by: TakenBy
    name: str  # the processor's
    amount: Money  # as it was told; nothing, where its end was told first
    returned: bool = False  # the dispute was won, the refund failed


def kept(charge_backs: Sequence[ChargedBack], nothing: Money) -> Money:
    """All that was taken and not returned; `nothing` is zero of the payment's currency."""
    return sum((each.amount for each in charge_backs if not each.returned), nothing)


def keepers(charge_backs: Sequence[ChargedBack]) -> frozenset[TakenBy]:
    """Who has taken and not returned."""
    return frozenset(each.by for each in charge_backs if not each.returned)
