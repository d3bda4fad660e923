"""Commands about money in: buy, refill, what the processor said, cancel, dispute, the card on file.

Each is one transaction: the change, its entries, its record and its notices.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from charging.card_processor import (
    DisputeClosed,
    DisputeOpened,
    FraudWarning,
    Refunded,
    RefundFailed,
    RefundPending,
    Succeeded,
)
from charging.changes import Change
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
from charging.errors import (
    BoughtJustNow,
    EntryKeyReused,
    NoCardOnFile,
    NotRefundable,
    ReceiptNotIssued,
    RefillNotAllowed,
    TopUpSpent,
    UnknownPayment,
)
from charging.ledger import Decision, LedgerCommand, LedgerSnapshot
from charging.money import Money
from charging.money_state import (
    NOTHING_WANTED,
    Issue,
    MoneyState,
    MoneyWanted,
    MoneyWrite,
    Payment,
    Record,
    RemoveCard,
    SaveBuyer,
    SaveCard,
    SavePayment,
    SavePolicy,
    StoredCard,
    Tell,
)
from charging.notices import Notice, NoticeKind
from charging.orders import Consent, RefillRule, TopUpOrder
from charging.plain_text import require_plain
from charging.receipts import Party, Receipt, ReceiptKind, ReceiptTerms, credit_note, receipt
from charging.refill import (
    TOOK_NOTHING,
    Arm,
    Attempt,
    ChargeBack,
    ClosedByOperator,
    Command,
    ConfirmAsked,
    Credit,
    Due,
    Event,
    IssueCreditNote,
    Mail,
    Pause,
    PauseReason,
    PaymentKind,
    RefundAsked,
    Request,
    Restore,
    Return,
    State,
    TakeOut,
    Withdrawn,
    step,
)
from charging.refill_rules import Policy, PolicyState
from charging.refill_watch import amount_facts

Result = TypeVar("Result")

ASKED_AGAIN_WITHIN = timedelta(seconds=60)  # the same amount: is it wanted again?
_REFUND_FACTS = (Refunded, RefundFailed, RefundPending, DisputeOpened, DisputeClosed, FraudWarning)


class _BySomebody(Protocol):
    """What every command of a person says."""

    @property
    def office_id(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str: ...


# --- buying --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BeginTopUp(LedgerCommand[Payment]):
    """Write the payment; the worker asks the processor. One payment per key."""

    office_id: str
    payment_id: str
    order: TopUpOrder
    key: str
    by: str
    at: datetime
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError: the reason cannot be shown as it is."""
        require_plain(self.reason, "the reason")

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(keys=(self.key,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        state = snapshot.money_of(self.office_id)
        before = state.by_key(self.key)
        if before is not None:
            if before.amount != self.order.amount:
                raise EntryKeyReused(self.key)
            return Decision(result=before)
        if not self.order.confirmed:
            self._require_wanted_again(state)
        payment = self._payment(state)
        bought = _change(self, "topup.begin", payment.payment_id, after=str(payment.amount))
        return Decision(result=payment, money=(SavePayment(payment), bought))

    def _require_wanted_again(self, state: MoneyState) -> None:
        for each in state.payments.values():
            past = self.at - each.created_at
            if (
                each.attempt.kind is PaymentKind.TOP_UP
                and each.amount == self.order.amount
                and each.state not in TOOK_NOTHING
                and past < ASKED_AGAIN_WITHIN
            ):
                raise BoughtJustNow(each.amount, max(0, round(past.total_seconds())))

    def _payment(self, state: MoneyState) -> Payment:
        if state.card is None:
            raise NoCardOnFile(self.office_id)
        attempt = Attempt(
            payment_id=self.payment_id,
            office_id=self.office_id,
            kind=PaymentKind.TOP_UP,
            amount=self.order.amount,
            return_url=self.order.return_url,
            due_at=self.at,
        )
        return Payment(
            attempt=attempt,
            key=self.key,
            actor=self.by,
            reason=self.reason,
            created_at=self.at,
            processor=state.card.processor,
            customer_id=state.card.card.customer_id,
            method_id=state.card.card.method_id,
            card=state.card.name,
        )


# --- the rule of refill --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SetRefill(LedgerCommand[Policy]):
    """Switch it on, or change it. Where the balance is below the threshold it charges at once."""

    office_id: str
    rule: RefillRule
    consent: Consent
    at: datetime
    reason: str = ""
    money_wanted = NOTHING_WANTED

    @property
    def by(self) -> str:
        return self.consent.by

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Policy]:
        state = snapshot.money_of(self.office_id)
        if state.card is None:
            raise NoCardOnFile(self.office_id)
        policy = state.policy.enabled(self.rule, self.consent)
        changed = _change(
            self, "refill.set", before=described(state.policy), after=described(policy)
        )
        return Decision(result=policy, money=(SavePolicy(policy), changed), refill_wanted=True)


@dataclass(frozen=True, kw_only=True)
class DisableRefill(LedgerCommand[Policy]):
    """Switch it off. What was not sent is not charged; what was sent finishes, and credits."""

    office_id: str
    by: str
    at: datetime
    reason: str = ""
    money_wanted = NOTHING_WANTED

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Policy]:
        state = snapshot.money_of(self.office_id)
        policy = state.policy.disabled()
        writes: list[MoneyWrite] = [SavePolicy(policy)]
        under_way = state.open_refill
        if under_way is not None:
            attempt, _ = step(under_way.attempt, Withdrawn(), now=self.at)
            writes.append(SavePayment(replace(under_way, attempt=attempt)))
        writes.append(
            _change(self, "refill.off", before=described(state.policy), after=described(policy))
        )
        return Decision(result=policy, money=tuple(writes))


