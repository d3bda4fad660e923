"""What the use cases need from the outside. Adapters in `db` and `dialplan` obey these."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from charging.ledger import Balances, CallRecord, LedgerCommand, MoneyNews
from charging.money_state import Payment, StoredCard
from charging.offices import OfficesSnapshot
from charging.rate_deck import DeckKey, RateDeck
from charging.receipts import Receipt
from charging.refill_rules import Policy

Result = TypeVar("Result")


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, with its zone."""
        ...


class Offices(Protocol):
    """The offices, their plans, sites and extensions, as files and database have them in force."""

    def snapshot(self) -> OfficesSnapshot:
        """All of them at this moment, and never changed. In memory: asked for by every call."""
        ...


class RateDecks(Protocol):
    def deck(self, key: DeckKey) -> RateDeck:
        """The deck in force. In memory: called for every call that is not included.

        Raises:
            ChargingUnavailable: no deck could be read from the database yet.
        """
        ...


class AccountReader(Protocol):
    """What may be asked of the ledger without changing it."""

    async def balances(self, office_id: str, currency: str) -> Balances:
        """The two balances of an office; zero if it never had money."""
        ...

    async def last_call(self, office_id: str, endpoint: str) -> CallRecord | None:
        """The last paid call of a phone that was answered and is settled."""
        ...


class Ledger(AccountReader, Protocol):
    async def carry_out(self, command: LedgerCommand[Result]) -> Result:
        """Carry out one command durably; on return it is on disk.

        Commands that wait at the same time share one transaction.

        Raises:
            Refusal: the command is refused; nothing of it was changed.
            LedgerFault: the command makes no sense; nothing of it was changed.
            ChargingUnavailable: the database is away; sending the command again is safe.
        """
        ...

    async def money_news(self, office_id: str, currency: str, now: datetime) -> MoneyNews:
        """What is available, and whether a card is being charged: cheap enough to ask often.

        Raises:
            ChargingUnavailable: the database is away.
        """
        ...

    async def open_calls(self, asterisk: str) -> Sequence[CallRecord]:
        """Calls authorised on an Asterisk and not settled, oldest first."""
        ...


class MoneyReader(Protocol):
    """What may be asked about money in without changing it."""

    async def refill_status(
        self, office_id: str
    ) -> tuple[Policy, StoredCard | None, Payment | None]:
        """The policy of an office, its card, and the refill that is open."""
        ...

    async def find_payment(self, payment_id: str) -> Payment | None: ...

    async def payments(
        self, office_id: str, *, limit: int, before: str | None = None
    ) -> Sequence[Payment]:
        """The last ones, newest first, below a payment."""
        ...

    async def receipts(self, office_id: str, *, limit: int) -> Sequence[Receipt]: ...
