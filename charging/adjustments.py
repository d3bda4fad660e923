"""Customer care corrects an account: adds to it or takes from it, and says why.

Key: grant:<office>:<key>, or deduct:<office>:<key>. A key is of one of the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from charging.changes import Change
from charging.commands import TOP_UP_MAX, TOP_UP_MAX_MICROS
from charging.debts import owed_by
from charging.entries import (
    EntryKey,
    EntryKind,
    FundingSource,
    LedgerEntry,
    Posting,
    available,
    funding,
    reserved,
)
from charging.entry_keys import require_top_up_key
from charging.errors import EntryKeyReused
from charging.ledger import Balances, Decision, LedgerCommand, LedgerSnapshot
from charging.money import Money
from charging.money_state import Record
from charging.plain_text import require_plain

REASON_MAX = 500  # characters
ADJUSTED_MAX_UNITS = TOP_UP_MAX  # at once: more is a slip of the hand
_ADJUSTMENT: Final = funding(FundingSource.ADJUSTMENT)


class Adjustment(StrEnum):
    GRANT = "grant"
    DEDUCT = "deduct"


_KINDS: Final[Mapping[Adjustment, EntryKind]] = {
    Adjustment.GRANT: EntryKind.GRANT,
    Adjustment.DEDUCT: EntryKind.DEDUCT,
}
# As the audit trail names them.
_ACTIONS: Final[Mapping[Adjustment, str]] = {
    Adjustment.GRANT: "balance.grant",
    Adjustment.DEDUCT: "balance.deduct",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    entry_key: EntryKey
    adjustment: Adjustment
    amount: Money
    balances: Balances


class Adjust(LedgerCommand[Adjusted]):
    """Add to an account, or take from what is free in it: never what calls have reserved."""

    def __init__(  # noqa: PLR0913 - what is written into the entry
        self,
        *,
        office_id: str,
        adjustment: Adjustment,
        amount: Money,
        key: str,
        actor: str,
        reason: str,
        at: datetime,
    ) -> None:
        """Raises ValueError: no amount that can be meant, no key, or no reason that can be read."""
        require_top_up_key(key)
        if amount.micros > TOP_UP_MAX_MICROS:
            raise ValueError(f"{amount} is more than {TOP_UP_MAX} at once")
        self.office_id: str = office_id
        self.at: datetime = at
        self._adjustment = adjustment
        self._amount = amount
        self._entry = LedgerEntry(
            key=_key(adjustment, office_id, key),
            kind=_KINDS[adjustment],
            office_id=office_id,
            actor=actor,
            postings=(_posting(adjustment, office_id, amount),),
            at=at,
            reason=require_reason(reason),
        )
        self.entry_keys = tuple(_key(each, office_id, key) for each in Adjustment)

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Adjusted]:
        for key in self.entry_keys:
            posted = snapshot.find_entry(key)
            if posted is None:
                continue
            if posted.postings != self._entry.postings:
                raise EntryKeyReused(key)
            return Decision(result=self._result(snapshot, change=0))
        micros = self._amount.micros
        change = micros if self._adjustment is Adjustment.GRANT else -micros
        return Decision(
            result=self._result(snapshot, change=change),
            entries=(self._entry,),  # no posting leaves less than nothing in an account
            money=(self._record(),),
        )

    def _result(self, snapshot: LedgerSnapshot, *, change: int) -> Adjusted:
        currency = self._amount.currency
        free = snapshot.balance(available(self.office_id), currency)
        return Adjusted(
            entry_key=self._entry.key,
            adjustment=self._adjustment,
            amount=self._amount,
            balances=Balances(
                available=free + Money(change, currency),
                reserved=snapshot.balance(reserved(self.office_id), currency),
                owed=owed_by(self.office_id, snapshot, currency),
            ),
        )

    def _record(self) -> Record:
        change = Change(
            office_id=self.office_id,
            at=self.at,
            actor=self._entry.actor,
            action=_ACTIONS[self._adjustment],
            subject=self._entry.key,
            after=str(self._amount),
            reason=self._entry.reason,
        )
        return Record(change)


def require_reason(text: str) -> str:
    """The reason as it is kept.

    Raises:
        ValueError: there is none, it is too long, or it cannot be shown as it is.
    """
    reason = text.strip()
    require_plain(reason, "the reason")
    if not reason or len(reason) > REASON_MAX:
        raise ValueError(f"an adjustment has a reason of 1 to {REASON_MAX} characters")
    return reason


def _key(adjustment: Adjustment, office_id: str, key: str) -> EntryKey:
    return EntryKey(f"{adjustment}:{office_id}:{key}")


def _posting(adjustment: Adjustment, office_id: str, amount: Money) -> Posting:
    account = available(office_id)
    match adjustment:
        case Adjustment.GRANT:
            return Posting(source=_ADJUSTMENT, target=account, amount=amount)
        case Adjustment.DEDUCT:
            return Posting(source=account, target=_ADJUSTMENT, amount=amount)
