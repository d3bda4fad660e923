"""What one step of a payment does to the ledger and to its office: entries, receipts, policy, mail.

The step itself is the table's (`charging.refill`); here its commands become what is written.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from charging.debts import owed_by
from charging.entries import (
    Account,
    EntryKey,
    EntryKind,
    FundingSource,
    LedgerEntry,
    Posting,
    available,
    funding,
    owed,
)
from charging.entry_keys import payment_key
from charging.ledger import Decision, LedgerSnapshot
from charging.money import Money
from charging.money_state import (
    Issue,
    MoneyState,
    MoneyWrite,
    Payment,
    SavePayment,
    SavePolicy,
    Tell,
)
from charging.money_writes import told
from charging.receipts import Party, Receipt, ReceiptTerms, note_on, receipt
from charging.refill import (
    Arm,
    Attempt,
    ChargeBack,
    Command,
    Credit,
    Event,
    IssueCreditNote,
    IssueDebitNote,
    Mail,
    Pause,
    PaymentKind,
    Restore,
    Return,
    TakeOut,
    step,
)
from charging.refill_watch import amount_facts

_CARD = funding(FundingSource.CARD)


def advance(  # noqa: PLR0913 - what a step and its effects need
    snapshot: LedgerSnapshot,
    payment: Payment,
    event: Event,
    *,
    at: datetime,
    terms: ReceiptTerms | None = None,
    by: str | None = None,
    reason: str = "",
) -> tuple[Decision[Payment], tuple[Command, ...]]:
    """One step of the table, with everything that it does to the ledger and to the policy."""
    attempt, commands = step(payment.attempt, event, now=at)
    effects = _Effects(
        snapshot=snapshot,
        state=snapshot.money_of(payment.office_id),
        before=payment.attempt,
        payment=replace(payment, attempt=attempt),
        at=at,
        actor=by or payment.actor,
        reason=reason,
        terms=terms,
    )
    for command in commands:
        effects.apply(command)
    return effects.decision(changed=attempt != payment.attempt), commands


class _Effects:
    """Gathers what the commands of one step write."""

    def __init__(  # noqa: PLR0913 - everything they may need
        self,
        *,
        snapshot: LedgerSnapshot,
        state: MoneyState,
        before: Attempt,
        payment: Payment,
        at: datetime,
        actor: str,
        reason: str,
        terms: ReceiptTerms | None,
    ) -> None:
        self._snapshot = snapshot
        self._state = state
        self._payment = payment
        self._stood = payment.amount - before.refunded  # of its receipt
        # An entry is reversed at most once.
        self._reversed_before = (
            before.refund_failed or before.refund is not None or bool(before.charge_backs)
        )
        self._at = at
        self._actor = actor
        self._reason = reason
        self._terms = terms
        self._policy = state.policy
        self._entries: list[LedgerEntry] = []
        self._writes: list[MoneyWrite] = []

    def decision(self, *, changed: bool) -> Decision[Payment]:
        writes: list[MoneyWrite] = [SavePayment(self._payment)] if changed else []
        if self._policy != self._state.policy:
            writes.append(SavePolicy(self._policy))
        return Decision(
            result=self._payment,
            entries=tuple(self._entries),
            money=(*writes, *self._writes),
        )

    def apply(self, command: Command) -> None:
        match command:
            case Credit():
                self._credit()
            case TakeOut() | Restore() | ChargeBack() | Return():
                self._entries += self._movements(command)
            case IssueCreditNote() | IssueDebitNote():
                self._issue_note()
            case Pause():
                self._policy = self._policy.paused(command)
            case Arm():
                self._policy = self._policy.card_works()
            case Mail():
                self._writes.append(self._mail(command))
            case _:  # requests are the worker's
                pass

    def _credit(self) -> None:
        refill = self._payment.attempt.kind is PaymentKind.REFILL
        kind = EntryKind.REFILL if refill else EntryKind.TOP_UP
        movement = (_CARD, self._available, self._payment.amount)
        entry = self._entry(kind, movement, reason=self._payment.reason)
        self._entries += [entry, *self._repayment(self._payment.amount, time=0)]
        self._payment = replace(self._payment, entry_key=entry.key)
        if self._terms is not None:
            issued = receipt_of(self._state, self._payment, self._terms, self._at)
            self._writes.append(Issue(issued))
            self._state = self._state.with_write(Issue(issued))

    def _movements(self, command: TakeOut | Restore | ChargeBack | Return) -> Iterator[LedgerEntry]:
        match command:
            case TakeOut(amount):
                movement = (self._available, _CARD, amount)
                credited = None if self._reversed_before else self._payment.entry_key
                yield self._entry(EntryKind.TOP_UP_CANCEL, movement, reverses=credited)
            case Restore(amount):
                cancelled = self._key_of(EntryKind.TOP_UP_CANCEL)
                movement = (_CARD, self._available, amount)
                yield self._entry(EntryKind.TOP_UP_RESTORE, movement, reverses=cancelled)
            case ChargeBack(amount, time):
                yield from self._charge_back(amount, time)
            case Return(amount, time):
                yield from self._return(amount, time)

    def _charge_back(self, amount: Money, time: int) -> Iterator[LedgerEntry]:
        """What is unspent leaves the account; the rest is owed, never a balance below zero."""
        balance = self._snapshot.balance(self._available, amount.currency)
        unspent = min(amount, balance)
        yield self._entry(
            EntryKind.CHARGEBACK,
            (self._available, _CARD, unspent),
            (owed(self._payment.office_id), _CARD, amount - unspent),
            reverses=None if self._reversed_before else self._payment.entry_key,
            key=self._key_of_charge_back(time),
        )

    def _return(self, amount: Money, time: int) -> Iterator[LedgerEntry]:
        """The office has the money again."""
        yield self._entry(
            EntryKind.TOP_UP_RESTORE,
            (_CARD, self._available, amount),
            reverses=self._key_of_charge_back(time),
            key=self._key_of(EntryKind.TOP_UP_RESTORE, time=time),
        )
        yield from self._repayment(amount, time=time)

    def _repayment(self, incoming: Money, *, time: int) -> Iterator[LedgerEntry]:
        """Of what comes in, first what the office owes is paid."""
        office_id = self._payment.office_id
        repaid = min(incoming, owed_by(office_id, self._snapshot, incoming.currency))
        if repaid:
            yield self._entry(
                EntryKind.REPAY,
                (self._available, owed(office_id), repaid),
                key=self._key_of(EntryKind.REPAY, time=time),
            )

    def _issue_note(self) -> None:
        of = self._state.receipts.get(self._payment.payment_id)
        if of is None:
            return
        number = self._state.receipts_count + 1
        stands = self._payment.amount - self._payment.attempt.refunded
        note = note_on(of, number=number, stood=self._stood, stands=stands, at=self._at)
        self._writes.append(Issue(note))

    def _mail(self, mail: Mail) -> Tell:
        attempt = self._payment.attempt
        of = self._state.receipts.get(attempt.payment_id)
        facts: dict[str, str | int] = {
            **amount_facts(mail.amount or attempt.amount),
            "payment": attempt.payment_id,
            "card": self._payment.card,
            "code": attempt.code,
            "paused_for": self._policy.paused_for or "",
            "receipt": "" if of is None else of.name,
        }
        time = f":{len(attempt.charge_backs)}" if len(attempt.charge_backs) > 1 else ""
        what = f"{attempt.payment_id}:{attempt.state}:{attempt.code}{time}"
        return told(attempt.office_id, mail.kind, what, self._at, facts)

    @property
    def _available(self) -> Account:
        return available(self._payment.office_id)

    def _key_of(self, kind: EntryKind, *, time: int = 0) -> EntryKey:
        """Of what may happen to a payment more than once, which time it is stands behind it."""
        name = self._payment.payment_id
        return payment_key(kind, self._payment.office_id, f"{name}.{time}" if time else name)

    def _key_of_charge_back(self, time: int) -> EntryKey:
        """The first has the payment's name alone, as it had before there could be a second."""
        return self._key_of(EntryKind.CHARGEBACK, time=time if time > 1 else 0)

    def _entry(
        self,
        kind: EntryKind,
        *movements: tuple[Account, Account, Money],
        reverses: EntryKey | None = None,
        reason: str | None = None,
        key: EntryKey | None = None,
    ) -> LedgerEntry:
        return LedgerEntry(
            key=key or self._key_of(kind),
            kind=kind,
            office_id=self._payment.office_id,
            actor=self._actor,
            postings=tuple(
                Posting(source=source, target=target, amount=amount)
                for source, target, amount in movements
                if amount
            ),
            at=self._at,
            payment_id=self._payment.payment_id,
            reverses=reverses,
            reason=self._reason if reason is None else reason,
        )


def receipt_of(state: MoneyState, payment: Payment, terms: ReceiptTerms, at: datetime) -> Receipt:
    return receipt(
        office_id=payment.office_id,
        number=state.receipts_count + 1,
        payment_id=payment.payment_id,
        total=payment.amount,
        buyer=state.buyer or Party(name=payment.office_id),
        terms=terms,
        at=at,
        card=payment.card,
        language=state.language,
    )
