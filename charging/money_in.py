"""What pages and commands ask about money in. Calls ports; does no I/O, and asks no processor.

Only the worker talks to the card processor. Here rows are written that it carries out, each change
in one transaction with its record and its notices, whoever asks: a form, the API or a command.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from charging.adjustments import Adjust, Adjusted, Adjustment
from charging.card_commands import SetBuyer
from charging.card_processor import CardOnFile
from charging.errors import UnknownPayment
from charging.ledger import Balances
from charging.money import Money
from charging.money_state import Payment, StoredCard
from charging.orders import Consent, Offer, RefillRule, TopUpOrder
from charging.payment_commands import (
    BeginTopUp,
    CancelPayment,
    CloseUnknown,
    ConfirmPayment,
    IssueReceipt,
)
from charging.ports import Clock, Ledger, MoneyReader
from charging.receipts import Party, Receipt, ReceiptTerms
from charging.refill_commands import DisableRefill, RefillNow, SetNoticeLevel, SetRefill, TryAgain
from charging.refill_rules import Policy

__all__ = [
    "CardOnFile",
    "MoneyIn",
    "Payment",
    "Policy",
    "RefillStatus",
    "StoredCard",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefillStatus:
    """Everything that a screen shows of money in."""

    policy: Policy
    card: StoredCard | None
    open_refill: Payment | None


class MoneyIn:
    """Buy, cancel, set the rule of refill. Every change says by whom, and is safe to repeat.

    Any method may raise ChargingUnavailable: the database is away, and asking again is safe.
    """

    def __init__(  # noqa: PLR0913 - its ports, and nothing else
        self,
        *,
        ledger: Ledger,
        reader: MoneyReader,
        clock: Clock,
        offer_of: Callable[[str], Offer],
        new_id: Callable[[], str],
        terms_of: Callable[[str], ReceiptTerms | None],
    ) -> None:
        """Take the ports, and what the settings say of an office.

        Args:
            ledger: carries out commands.
            reader: reads without changing anything.
            clock: the time.
            offer_of: the amounts that an office may choose from.
            new_id: a new name for a payment.
            terms_of: what receipts say; None: the settings name no seller.
        """
        self._ledger = ledger
        self._reader = reader
        self._clock = clock
        self._offer_of = offer_of
        self._new_id = new_id
        self._terms_of = terms_of

    # --- buying ----------------------------------------------------------------------------

    async def begin_top_up(
        self, office_id: str, order: TopUpOrder, *, by: str, key: str, reason: str = ""
    ) -> Payment:
        """Buy an amount with the card on file; once per key.

        Raises:
            AmountNotOffered, CurrencyMismatch: it is none of the office's list.
            NoCardOnFile: there is no card to charge.
            BoughtJustNow: the same amount was bought within a minute, under another key.
            EntryKeyReused: the key names a payment of another amount.
        """
        self._offer_of(office_id).require(order.amount)
        return await self._ledger.carry_out(
            BeginTopUp(
                office_id=office_id,
                payment_id=self._new_id(),
                order=order,
                key=key,
                by=by,
                at=self._clock.now(),
                reason=reason,
            )
        )

    async def confirm(
        self, office_id: str, payment_id: str, *, by: str, return_url: str
    ) -> Payment:
        """Somebody is there to answer the bank about a payment that waits for that."""
        return await self._ledger.carry_out(
            ConfirmPayment(
                office_id=office_id,
                payment_id=payment_id,
                return_url=return_url,
                by=by,
                at=self._clock.now(),
            )
        )

    async def cancel_top_up(
        self, office_id: str, payment_id: str, *, by: str, reason: str
    ) -> Payment:
        """Cancel a payment: what is unspent leaves the account and goes back to the card.

        Raises:
            UnknownPayment: the office has none of this name.
            TopUpSpent: nothing of it is unspent.
            NotRefundable: it cannot be sent back any more.
        """
        return await self._ledger.carry_out(
            CancelPayment(
                office_id=office_id,
                payment_id=payment_id,
                by=by,
                at=self._clock.now(),
                reason=reason,
            )
        )

    async def close_unknown(
        self, office_id: str, payment_id: str, *, by: str, reason: str
    ) -> Payment:
        """The operator has seen at the processor that an unknown payment took nothing."""
        return await self._ledger.carry_out(
            CloseUnknown(
                office_id=office_id,
                payment_id=payment_id,
                by=by,
                at=self._clock.now(),
                reason=reason,
            )
        )

    async def adjust(  # noqa: PLR0913 - what is written into the entry
        self,
        office_id: str,
        adjustment: Adjustment,
        amount: Money,
        *,
        by: str,
        key: str,
        reason: str,
    ) -> Adjusted:
        """Customer care adds to the account, or takes from what is free in it; once per key.

        Raises:
            ValueError: no amount that can be meant, no key, or no reason that can be read.
            InsufficientBalance: less than that is free.
            CurrencyMismatch: the account is in another currency.
            EntryKeyReused: the key names another adjustment.
        """
        _ = amount + Money(0, self._offer_of(office_id).currency)
        return await self._ledger.carry_out(
            Adjust(
                office_id=office_id,
                adjustment=adjustment,
                amount=amount,
                key=key,
                actor=by,
                reason=reason,
                at=self._clock.now(),
            )
        )

    # --- the rule of refill ------------------------------------------------------------------

    async def set_refill(
        self, office_id: str, rule: RefillRule, *, by: str, words: str, reason: str = ""
    ) -> Policy:
        """Switch it on, or change it; `words` is what the person has read and agreed to.

        Raises:
            AmountNotOffered, CurrencyMismatch: the amount is none of the office's list.
            NoCardOnFile: there is no card to charge.
        """
        self._offer_of(office_id).require(rule.amount)
        now = self._clock.now()
        return await self._ledger.carry_out(
            SetRefill(
                office_id=office_id,
                rule=rule,
                consent=Consent(by=by, at=now, words=words),
                at=now,
                reason=reason,
            )
        )

    async def disable_refill(self, office_id: str, *, by: str, reason: str = "") -> Policy:
        return await self._ledger.carry_out(
            DisableRefill(office_id=office_id, by=by, at=self._clock.now(), reason=reason)
        )

    async def try_again(
        self, office_id: str, *, by: str, operator: bool = False, reason: str = ""
    ) -> Policy:
        """End a pause.

        Raises:
            RefillNotAllowed: it is off, or paused for what only the operator may end.
        """
        return await self._ledger.carry_out(
            TryAgain(
                office_id=office_id,
                by=by,
                at=self._clock.now(),
                operator=operator,
                reason=reason,
            )
        )

    async def refill_now(self, office_id: str, *, by: str, reason: str = "") -> Policy:
        """Refill although the balance suffices.

        Raises:
            RefillNotAllowed: it is off or paused, or one is under way.
        """
        return await self._ledger.carry_out(
            RefillNow(office_id=office_id, by=by, at=self._clock.now(), reason=reason)
        )

    async def set_notice_level(
        self, office_id: str, level: Money, *, by: str, reason: str = ""
    ) -> Policy:
        """When the office is told that its balance is low; zero: never."""
        _ = level + Money(0, self._offer_of(office_id).currency)
        return await self._ledger.carry_out(
            SetNoticeLevel(
                office_id=office_id, level=level, by=by, at=self._clock.now(), reason=reason
            )
        )

    async def set_buyer(self, office_id: str, buyer: Party, *, language: str, by: str) -> None:
        await self._ledger.carry_out(
            SetBuyer(
                office_id=office_id,
                buyer=buyer,
                language=language,
                by=by,
                at=self._clock.now(),
            )
        )

    # --- reading -----------------------------------------------------------------------------

    def offer(self, office_id: str) -> Offer:
        return self._offer_of(office_id)

    async def balances(self, office_id: str) -> Balances:
        return await self._ledger.balances(office_id, self._offer_of(office_id).currency)

    async def status(self, office_id: str) -> RefillStatus:
        policy, card, open_refill = await self._reader.refill_status(office_id)
        return RefillStatus(policy=policy, card=card, open_refill=open_refill)

    async def payment(self, office_id: str, payment_id: str) -> Payment:
        """Raises UnknownPayment: the office has none of this name."""
        found = await self._reader.find_payment(payment_id)
        if found is None or found.office_id != office_id:
            raise UnknownPayment(payment_id)
        return found

    async def payments(
        self, office_id: str, *, limit: int, before: str | None = None
    ) -> Sequence[Payment]:
        """The last ones, newest first; `before` is the last payment of the page before."""
        return await self._reader.payments(office_id, limit=limit, before=before)

    async def receipt(self, office_id: str, payment_id: str) -> Receipt:
        """The receipt of a payment, issued now if it was not.

        Raises:
            UnknownPayment: the office has none of this name.
            ReceiptNotIssued: nothing was credited, or the settings name no seller.
        """
        return await self._ledger.carry_out(
            IssueReceipt(
                office_id=office_id,
                payment_id=payment_id,
                at=self._clock.now(),
                terms=self._terms_of(office_id),
            )
        )

    async def receipts(self, office_id: str, *, limit: int = 100) -> Sequence[Receipt]:
        """Receipts, credit and debit notes, newest first."""
        return await self._reader.receipts(office_id, limit=limit)
