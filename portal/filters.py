"""What a list shows: read from the address, so that a page can be kept, sent and printed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final
from urllib.parse import urlencode

from wtforms import StringField, ValidationError
from wtforms.fields import Field
from wtforms.form import BaseForm

from charging.entries import EntryKind
from db.activity import CALL, MONEY_KINDS, REFUSED, WantedActivity
from db.call_lists import WantedCalls
from portal.forms import Choice, PortalForm
from portal.languages import marked
from portal.words import Words

WRONG_DATE = marked("This is not a date, such as 2026-11-21.")
WRONG_ORDER = marked("The last day is before the first.")
WRONG_NUMBER = marked("A number has digits, and “+” before them at most.")

THIS_MONTH, LAST_MONTH, LAST_7, LAST_30, CHOSEN = "month", "last-month", "7", "30", "dates"
PERIODS: Final[Mapping[str, str]] = {
    THIS_MONTH: marked("This month"),
    LAST_MONTH: marked("Last month"),
    LAST_7: marked("Last 7 days"),
    LAST_30: marked("Last 30 days"),
    CHOSEN: marked("From … to …"),
}
SHOWN: Final[Mapping[str, str]] = {
    "": marked("Everything"),
    "calls": marked("Paid calls"),
    "money": marked("Money in and out"),
    "refused": marked("Refused attempts"),
}
OUTCOMES: Final[Mapping[str, str]] = {
    "": marked("All calls"),
    "paid": marked("Paid"),
    "included": marked("Included"),
    "free": marked("Free"),
    "refused": marked("Refused"),
}
_NUMBER_MAX = 20


@dataclass(frozen=True, slots=True)
class Period:
    first: date
    last: date  # included

    def since(self, zone: tzinfo) -> datetime:
        return datetime.combine(self.first, time(), zone)

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def until(self, zone: tzinfo) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), zone)


def a_date(_: BaseForm, field: Field) -> None:
    if field.data:
        try:
            date.fromisoformat(field.data)
        except ValueError:
            raise ValidationError(WRONG_DATE) from None


def a_number(_: BaseForm, field: Field) -> None:
    text = (field.data or "").replace(" ", "")
    if text and not text.removeprefix("+").isdigit():
        raise ValidationError(WRONG_NUMBER)
    if len(text) > _NUMBER_MAX:
        raise ValidationError(WRONG_NUMBER)
    field.data = text


class PeriodForm(PortalForm):
    period = Choice(PERIODS.items(), default=THIS_MONTH)
    since = StringField(validators=[a_date])
    until = StringField(validators=[a_date])

    def validate_until(self, field: Field) -> None:
        if self.period.data == CHOSEN and field.data and field.data < (self.since.data or ""):
            raise ValidationError(WRONG_ORDER)

    def chosen(self, today: date) -> Period:
        """The days that are shown; of fields that are wrong, this month."""
        first_of_month = today.replace(day=1)
        match self.period.data:
            case "last-month":
                last = first_of_month - timedelta(days=1)
                return Period(last.replace(day=1), last)
            case "7" | "30" as days:
                return Period(today - timedelta(days=int(days) - 1), today)
            case "dates" if not (self.since.errors or self.until.errors):
                first = date.fromisoformat(self.since.data) if self.since.data else first_of_month
                last = date.fromisoformat(self.until.data) if self.until.data else today
                return Period(min(first, last), max(first, last))
            case _:
                return Period(first_of_month, today)

    def query(self, **more: str) -> str:
        """The filters as they stand in an address."""
        filled = {field.name: field.data for field in self if field.data}
        return urlencode(filled | {name: value for name, value in more.items() if value})


class CallFilter(PeriodForm):
    extension = Choice()
    country = Choice()
    number = StringField(validators=[a_number])

    def offer(self, extensions: Iterable[tuple[str, str]], words: Words) -> None:
        every = ("", words.say(marked("All")))
        self.extension.offer([every, *extensions])
        self.country.offer([every, *words.countries().items()])
        for field in (self.extension, self.country):
            field.data = field.data or ""

    def wanted(self, period: Period, zone: tzinfo, outcomes: frozenset[str]) -> WantedCalls:
        return WantedCalls(
            since=period.since(zone),
            until=period.until(zone),
            outcomes=outcomes,
            extension=self._valid(self.extension),
            country=self._valid(self.country),
            number=self._valid(self.number),
        )

    def _valid(self, field: Field) -> str | None:
        return None if field.errors else field.data or None


class CallsFilter(CallFilter):
    outcome = Choice(OUTCOMES.items(), default="")

    def wanted_calls(self, period: Period, zone: tzinfo) -> WantedCalls:
        chosen = self._valid(self.outcome)
        return self.wanted(period, zone, frozenset({chosen} if chosen else ()))


class ActivityFilter(CallFilter):
    show = Choice(SHOWN.items(), default="")

    def wanted_activity(self, period: Period, zone: tzinfo) -> WantedActivity:
        kinds: Mapping[str | None, frozenset[str]] = {
            "calls": frozenset({CALL}),
            "money": frozenset[str](MONEY_KINDS),
            "refused": frozenset({REFUSED}),
        }
        return WantedActivity(
            kinds=kinds.get(self._valid(self.show), frozenset()),
            calls=self.wanted(period, zone, frozenset()),
        )

    @property
    def narrows(self) -> bool:
        """Whether rows of the period are left out."""
        fields = (self.show, self.extension, self.country, self.number)
        return any(self._valid(field) for field in fields)


KIND_NAMES: Final[Mapping[str, str]] = {
    EntryKind.TOP_UP: marked("Top-up"),
    EntryKind.REFILL: marked("Automatic refill"),
    EntryKind.TOP_UP_CANCEL: marked("Top-up cancelled"),
    EntryKind.TOP_UP_RESTORE: marked("Cancelled top-up put back"),
    EntryKind.CHARGEBACK: marked("Payment taken back by the bank"),
    EntryKind.REPAY: marked("Paid what was owed"),
    EntryKind.GRANT: marked("Credit by customer care"),
    EntryKind.DEDUCT: marked("Deduction by customer care"),
}
