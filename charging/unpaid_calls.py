"""Calls and attempts that move no money: refused ones, and what a plan includes or has for free.

Never an emergency call: neither its number nor that somebody made it.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from charging.errors import ExtensionNotAllowed, InvalidNumber, LimitReached, Refusal
from charging.extensions import Extension
from charging.numbering import Number, Site, find_emergency
from charging.offices import Office
from charging.plan import Category, Plan, classify

UNAVAILABLE = "unavailable"  # the ledger could not be asked
OVERLOAD = "overload"  # more calls at once than the settings allow
KEPT_MAX = 32  # characters of what was dialled

_NOT_DIALLED = re.compile(r"[^+0-9*#]")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpaidCall:
    """One row. What is empty is not known: an unknown endpoint belongs to no office."""

    call_id: str
    office_id: str
    endpoint: str
    extension: str  # its name
    asterisk: str
    caller_channel: str
    dialled: str
    number: str  # digits of E.164, or a short code
    country: str
    kind: str
    category: str
    started_at: datetime
    day: str  # "2026-11-21", in the office's time zone
    refusal: str | None = None  # Refusal.code, UNAVAILABLE or OVERLOAD; None: it was connected
    refusal_detail: str = ""  # which limit, which class of destination, or "switched_off"
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    talk_s: int | None = None
    hangup_cause: int | None = None  # Q.850


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who dialled, with what was in force for them. All None: nobody knows the endpoint."""

    extension: Extension | None = None
    office: Office | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """What was dialled, as the caller's plan sees it."""

    dialled: str
    number: str = ""
    country: str = ""
    kind: str = ""
    category: str = ""


def is_emergency(texts: Iterable[str], sites: Iterable[Site]) -> bool:
    """Whether any of these is an emergency number anywhere here, however it is written.

    Asked before anything is kept, and on the safe side: a number that helps in one office is kept
    of no phone.
    """
    forms = {form for text in texts for form in (text, _digits(text), text.removeprefix("+"))}
    known = tuple(sites)
    return any(form and find_emergency(form, known) is not None for form in forms)


def kept(dialled: str) -> str:
    """Of what was dialled, which may be anything, what can be dialled again."""
    return _NOT_DIALLED.sub("", dialled)[:KEPT_MAX]


def describe(dialled: str, caller: Caller) -> Dialled:
    """What the caller's plan makes of it, whether or not the call may be made."""
    text = kept(dialled)
    if caller.office is None:
        return Dialled(dialled=text)
    try:
        number = caller.office.parse(dialled)
    except InvalidNumber:
        return Dialled(dialled=text, category=Category.INVALID.value)
    return of_number(text, number, caller.office.plan)


def of_number(dialled: str, number: Number, plan: Plan) -> Dialled:
    return Dialled(
        dialled=kept(dialled),
        number=number.digits,
        country=number.country,
        kind=number.kind.value,
        category=classify(number, plan).category.value,
    )


def detail_of(refusal: Refusal | None) -> str:
    """What the code alone does not say."""
    match refusal:
        case LimitReached():
            return refusal.limit
        case ExtensionNotAllowed():
            return refusal.what
        case _:
            return ""


def day_of(moment: datetime, caller: Caller) -> str:
    """The office's day; of nobody's office, that of UTC."""
    day = moment.date() if caller.office is None else caller.office.day_of(moment)
    return day.isoformat()


def unpaid_call_id(*, asterisk: str, caller_channel: str, number: str, created_ms: int) -> str:
    """The id of an included or free call: as ids of calls are, and the same whoever asks.

    Args:
        asterisk: the name of the machine.
        caller_channel: of whoever dialled.
        number: digits of E.164, or a short code.
        created_ms: when the channel was made, in milliseconds since 1970.
    """
    named = f"{asterisk}\0{caller_channel}\0{number}".encode()
    return f"{created_ms * 1_000_000:016x}{hashlib.blake2b(named, digest_size=8).hexdigest()}"


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)
