"""What an office, or the operator, is told in writing. Words and addresses belong to `payments`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class NoticeKind(StrEnum):
    LOW_BALANCE = "low_balance"
    REFILL_DONE = "refill_done"
    REFILL_DECLINED = "refill_declined"  # it will be tried again
    REFILL_PAUSED = "refill_paused"  # somebody has to do something
    REFILL_CEILING = "refill_ceiling"
    REFILL_BURST = "refill_burst"  # several within an hour, as when a phone is misused
    RECEIPT = "receipt"
    REFUND_DONE = "refund_done"
    REFUND_FAILED = "refund_failed"
    DISPUTE = "dispute"
    OPERATOR = "operator"  # for the operator: what no manager can mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One mail to be sent, written in the transaction of what it is about.

    `key` is unique: what happened once is told once, whoever finds it out how often. Facts are
    text and whole numbers, so that a row holds them.
    """

    key: str
    office_id: str
    kind: NoticeKind
    at: datetime
    facts: Mapping[str, str | int] = field(default_factory=dict)
