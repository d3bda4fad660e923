"""Commands about the card on file, and about who buys."""

from dataclasses import dataclass, replace
from datetime import datetime

from charging.ledger import Decision, LedgerCommand, LedgerSnapshot
from charging.money_state import (
    NOTHING_WANTED,
    MoneyWrite,
    Payment,
    RemoveCard,
    SaveBuyer,
    SaveCard,
    SavePayment,
    SavePolicy,
    StoredCard,
)
from charging.money_writes import recorded, told
from charging.notices import NoticeKind
from charging.receipts import Party
from charging.refill import Pause, PauseReason, State


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
        changed = recorded(self, "card.replace", before=before, after=self.card.name)
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
            recorded(self, "card.remove", before=state.card.name),
        ]
        if policy != state.policy:
            paused = told(self.office_id, NoticeKind.REFILL_PAUSED, self.method_id, self.at, {})
            writes += [SavePolicy(policy), paused]
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
        changed = recorded(
            self,
            "billing.set",
            before="" if state.buyer is None else state.buyer.name,
            after=self.buyer.name,
        )
        return Decision(
            result=None, money=(SaveBuyer(self.office_id, self.buyer, self.language), changed)
        )
