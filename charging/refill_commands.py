"""Commands about the rule of refill: on, off, now, again; and when the office is told of little.

Each is one transaction: the change, its record and its notices. Whether a refill is begun by it is
decided where every refill is (`charging.refill_watch`).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from charging.entries import available
from charging.errors import NoCardOnFile, RefillNotAllowed
from charging.ledger import Decision, LedgerCommand, LedgerSnapshot
from charging.money import Money
from charging.money_state import NOTHING_WANTED, MoneyWrite, SavePayment, SavePolicy
from charging.money_writes import recorded
from charging.orders import Consent, RefillRule
from charging.refill import PauseReason, Withdrawn, step
from charging.refill_rules import Policy, PolicyState


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
        changed = recorded(
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
            recorded(self, "refill.off", before=described(state.policy), after=described(policy))
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
        changed = recorded(
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
        changed = recorded(self, "refill.now")
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
        changed = recorded(
            self,
            "notice.level",
            before="" if before.notice_below is None else str(before.notice_below),
            after=str(self.level),
        )
        return Decision(result=policy, money=(SavePolicy(policy), changed), refill_wanted=True)


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
