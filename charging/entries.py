"""Entries of the ledger: the accounts, and what each kind of entry may move between them.

An entry that is unbalanced, moves money that its kind does not move, or touches another office
cannot be made: a posting moves one amount from a source to a target, and an entry checks the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, NewType

from charging.errors import CurrencyMismatch
from charging.money import Money

Account = NewType("Account", str)
EntryKey = NewType("EntryKey", str)


class FundingSource(StrEnum):
    """Where money that is put into an account comes from, and where it goes back to."""

    MANUAL = "manual"  # cash, or a bank transfer that somebody has seen
    CARD = "card"
    VOUCHER = "voucher"
    ADJUSTMENT = "adjustment"  # customer care corrects something


@lru_cache(4096)
def available(office_id: str) -> Account:
    return Account(f"office:{office_id}:available")


@lru_cache(4096)
def reserved(office_id: str) -> Account:
    return Account(f"office:{office_id}:reserved")


def owed(office_id: str) -> Account:
    """What the office owes, as a balance of zero or below: the receivable of the operator."""
    return Account(f"office:{office_id}:owed")


# Operator accounts have no balance row: a row shared by every call would make every call wait for
# every other one. Their balance is the sum of their postings.
REVENUE = Account("operator:revenue")


def funding(source: FundingSource) -> Account:
    return Account(f"operator:funding:{source}")


def has_balance(account: Account) -> bool:
    """Whether the account has a stored balance, and a limit that it may not pass."""
    return account.startswith("office:")


@lru_cache(4096)  # every posting asks twice, of few accounts
def name_of(account: Account, office_id: str) -> str:
    """The account's name within one office: "available", "revenue", "funding:card".

    Raises:
        ValueError: an account of another office.
    """
    for owner in (f"office:{office_id}:", "operator:"):
        if account.startswith(owner):
            return account[len(owner) :]
    raise ValueError(f"{account} is no account of office {office_id}, nor of the operator")


def owner_and_name(account: Account) -> tuple[str, str]:
    """Whose account it is, and its name within that office; of accounts with a balance."""
    office_id, _, name = account.removeprefix("office:").rpartition(":")
    return office_id, name


def account_of(name: str, office_id: str) -> Account:
    """The account of that name, as one office sees it."""
    if name in OFFICE_ACCOUNTS:
        return Account(f"office:{office_id}:{name}")
    return Account(f"operator:{name}")


OFFICE_ACCOUNTS = ("available", "owed", "reserved")  # in the order in which they are locked


def extension_actor(endpoint: str) -> str:
    """Who acts where a phone's call moves money."""
    return f"extension:{endpoint}"


class EntryKind(StrEnum):
    """What happened. The first five are of calls; the others are named by a key of their own."""

    RESERVE = "reserve"  # set aside for the next interval
    DEBIT = "debit"  # an interval begins: what was set aside is spent
    SETTLE = "settle"  # the price of the whole call, less what was debited
    CORRECT = "correct"  # the last interval that was debited had not begun after all
    RELEASE = "release"  # what was set aside and not used
    TOP_UP = "top-up"
    REFILL = "refill"  # a top-up that the account's own rule asked for
    TOP_UP_CANCEL = "top-up-cancel"  # the unspent part of a top-up is taken out again
    TOP_UP_RESTORE = "top-up-restore"  # that part comes back: it could not be refunded
    CHARGEBACK = "chargeback"  # the bank took a payment back; what was spent of it is owed
    REPAY = "repay"  # what was owed is paid
    GRANT = "grant"  # customer care adds
    DEDUCT = "deduct"  # customer care takes


class Direction(StrEnum):
    """What a kind of entry does to the money of an office."""

    IN = "in"
    OUT = "out"
    WITHIN = "within"  # set aside or released: it stays the office's


CALL_KINDS = frozenset(
    {
        EntryKind.RESERVE,
        EntryKind.DEBIT,
        EntryKind.SETTLE,
        EntryKind.CORRECT,
        EntryKind.RELEASE,
    }
)
_FUNDS = tuple(f"funding:{source}" for source in FundingSource)
_IN_FROM_FUNDS = frozenset((fund, "available") for fund in _FUNDS)
_OUT_TO_FUNDS = frozenset(("available", fund) for fund in _FUNDS)

