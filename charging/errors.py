"""Every reason this system says no.

ChargingError
├── Refusal                  the caller hears a prompt and the call is not placed
│   ├── InsufficientBalance
│   ├── DestinationBarred
│   ├── NoRateForDestination
│   ├── InvalidNumber
│   ├── UnknownExtension
│   ├── ExtensionNotAllowed
│   ├── LimitReached
│   ├── UnknownOffice
│   ├── UnknownTopUp
│   ├── TopUpSpent
│   ├── PaidByCard
│   ├── UnknownPayment
│   ├── NotRefundable
│   ├── BoughtJustNow
│   ├── AmountNotOffered
│   ├── NoCardOnFile
│   ├── RefillNotAllowed
│   └── ReceiptNotIssued
├── LedgerFault              a defect: nothing was changed; alert the operator, let the call go on
│   ├── CurrencyMismatch
│   ├── EntryKeyReused
│   ├── UnknownCall
│   ├── CallSettled
│   ├── IntervalNotReserved
│   ├── ReservationMissing
│   ├── NothingOwed
│   └── ConstraintBroken
├── SettingRefused           what somebody wants to set is not theirs to say
└── ChargingUnavailable      the database is locked, full or away: nothing is known to be changed,
                             and the same command may be sent again

Errors carry facts. Words belong to `prompts`, hang-up causes to `ari_app`.
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from charging.money import Money


class ChargingError(Exception):
    """Anything that charging refuses or cannot do."""


class Refusal(ChargingError):  # noqa: N818 - a normal no is no error
    """A normal no. `code` is stable: logs, JSON and the choice of prompt depend on it."""

    code: ClassVar[str]


class InsufficientBalance(Refusal):
    code = "insufficient_balance"

    def __init__(self, *, available: "Money", needed: "Money") -> None:
        super().__init__(f"available {available}, needed {needed}")
        self.available = available
        self.needed = needed
        self.office_id = ""  # of the call that was refused
        self.refill_under_way = False  # a card is being charged, so waiting a little may help


class DestinationBarred(Refusal):
    code = "barred"

    def __init__(self, digits: str, reason: str) -> None:
        super().__init__(f"{digits}: {reason}")
        self.digits = digits
        self.reason = reason


class NoRateForDestination(Refusal):
    code = "no_rate"

    def __init__(self, digits: str, why: str = "") -> None:
        super().__init__(f"the rate deck has no rate for {digits}{why}")
        self.digits = digits


class InvalidNumber(Refusal):
    code = "invalid_number"

    def __init__(self, dialled: str, reason: str) -> None:
        super().__init__(f"{dialled!r}: {reason}")
        self.dialled = dialled
        self.reason = reason


class UnknownExtension(Refusal):
    code = "unknown_extension"

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"no extension has the endpoint {endpoint!r}")
        self.endpoint = endpoint


class UnknownOffice(Refusal):
    code = "unknown_office"

    def __init__(self, office_id: str) -> None:
        super().__init__(f"the settings have no office {office_id!r}")
        self.office_id = office_id


class ExtensionNotAllowed(Refusal):
    """`what` is "switched_off", or the class of destination that is not allowed."""

    code = "extension_not_allowed"

    def __init__(self, endpoint: str, reason: str, *, what: str) -> None:
        super().__init__(f"extension {endpoint}: {reason}")
        self.endpoint = endpoint
        self.what = what
        self.reason = reason


class LimitReached(Refusal):
    """A limit of the extension or of the office is used up.

    `limit` is one of "extension_day", "extension_month", "office_day", "calls_at_once".
    """

    code = "limit_reached"

    def __init__(self, limit: str, reason: str) -> None:
        super().__init__(f"{limit}: {reason}")
        self.limit = limit
        self.reason = reason


class UnknownTopUp(Refusal):
    code = "unknown_topup"

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no top-up {key!r}")
        self.key = key


class TopUpSpent(Refusal):
    code = "topup_spent"

    def __init__(self, key: str) -> None:
        super().__init__(f"nothing of the top-up {key!r} is unspent")
        self.key = key


class PaidByCard(Refusal):
    """Money of a card is cancelled by its payment, so that it goes back to the card."""

    code = "paid_by_card"

    def __init__(self, key: str, payment_id: str) -> None:
        super().__init__(f"the top-up {key!r} was paid by card: cancel the payment {payment_id}")
        self.payment_id = payment_id


class UnknownPayment(Refusal):
    code = "unknown_payment"

    def __init__(self, payment_id: str) -> None:
        super().__init__(f"the office has no payment {payment_id!r}")
        self.payment_id = payment_id


class NotRefundable(Refusal):
    code = "not_refundable"

    def __init__(self, payment_id: str, why: str) -> None:
        super().__init__(f"payment {payment_id} cannot be cancelled: {why}")
        self.payment_id = payment_id
        self.why = why


class BoughtJustNow(Refusal):
    """The same amount was bought a moment ago: is it wanted again?"""

    code = "bought_just_now"

    def __init__(self, amount: "Money", seconds: int) -> None:
        super().__init__(f"{amount} was bought {seconds} seconds ago")
        self.amount = amount
        self.seconds = seconds


class AmountNotOffered(Refusal):
    code = "amount_not_offered"

    def __init__(self, amount: str, offered: str) -> None:
        super().__init__(f"{amount} is none of the amounts that can be chosen: {offered}")
        self.amount = amount


class NoCardOnFile(Refusal):
    code = "no_card"

    def __init__(self, office_id: str) -> None:
        super().__init__(f"office {office_id} has no card on file")
        self.office_id = office_id


class RefillNotAllowed(Refusal):
    """`why` is one of a few words: "off", "paused", "held", "open", "cool_down", "no_card"."""

    code = "refill_not_allowed"

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


class ReceiptNotIssued(Refusal):
    code = "no_receipt"

    def __init__(self, payment_id: str, why: str) -> None:
        super().__init__(f"payment {payment_id} has no receipt: {why}")
        self.payment_id = payment_id


class LedgerFault(ChargingError):  # noqa: N818 - the word of the glossary
    """A defect: nothing was changed. The operator is told; a call that is paid for goes on."""

    code: ClassVar[str]


class CurrencyMismatch(LedgerFault):
    code = "currency_mismatch"

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other} do not mix")
        self.currencies = (one, other)


class EntryKeyReused(LedgerFault):
    code = "entry_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} already names something else")
        self.key = key


class UnknownCall(LedgerFault):
    code = "unknown_call"

    def __init__(self, call_id: str) -> None:
        super().__init__(f"no call {call_id!r} was authorised")
        self.call_id = call_id


class CallSettled(LedgerFault):
    code = "call_settled"

    def __init__(self, call_id: str) -> None:
        super().__init__(f"call {call_id!r} is settled")
        self.call_id = call_id


class IntervalNotReserved(LedgerFault):
    code = "interval_not_reserved"

    def __init__(self, call_id: str, interval: int) -> None:
        super().__init__(f"call {call_id!r}: interval {interval} is not the next one, or not paid")
        self.call_id = call_id
        self.interval = interval


class ReservationMissing(LedgerFault):
    code = "reservation_missing"

    def __init__(self, account: str) -> None:
        super().__init__(f"{account} holds less than its calls have reserved")
        self.account = account


class NothingOwed(LedgerFault):
    code = "nothing_owed"

    def __init__(self, account: str) -> None:
        super().__init__(f"{account} would be paid more than is owed")
        self.account = account


class ConstraintBroken(LedgerFault):
    """The database refused what the rules allowed: its rows and ours disagree."""

    code = "constraint_broken"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class SettingRefused(ChargingError):  # noqa: N818 - a normal no is no error
    """What somebody wants to set is a file's to say, or nothing that can be. Nothing was changed.

    `code` is one of "unknown_setting", "set_by_file", "invalid_setting".
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class ChargingUnavailable(ChargingError):  # noqa: N818 - the state of the database
    """The database cannot be used now. Sending the same command again is always safe."""

    code: ClassVar[str] = "unavailable"
