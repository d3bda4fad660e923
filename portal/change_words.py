"""What a line of the audit trail says that something was, and became, in its reader's words.

The trail keeps what was written down at the time. How a refill stood, a state, a role, a language
and amounts are said as the reader says them; whatever a person typed stays as it is.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from babel.numbers import is_currency

from charging.money import Money
from charging.refill import PauseReason, State
from charging.refill_rules import PolicyState
from portal.languages import NAMES, marked
from portal.money_words import state_title
from portal.pages import ROLE_NAMES
from portal.words import Words

_AMOUNT: Final = re.compile(r"\b([0-9]+(?:\.[0-9]+)?) ([A-Z]{3})\b")
_REFILL: Final = re.compile(
    rf"(?P<state>{'|'.join(PolicyState)})(?: \((?P<why>{'|'.join(PauseReason)})\))?"
    r"(?:: (?P<amount>\S+ \S+) below (?P<threshold>\S+ \S+),"
    r" at most (?P<day>\S+ \S+) a day and (?P<month>\S+ \S+) a month)?"
)
_TOKEN: Final = re.compile(r"(?P<role>\w+), until (?P<until>\d{4}-\d\d-\d\d)")

_REFILLS: Final[Mapping[str, str]] = {
    PolicyState.OFF: marked("off"),
    PolicyState.ARMED: marked("on"),
    PolicyState.HELD: marked("on, waiting for its ceiling"),
    PolicyState.PAUSED: marked("paused"),
}
_PAUSES: Final[Mapping[str, str]] = {
    PauseReason.CARD: marked("paused for the card"),
    PauseReason.AUTHENTICATION: marked("paused until the bank is answered"),
    PauseReason.DISPUTE: marked("paused for a dispute"),
    PauseReason.OPERATOR: marked("paused by the operator"),
}


def said(words: Words, action: str, text: str) -> str:
    """`text`, which was written down for a change of that name."""
    return (_SAID.get(action) or _amounts)(words, text)


def _amounts(words: Words, text: str) -> str:
    return _AMOUNT.sub(lambda found: _amount(words, *found.groups()) or found[0], text)


def _amount(words: Words, amount: str, currency: str) -> str | None:
    """None: it only looks like one."""
    if not is_currency(currency):
        return None
    micros = Decimal(amount).scaleb(6)
    return words.exact(Money(int(micros), currency)) if micros == int(micros) else None


def _refill(words: Words, text: str) -> str:
    found = _REFILL.fullmatch(text)
    if found is None:
        return _amounts(words, text)
    parts = found.groupdict()
    text = _REFILLS[parts["state"]] if parts["why"] is None else _PAUSES[parts["why"]]
    stood = words.say(text)
    if parts["amount"] is None:
        return stood
    return words.say(
        marked(
            "%(stood)s: %(amount)s below %(threshold)s, at most %(day)s a day and %(month)s a month"
        ),
        stood=stood,
        **{name: _amounts(words, parts[name]) for name in ("amount", "threshold", "day", "month")},
    )


def _state(words: Words, text: str) -> str:
    return words.say(state_title(State(text))) if text in set(State) else text


def _role(words: Words, text: str) -> str:
    return words.say(ROLE_NAMES[text]) if text in ROLE_NAMES else text


def _token(words: Words, text: str) -> str:
    found = _TOKEN.fullmatch(text)
    if found is None:
        return text
    return words.say(
        marked("%(role)s, until %(until)s"),
        role=_role(words, found["role"]),
        until=words.day(date.fromisoformat(found["until"])),
    )


def _language(_words: Words, text: str) -> str:
    return NAMES.get(text, text)


_SAID: Final[Mapping[str, Callable[[Words, str], str]]] = {
    **dict.fromkeys(("refill.set", "refill.off", "refill.now", "refill.try_again"), _refill),
    **dict.fromkeys(("payment.cancel", "payment.close"), _state),
    **dict.fromkeys(("user.invite", "user.accept", "user.role", "user.end"), _role),
    "notice.address_add": _language,
    "token.add": _token,
}