@dataclass(frozen=True, kw_only=True)
class TryAgain(LedgerCommand[Policy]):
    """End a pause. A dispute, and what the operator has to mend, only the operator ends."""

    office_id: str
    by: str
    at: datetime
    operator: bool
    reason: str = ""
    money_wanted = NOTHING_WANTED

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Policy]:
        before = snapshot.money_of(self.office_id).policy
        if before.state is PolicyState.OFF:
            raise RefillNotAllowed("off", "the refill is off")
        if not self.operator and before.paused_for in {PauseReason.DISPUTE, PauseReason.OPERATOR}:
            raise RefillNotAllowed("paused", f"the refill is paused for {before.paused_for}")
        policy = before.armed()
        changed = _change(
            self, "refill.try_again", before=described(before), after=described(policy)
        )
        return Decision(result=policy, money=(SavePolicy(policy), changed), refill_wanted=True)


@dataclass(frozen=True, kw_only=True)
class RefillNow(LedgerCommand[Policy]):
    """Refill although the balance suffices, by one amount of the rule and under its ceilings."""

    office_id: str
    by: str
    at: datetime
    reason: str = ""
    money_wanted = NOTHING_WANTED

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Policy]:
        state = snapshot.money_of(self.office_id)
        policy, rule = state.policy, state.policy.rule
        if rule is None or policy.state is PolicyState.OFF:
            raise RefillNotAllowed("off", "the refill is off")
        if policy.state is PolicyState.PAUSED:
            raise RefillNotAllowed("paused", f"the refill is paused for {policy.paused_for}")
        if state.open_refill is not None:
            raise RefillNotAllowed("open", "a refill is under way already")
        balance = snapshot.balance(available(self.office_id), rule.amount.currency)
        above = balance + Money(1, balance.currency)
        changed = _change(self, "refill.now")
        return Decision(result=policy, money=(changed,), refill_wanted=True, refill_needed=above)


@dataclass(frozen=True, kw_only=True)
class LookAgain(LedgerCommand[None]):
    """The time has come that a policy that was held, or had to wait, is looked at again."""

    office_id: str
    at: datetime
    money_wanted = NOTHING_WANTED

    def decide(self, snapshot: LedgerSnapshot) -> Decision[None]:
        policy = snapshot.money_of(self.office_id).policy
        due = policy.look_at is not None and policy.look_at <= self.at
        return Decision(result=None, refill_wanted=due)


@dataclass(frozen=True, kw_only=True)
class WantRefill(LedgerCommand[None]):
    """A live call is seen to run out of money: refill before it does, where the office does so."""

    office_id: str
    needed: Money
    at: datetime
    money_wanted = NOTHING_WANTED

    def decide(self, snapshot: LedgerSnapshot) -> Decision[None]:
        del snapshot  # whether a refill is allowed is decided where every refill is
        return Decision(result=None, refill_wanted=True, refill_needed=self.needed)


