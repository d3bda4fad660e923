"""Calls in sentences: where one went, why it was refused, why it cost what it cost."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, parse

from charging.call_price import CallPrice, CallState
from charging.rates import Rate
from portal.languages import marked
from portal.words import Words

_REFUSALS: Final[Mapping[tuple[str, str], str]] = {
    ("insufficient_balance", ""): marked("The balance was too low."),
    ("barred", ""): marked("The calling plan bars this number."),
    ("no_rate", ""): marked("There is no price for this number."),
    ("invalid_number", ""): marked("This is not a number that can exist."),
    ("unknown_extension", ""): marked("The phone is not known."),
    ("extension_not_allowed", "switched_off"): marked("The extension is switched off."),
    ("extension_not_allowed", "included"): marked("The extension may not make included calls."),
    ("extension_not_allowed", "national"): marked("The extension may not call paid numbers here."),
    ("extension_not_allowed", "international"): marked("The extension may not call abroad."),
    ("extension_not_allowed", "premium"): marked("The extension may not call premium numbers."),
    ("limit_reached", "extension_day"): marked("The extension has reached its limit of the day."),
    ("limit_reached", "extension_month"): marked(
        "The extension has reached its limit of the month."
    ),
    ("limit_reached", "office_day"): marked("The office has reached its limit of the day."),
    ("limit_reached", "calls_at_once"): marked("The extension had too many paid calls at once."),
    ("unavailable", ""): marked("The account could not be read at that moment."),
    ("overload", ""): marked("There were more calls at once than can be metered."),
}
_OTHERWISE: Final = marked("The call was not allowed.")

_NOT_PROVED: Final = marked(
    "Nobody can say for certain when it ended, so only what can be proved is charged."
)

OUTCOMES: Final[Mapping[str, str]] = {
    "paid": marked("Paid"),
    "included": marked("Included"),
    "free": marked("Free"),
    "refused": marked("Refused"),
}
STATES: Final[Mapping[CallState, str]] = {
    CallState.RINGING: marked("Ringing"),
    CallState.TALKING: marked("Talking"),
    CallState.UNANSWERED: marked("Not answered"),
    CallState.ENDED: marked("Ended"),
}


def why_refused(words: Words, code: str | None, detail: str) -> str:
    """In a sentence; of a code that has none of its own, that it was refused."""
    if code is None:
        return ""
    found = _REFUSALS.get((code, detail)) or _REFUSALS.get((code, ""))
    return words.say(found or _OTHERWISE)


def where(words: Words, country: str, kind: str) -> str:
    """Say "France, mobile"; of a number of no country, its kind alone."""
    if not country or country == "001":
        return words.kind(kind).capitalize() if kind else ""
    return words.say(
        marked("%(country)s, %(kind)s"), country=words.country(country), kind=words.kind(kind)
    )


def written(number: str, dialled: str) -> str:
    """As people write a number: "+33639980123", or what was dialled where it is short."""
    return f"+{number}" if len(number) > 6 and number.isdigit() else number or dialled  # noqa: PLR2004 - longer than short codes


def spaced(number: str, dialled: str) -> str:
    """As its own country writes it, so that people can read it out: "+33 6 39 98 01 23"."""
    text = written(number, dialled)
    return _in_groups(text) if text.startswith("+") else text


@lru_cache(maxsize=1024)  # an office calls the same people again
def _in_groups(text: str) -> str:
    try:
        return format_number(parse(text), PhoneNumberFormat.INTERNATIONAL)
    except NumberParseException:  # such as one whose last digits are masked
        return text


def price_a_minute(words: Words, rate: Rate) -> str:
    return words.say(marked("%(price)s a minute"), price=words.exact(rate.per_minute))


def why_it_cost(words: Words, price: CallPrice) -> str:
    """One or two sentences that an accountant can follow."""
    return " ".join(_why(words, price))


def _why(words: Words, price: CallPrice) -> Iterator[str]:
    rate = price.rate
    if not price.talk_s:
        yield words.say(marked("Nobody answered, so it costs nothing."))
        return
    terms = {
        "talk": words.duration(price.talk_s),
        "charged": words.long_duration(price.billable_s),
        "rate": price_a_minute(words, rate),
        "time": words.exact(price.time),
    }
    if price.billable_s == price.talk_s:
        yield words.say(marked("It lasted %(talk)s, at %(rate)s: %(time)s."), **terms)
    elif rate.initial_s == rate.increment_s:
        yield words.say(
            marked(
                "It lasted %(talk)s. Each %(block)s begun is charged, so %(charged)s"
                " at %(rate)s: %(time)s."
            ),
            block=words.long_duration(rate.increment_s),
            **terms,
        )
    else:
        yield words.say(
            marked(
                "It lasted %(talk)s. The first %(first)s are charged whole, then each %(block)s"
                " begun, so %(charged)s at %(rate)s: %(time)s."
            ),
            first=words.long_duration(rate.initial_s),
            block=words.long_duration(rate.increment_s),
            **terms,
        )
    extra = price.connection + price.per_call
    if extra:
        yield words.say(
            marked("Being connected costs %(extra)s, so %(price)s altogether."),
            extra=words.exact(extra),
            price=words.exact(price.price),
        )
    if price.end_unproved is not None:
        yield words.say(_NOT_PROVED)
    if price.unpaid:
        yield words.say(
            marked("%(unpaid)s of it was never set aside, and nobody is charged for that."),
            unpaid=words.exact(price.unpaid),
        )


def why_paid(words: Words, *, plan: str, country: str, kind: str) -> str:
    return words.say(
        marked("The %(plan)s plan does not include this: %(where)s."),
        plan=plan,
        where=where(words, country, kind),
    )