# From which account to which each kind may move money. The database has the same table, as a
# trigger of `postings`; a test compares the two.
MOVEMENTS: Mapping[EntryKind, frozenset[tuple[str, str]]] = {
    EntryKind.RESERVE: frozenset({("available", "reserved")}),
    EntryKind.DEBIT: frozenset({("reserved", "revenue")}),
    EntryKind.SETTLE: frozenset({("reserved", "revenue"), ("available", "revenue")}),
    EntryKind.CORRECT: frozenset({("revenue", "available")}),
    EntryKind.RELEASE: frozenset({("reserved", "available")}),
    EntryKind.TOP_UP: _IN_FROM_FUNDS,
    EntryKind.REFILL: frozenset({("funding:card", "available")}),
    EntryKind.TOP_UP_CANCEL: _OUT_TO_FUNDS,
    EntryKind.TOP_UP_RESTORE: _IN_FROM_FUNDS,
    EntryKind.CHARGEBACK: frozenset({("available", "funding:card"), ("owed", "funding:card")}),
    EntryKind.REPAY: frozenset({("available", "owed")}),
    EntryKind.GRANT: frozenset({("funding:adjustment", "available")}),
    EntryKind.DEDUCT: frozenset({("available", "funding:adjustment")}),
}

DIRECTIONS: Mapping[EntryKind, Direction] = {
    EntryKind.RESERVE: Direction.WITHIN,
    EntryKind.DEBIT: Direction.OUT,
    EntryKind.SETTLE: Direction.OUT,
    EntryKind.CORRECT: Direction.IN,
    EntryKind.RELEASE: Direction.WITHIN,
    EntryKind.TOP_UP: Direction.IN,
    EntryKind.REFILL: Direction.IN,
    EntryKind.TOP_UP_CANCEL: Direction.OUT,
    EntryKind.TOP_UP_RESTORE: Direction.IN,
    EntryKind.CHARGEBACK: Direction.OUT,
    EntryKind.REPAY: Direction.OUT,
    EntryKind.GRANT: Direction.IN,
    EntryKind.DEDUCT: Direction.OUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """Moves a positive amount from one account to another; it cannot be unbalanced."""

    source: Account
    target: Account
    amount: Money

    def __post_init__(self) -> None:
        if self.amount.micros <= 0:
            raise ValueError(f"a posting moves a positive amount, not {self.amount}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An immutable record of one thing that happened to the money of one office.

    Raises:
        ValueError: it moves nothing, or what its kind does not move, or its key is of another
            name space.
        CurrencyMismatch: its postings are of several currencies.
    """

    key: EntryKey
    kind: EntryKind
    office_id: str
    actor: str  # who: "extension:1001", "cli:root"
    postings: tuple[Posting, ...]
    at: datetime
    call_id: str | None = None  # of the five kinds that belong to a call
    payment_id: str | None = None  # of a card, where one stands behind it
    reverses: EntryKey | None = None  # the entry that it takes back, wholly or in part
    reason: str = ""

    def __post_init__(self) -> None:
        self._require_movements()
        if (self.call_id is not None) != (self.kind in CALL_KINDS):
            raise ValueError(f"{self.key}: a {self.kind} of call {self.call_id}")
        if not self.key.startswith(name_space := self._name_space()):
            raise ValueError(f"the key of a {self.kind} begins with {name_space}, not {self.key}")

    def _name_space(self) -> str:
        """The beginning of its key. No two kinds share one, nor two offices, nor two calls."""
        if self.call_id is not None:
            return f"call:{self.call_id}:"
        return f"{self.kind}:{self.office_id}:"

    def _require_movements(self) -> None:
        if not self.postings:
            raise ValueError(f"{self.key} moves nothing")
        allowed = MOVEMENTS[self.kind]
        currency = self.postings[0].amount.currency
        for posting in self.postings:
            source = name_of(posting.source, self.office_id)
            target = name_of(posting.target, self.office_id)
            if (source, target) not in allowed:
                raise ValueError(f"a {self.kind} moves nothing from {source} to {target}")
            if posting.amount.currency != currency:
                raise CurrencyMismatch(currency, posting.amount.currency)


class BalancesAfter(NamedTuple):
    """What a posting left in its two accounts; None for an account without a balance."""

    source: Money | None
    target: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedEntry:
    """An entry in its place: entries of an office are numbered from 1, without gaps.

    A later number never has an earlier `posted_at`, and its balances follow from the one before.
    """

    entry: LedgerEntry
    number: int
    posted_at: datetime
    balances_after: tuple[BalancesAfter, ...]  # of each posting

    def balance_after(self, account: Account) -> Money | None:
        """What the entry left in an account; None where it did not touch it."""
        found: Money | None = None
        for posting, after in zip(self.entry.postings, self.balances_after, strict=True):
            if posting.source == account:
                found = after.source
            if posting.target == account:
                found = after.target
        return found