@dataclass(frozen=True, kw_only=True)
class SetNoticeLevel(LedgerCommand[Policy]):
    """When the office is told that its balance is low; 0: never."""

    office_id: str
    level: Money
    by: str
    at: datetime
    reason: str = ""
    money_wanted = NOTHING_WANTED

    def __post_init__(self) -> None:
        if self.level.micros < 0:
            raise ValueError(f"a balance is never below {self.level}")

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Policy]:
        before = snapshot.money_of(self.office_id).policy
        policy = replace(before, notice_below=self.level)
        changed = _change(
            self,
            "notice.level",
            before="" if before.notice_below is None else str(before.notice_below),
            after=str(self.level),
        )
        return Decision(result=policy, money=(SavePolicy(policy), changed), refill_wanted=True)


# --- the card on file, and who buys --------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ReplaceCard(LedgerCommand[StoredCard]):
    """A pause for the card's sake is over, and a refill that waits is charged to the new one."""

    card: StoredCard
    at: datetime
    reason: str = ""
    money_wanted = NOTHING_WANTED

    @property
    def office_id(self) -> str:  # type: ignore[override]
        return self.card.office_id

    @property
    def by(self) -> str:
        return self.card.added_by

    def decide(self, snapshot: LedgerSnapshot) -> Decision[StoredCard]:
        state = snapshot.money_of(self.office_id)
        if state.card is not None and state.card.card == self.card.card:
            return Decision(result=state.card)
        before = "" if state.card is None else state.card.name
        changed = _change(self, "card.replace", before=before, after=self.card.name)
        writes: list[MoneyWrite] = [SaveCard(self.card), changed]
        policy = state.policy.card_works()
        waiting = state.open_refill
        if waiting is not None and waiting.state is State.DECLINED:
            writes.append(SavePayment(self._moved(waiting)))
        if policy != state.policy:
            writes.append(SavePolicy(policy))
        return Decision(result=self.card, money=tuple(writes), refill_wanted=True)

    def _moved(self, waiting: Payment) -> Payment:
        """The same intent is confirmed with the new card, now."""
        return replace(
            waiting,
            attempt=replace(waiting.attempt, due_at=self.at),
            method_id=self.card.card.method_id,
            card=self.card.name,
        )


@dataclass(frozen=True, kw_only=True)
class ForgetCard(LedgerCommand[None]):
    """The card is gone at the processor: no refill can be charged to it."""

    office_id: str
    method_id: str
    by: str
    at: datetime
    reason: str = ""
    money_wanted = NOTHING_WANTED

    def decide(self, snapshot: LedgerSnapshot) -> Decision[None]:
        state = snapshot.money_of(self.office_id)
        if state.card is None or state.card.card.method_id != self.method_id:
            return Decision(result=None)
        policy = state.policy.paused(Pause(PauseReason.CARD))
        writes: list[MoneyWrite] = [
            RemoveCard(self.office_id, self.at),
            _change(self, "card.remove", before=state.card.name),
        ]
        if policy != state.policy:
            told = _notice(self.office_id, NoticeKind.REFILL_PAUSED, self.method_id, self.at, {})
            writes += [SavePolicy(policy), Tell(told)]
        return Decision(result=None, money=tuple(writes))


@dataclass(frozen=True, kw_only=True)
class SetBuyer(LedgerCommand[None]):
    """Whom receipts are made out to, and in which language."""

    office_id: str
    buyer: Party
    language: str
    by: str
    at: datetime
    reason: str = ""
    money_wanted = NOTHING_WANTED

    def decide(self, snapshot: LedgerSnapshot) -> Decision[None]:
        state = snapshot.money_of(self.office_id)
        changed = _change(
            self,
            "billing.set",
            before="" if state.buyer is None else state.buyer.name,
            after=self.buyer.name,
        )
        return Decision(
            result=None, money=(SaveBuyer(self.office_id, self.buyer, self.language), changed)
        )


# --- carrying a payment out ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """What the processor is to be asked; None: nothing, or not any more."""

    payment: Payment
    request: Request | None


@dataclass(frozen=True, kw_only=True)
class StartWork(LedgerCommand[Work]):
    """The payment is due: write down what is about to be asked, before it is asked."""

    office_id: str
    payment_id: str
    at: datetime
    terms: ReceiptTerms | None = None

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Work]:
        payment = _payment(snapshot, self.office_id, self.payment_id)
        due_at = payment.attempt.due_at
        if due_at is None or due_at > self.at:  # another worker was faster
            return Decision(result=Work(payment, None))
        after, commands = _advance(snapshot, payment, Due(), at=self.at, terms=self.terms)
        request = next((each for each in commands if isinstance(each, Request)), None)
        return _with_result(after, Work(after.result, request))


