"""The ledger as a bookkeeper reads it: what each entry changed of what an office has with us.

Of an office's accounts, available and reserved are its money, and owed is ours: together they are
its balance. What is only set aside or released changes nothing, and is no row.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from charging.entries import OFFICE_ACCOUNTS, PostedEntry, name_of
from charging.money import Money
from charging.receipts import Receipt, ReceiptKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedEntry:
    posted: PostedEntry
    against: str  # the operator's account that it moved money from or to: "revenue", "funding:card"
    amount: Money  # added to the balance of the office, or taken from it
    balance: Money  # afterwards


def booked(entries: Iterable[PostedEntry], opening: Money) -> Iterator[BookedEntry]:
    """The entries that changed the balance, in their order, from an opening balance on."""
    balance = opening
    for posted in entries:
        amount, against = _changed(posted, opening.currency)
        if amount:
            balance += amount
            yield BookedEntry(posted=posted, against=against, amount=amount, balance=balance)


def _changed(posted: PostedEntry, currency: str) -> tuple[Money, str]:
    amount, against = Money(0, currency), []
    for posting in posted.entry.postings:
        source = name_of(posting.source, posted.entry.office_id)
        target = name_of(posting.target, posted.entry.office_id)
        if source in OFFICE_ACCOUNTS and target not in OFFICE_ACCOUNTS:
            amount -= posting.amount
            against.append(target)
        elif target in OFFICE_ACCOUNTS and source not in OFFICE_ACCOUNTS:
            amount += posting.amount
            against.append(source)
    return amount, " ".join(dict.fromkeys(against))


def signed_of(receipt: Receipt) -> tuple[Money, Money, Money]:
    """Net, tax and total of a receipt or debit note; of a credit note they are negative."""
    if receipt.kind is not ReceiptKind.CREDIT_NOTE:
        return receipt.net, receipt.vat, receipt.total
    nothing = Money(0, receipt.total.currency)
    return nothing - receipt.net, nothing - receipt.vat, nothing - receipt.total
