"""What the command says of a call in English: why it was refused, how it ended, what it cost."""

from collections.abc import Iterator

from admin.amounts import shown
from charging.call_price import CallPrice, CallState
from charging.money import Money

REFUSALS = {
    "insufficient_balance": "not enough money",
    "barred": "the calling plan bars it",
    "no_rate": "no rate for it",
    "invalid_number": "no such number",
    "unknown_extension": "nobody's phone",
    "extension_not_allowed": "not allowed from this phone",
    "limit_reached": "a limit was reached",
    "unavailable": "the ledger could not be asked",
    "overload": "too many calls at once on this machine",
}
DETAILS = {
    "switched_off": "the phone is switched off",
    "included": "included calls are not allowed",
    "national": "paid national calls are not allowed",
    "international": "international calls are not allowed",
    "premium": "premium and service numbers are not allowed",
    "extension_day": "the phone's limit of the day",
    "extension_month": "the phone's limit of the month",
    "office_day": "the office's limit of the day",
    "calls_at_once": "too many paid calls at once of this phone",
}
UNPROVED = {
    "no_record": "nothing says when it ended; charged for what is proved",
    "asterisk_stopped": "Asterisk stood still at its end; charged for what is proved",
}


def refusal_words(code: str, detail: str = "") -> str:
    """A code of a later version is shown as it is."""
    return DETAILS.get(detail) or REFUSALS.get(code, code)


def talk_words(talk_s: int | None) -> str:
    """1:05:09, 4:30, or nothing."""
    if not talk_s:
        return ""
    hours, rest = divmod(talk_s, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"


def money_words(amount: Money) -> str:
    return shown(amount.micros, amount.currency)


def signed(amount: Money) -> str:
    """What comes in has a plus."""
    return f"+{money_words(amount)}" if amount.micros > 0 else money_words(amount)


def price_lines(price: CallPrice) -> Iterator[str]:
    """Why it costs what it costs, one sentence each."""
    rate = price.rate
    yield f"Paid because the {price.reason}."
    blocks = f"the first {rate.initial_s} s, then every {rate.increment_s} s"
    yield f"{price.destination}: {money_words(rate.per_minute)} a minute, billed for {blocks}."
    if price.state is CallState.RINGING:
        yield "Nobody has answered yet: nothing is charged."
        return
    if price.state is CallState.UNANSWERED:
        yield "Nobody answered: nothing was charged."
        return
    further = f" and {price.further_increments} more" if price.further_increments else ""
    yield (
        f"{price.talk_s} s of talk are the first block{further}: {price.billable_s} s are billed,"
        f" {money_words(price.time)}."
    )
    if price.connection:
        yield f"Once, on answer: {money_words(price.connection)}."
    if price.per_call:
        yield f"The service charge of the call: {money_words(price.per_call)}."
    yield f"Together {money_words(price.price)}."
    if price.unpaid:
        yield f"Nothing was reserved for {money_words(price.unpaid)} of it, which nobody pays."
    if price.end_unproved is not None:
        yield UNPROVED[price.end_unproved.value].capitalize() + "."