@dataclass(frozen=True, slots=True)
class Recorded:
    payment: Payment
    handled: bool  # False: it says something about what is not credited yet; tell it again later


@dataclass(frozen=True, kw_only=True)
class RecordFact(LedgerCommand[Recorded]):
    """What the processor said of a payment, however we came to know."""

    office_id: str
    payment_id: str
    fact: Event
    at: datetime
    terms: ReceiptTerms | None = None  # None: no receipt is issued

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Recorded]:
        payment = _payment(snapshot, self.office_id, self.payment_id)
        after, _ = _advance(snapshot, payment, self.fact, at=self.at, terms=self.terms)
        too_early = isinstance(self.fact, _REFUND_FACTS) and after.result.attempt.open
        # The refund may be refused for its sake, and then nothing else says so.
        disputed = isinstance(self.fact, DisputeOpened | DisputeClosed)
        too_early |= disputed and payment.state is State.REFUNDING
        return _with_result(after, Recorded(after.result, handled=not too_early))


@dataclass(frozen=True, kw_only=True)
class AdoptPayment(LedgerCommand[Payment]):
    """Money was taken for a payment that a restored ledger has lost: enter it, and credit it once.

    Whether a person bought it or a rule is lost, too; it stands as a top-up.
    """

    fact: Succeeded
    processor: str
    charged_at: datetime
    by: str
    at: datetime
    terms: ReceiptTerms | None = None
    reason: str = "found at the card processor after the ledger was restored"

    @property
    def office_id(self) -> str:  # type: ignore[override]
        return self.fact.office_id

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.fact.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        state = snapshot.money_of(self.office_id)
        known = state.payments.get(self.fact.payment_id)
        payment = self._payment(state) if known is None else known
        after, _ = _advance(snapshot, payment, self.fact, at=self.at, terms=self.terms)
        if known is not None:
            return after
        adopted = _change(self, "payment.adopt", payment.payment_id, after=str(payment.amount))
        return replace(after, money=(*after.money, adopted))

    def _payment(self, state: MoneyState) -> Payment:
        card = state.card
        return Payment(
            attempt=Attempt(
                payment_id=self.fact.payment_id,
                office_id=self.office_id,
                kind=PaymentKind.TOP_UP,
                amount=self.fact.amount,
                state=State.UNKNOWN,
                tries=1,
                sent_at=self.charged_at,
                intent_id=self.fact.intent_id,
            ),
            key=f"adopted:{self.fact.payment_id}",
            actor=self.by,
            reason=self.reason,
            created_at=self.charged_at,
            processor=self.processor,
            customer_id="" if card is None else card.card.customer_id,
            method_id="" if card is None else card.card.method_id,
            card="" if card is None else card.name,
        )


@dataclass(frozen=True, kw_only=True)
class ConfirmPayment(LedgerCommand[Payment]):
    """A person wants to answer their bank: the same intent is confirmed on session."""

    office_id: str
    payment_id: str
    return_url: str
    by: str
    at: datetime
    reason: str = ""

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        payment = _payment(snapshot, self.office_id, self.payment_id)
        if payment.state is not State.AUTHENTICATION:
            return Decision(result=payment)
        # Sent by the worker: only it talks to the processor.
        waiting, _ = step(payment.attempt, ConfirmAsked(self.return_url), now=self.at)
        asked = replace(payment, attempt=replace(waiting, due_at=self.at))
        changed = _change(self, "payment.confirm", payment.payment_id)
        return Decision(result=asked, money=(SavePayment(asked), changed))


