"""What an office owes: what it had spent of a payment when the bank took it back."""

from charging.entries import owed
from charging.ledger import LedgerSnapshot
from charging.money import Money


def owed_by(office_id: str, snapshot: LedgerSnapshot, currency: str) -> Money:
    """As a positive amount; the account has a balance of zero or below."""
    return Money(-snapshot.balance(owed(office_id), currency).micros, currency)