@dataclass(frozen=True, kw_only=True)
class CancelPayment(LedgerCommand[Payment]):
    """Cancel a payment: what is not charged will not be, and what is unspent goes back."""

    office_id: str
    payment_id: str
    by: str
    at: datetime
    reason: str

    def __post_init__(self) -> None:
        """Raises ValueError: the reason cannot be shown as it is."""
        require_plain(self.reason, "the reason")

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        payment = _payment(snapshot, self.office_id, self.payment_id)
        if payment.state in {State.REFUNDING, State.REFUNDED, *TOOK_NOTHING}:
            return Decision(result=payment)  # asked twice
        if payment.state is State.DISPUTED:
            raise NotRefundable(payment.payment_id, "the bank took it back")
        event: Event = Withdrawn()
        if not payment.attempt.open:
            event = RefundAsked(self._unspent(payment, snapshot))
        after, _ = _advance(snapshot, payment, event, at=self.at, by=self.by, reason=self.reason)
        changed = _change(self, "payment.cancel", payment.payment_id, before=str(payment.state))
        return replace(after, money=(*after.money, changed))

    def _unspent(self, payment: Payment, snapshot: LedgerSnapshot) -> Money:
        balance = snapshot.balance(available(self.office_id), payment.amount.currency)
        unspent = min(payment.amount, balance)
        if not unspent:
            raise TopUpSpent(payment.payment_id)
        return unspent


@dataclass(frozen=True, kw_only=True)
class CloseUnknown(LedgerCommand[Payment]):
    """The operator has looked at the processor: nothing was taken."""

    office_id: str
    payment_id: str
    by: str
    at: datetime
    reason: str

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        payment = _payment(snapshot, self.office_id, self.payment_id)
        after, _ = _advance(snapshot, payment, ClosedByOperator(), at=self.at)
        changed = _change(self, "payment.close", payment.payment_id, before=str(payment.state))
        return replace(after, money=(*after.money, changed))


@dataclass(frozen=True, kw_only=True)
class IssueReceipt(LedgerCommand[Receipt]):
    """The receipt of a payment; issued now where there were no terms when it was credited."""

    office_id: str
    payment_id: str
    at: datetime
    terms: ReceiptTerms | None

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Receipt]:
        state = snapshot.money_of(self.office_id)
        payment = _payment(snapshot, self.office_id, self.payment_id)
        before = state.receipts.get((self.payment_id, ReceiptKind.RECEIPT))
        if before is not None:
            return Decision(result=before)
        if payment.entry_key is None:
            raise ReceiptNotIssued(self.payment_id, f"it is {payment.state}")
        if self.terms is None:
            raise ReceiptNotIssued(self.payment_id, "the settings name no seller: [receipts]")
        issued = _receipt(state, payment, self.terms, self.at)
        return Decision(result=issued, money=(Issue(issued),))


# --- what commands are made of -------------------------------------------------------------------


def described(policy: Policy) -> str:
    """A policy as people read it in the audit trail."""
    state = str(policy.state) if policy.paused_for is None else f"paused ({policy.paused_for})"
    if policy.rule is None:
        return state
    rule = policy.rule
    return (
        f"{state}: {rule.amount} below {rule.threshold},"
        f" at most {rule.day_max} a day and {rule.month_max} a month"
    )


def _with_result(decision: Decision[Payment], result: Result) -> Decision[Result]:
    return Decision(result=result, entries=decision.entries, money=decision.money)


def _payment(snapshot: LedgerSnapshot, office_id: str, payment_id: str) -> Payment:
    found = snapshot.money_of(office_id).payments.get(payment_id)
    if found is None:
        raise UnknownPayment(payment_id)
    return found


def _advance(  # noqa: PLR0913 - what a step and its effects need
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
        # An entry is reversed at most once.
        self._reversed_before = (
            before.refund_failed or before.state is State.REFUNDED or before.charge_backs > 0
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
            case TakeOut(amount) | Restore(amount) | ChargeBack(amount) | Return(amount):
                self._entries += self._movements(command, amount)
            case IssueCreditNote(amount):
                self._issue_credit_note(amount)
            case Pause():
                self._policy = self._policy.paused(command)
            case Arm():
                self._policy = self._policy.card_works()
            case Mail(kind):
                self._writes.append(Tell(self._mail(kind)))
            case _:  # requests are the worker's
                pass

    def _credit(self) -> None:
        refill = self._payment.attempt.kind is PaymentKind.REFILL
        kind = EntryKind.REFILL if refill else EntryKind.TOP_UP
        movement = (_CARD, self._available, self._payment.amount)
        entry = self._entry(kind, movement, reason=self._payment.reason)
        self._entries.append(entry)
        self._payment = replace(self._payment, entry_key=entry.key)
        if self._terms is not None:
            issued = _receipt(self._state, self._payment, self._terms, self._at)
            self._writes.append(Issue(issued))
            self._state = self._state.with_write(Issue(issued))

    def _movements(
        self, command: TakeOut | Restore | ChargeBack | Return, amount: Money
    ) -> Iterator[LedgerEntry]:
        match command:
            case TakeOut():
                movement = (self._available, _CARD, amount)
                credited = None if self._reversed_before else self._payment.entry_key
                yield self._entry(EntryKind.TOP_UP_CANCEL, movement, reverses=credited)
            case Restore():
                cancelled = self._key_of(EntryKind.TOP_UP_CANCEL)
                movement = (_CARD, self._available, amount)
                yield self._entry(EntryKind.TOP_UP_RESTORE, movement, reverses=cancelled)
            case ChargeBack():
                yield from self._charge_back(amount)
            case Return():
                yield from self._return(amount)

    def _charge_back(self, amount: Money) -> Iterator[LedgerEntry]:
        """What is unspent leaves the account; the rest is owed, never a balance below zero."""
        balance = self._snapshot.balance(self._available, amount.currency)
        unspent = min(amount, balance)
        yield self._entry(
            EntryKind.CHARGEBACK,
            (self._available, _CARD, unspent),
            (owed(self._payment.office_id), _CARD, amount - unspent),
            reverses=None if self._reversed_before else self._payment.entry_key,
            key=self._key_of_charge_back(),
        )

    def _return(self, amount: Money) -> Iterator[LedgerEntry]:
        """The office has the money again, and pays first what it came to owe by the charge-back."""
        yield self._entry(
            EntryKind.TOP_UP_RESTORE,
            (_CARD, self._available, amount),
            reverses=self._key_of_charge_back(),
            key=self._key_of(EntryKind.TOP_UP_RESTORE, time=self._payment.attempt.charge_backs),
        )
        owing = owed(self._payment.office_id)
        debt = Money(-self._snapshot.balance(owing, amount.currency).micros, amount.currency)
        repaid = min(debt, amount)
        if repaid:
            yield self._entry(
                EntryKind.REPAY,
                (self._available, owing, repaid),
                key=self._key_of(EntryKind.REPAY, time=self._payment.attempt.charge_backs),
            )

    def _issue_credit_note(self, amount: Money) -> None:
        of = self._state.receipts.get((self._payment.payment_id, ReceiptKind.RECEIPT))
        if of is None:
            return
        number = self._state.receipts_count + 1
        note = credit_note(of, number=number, total=min(amount, of.total), at=self._at)
        self._writes.append(Issue(note))

    def _mail(self, kind: NoticeKind) -> Notice:
        attempt = self._payment.attempt
        of = self._state.receipts.get((attempt.payment_id, ReceiptKind.RECEIPT))
        facts: dict[str, str | int] = {
            **amount_facts(attempt.taken_back or attempt.amount),
            "payment": attempt.payment_id,
            "card": self._payment.card,
            "code": attempt.code,
            "paused_for": self._policy.paused_for or "",
            "receipt": "" if of is None else of.name,
        }
        what = f"{attempt.payment_id}:{attempt.state}:{attempt.code}"
        return _notice(attempt.office_id, kind, what, self._at, facts)

    @property
    def _available(self) -> Account:
        return available(self._payment.office_id)

    def _key_of(self, kind: EntryKind, *, time: int = 0) -> EntryKey:
        """Of what may happen to a payment more than once, which time it is stands behind it."""
        name = self._payment.payment_id
        return payment_key(kind, self._payment.office_id, f"{name}.{time}" if time else name)

    def _key_of_charge_back(self) -> EntryKey:
        """The first has the payment's name alone, as it had before there could be a second."""
        times = self._payment.attempt.charge_backs
        return self._key_of(EntryKind.CHARGEBACK, time=times if times > 1 else 0)

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


def _receipt(state: MoneyState, payment: Payment, terms: ReceiptTerms, at: datetime) -> Receipt:
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


def _notice(
    office_id: str, kind: NoticeKind, what: str, at: datetime, facts: dict[str, str | int]
) -> Notice:
    return Notice(
        key=f"{kind}:{office_id}:{what}", office_id=office_id, kind=kind, at=at, facts=facts
    )


def _change(
    command: _BySomebody, action: str, subject: str = "", *, before: str = "", after: str = ""
) -> Record:
    return Record(
        Change(
            office_id=command.office_id,
            at=command.at,
            actor=command.by,
            action=action,
            subject=subject,
            before=before,
            after=after,
            reason=command.reason,
        )
    )


_CARD = funding(FundingSource.CARD)
