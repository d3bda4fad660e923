"""`tollgate activity`, `calls` and `report`: what an office spent, whom it called, and why not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy import Engine

from admin.call_words import money_words, refusal_words, signed, talk_words
from admin.context import AsJson, Context, Office, command, fail
from admin.output import print_csv, print_json, say, say_in_columns
from charging.csv_text import Cell, csv_lines
from charging.money import Money
from db.activity import (
    CALL,
    EVERY_KIND,
    REFUSED,
    ActivityRow,
    Cursor,
    MoneyRow,
    PaidCallRow,
    RefusedRow,
    WantedActivity,
    activity,
)
from db.activity_sums import FilteredSum, Totals, filtered_sum, totals
from db.call_lists import (
    EVERY_OUTCOME,
    CursorError,
    ListedCall,
    Place,
    WantedCalls,
    list_calls,
    listed_unpaid,
)
from db.ledger import read_one_moment
from db.reports import SpentBy, SpentLine, report

app = typer.Typer()

Row = TypeVar("Row")
Onward = TypeVar("Onward")  # where the next page begins

LAST_MAX = 1_000_000
STREAMED_AT_ONCE = 500  # rows of a page, while all are written
WEEKS_SHOWN = timedelta(days=30)

AsCsv = Annotated[bool, typer.Option("--csv", help="Print every row as CSV, newest first.")]
Extension = Annotated[str | None, typer.Option("--extension", help="Only of this phone.")]
Country = Annotated[str | None, typer.Option("--country", help="Only to this country: FR.")]
Number = Annotated[
    str | None, typer.Option("--number", help="Only numbers with these digits; +33: that begin so.")
]
Since = Annotated[
    datetime | None, typer.Option("--since", help="From this moment on, in the office's time zone.")
]
Until = Annotated[
    datetime | None, typer.Option("--until", help="Before this moment, in the office's time zone.")
]
Last = Annotated[int, typer.Option("--last", min=1, max=LAST_MAX, help="How many rows.")]
Before = Annotated[
    str | None, typer.Option("--before", help="Go on where the last page ended, by its `next`.")
]


@dataclass(frozen=True)
class _Reading:
    """Whose rows, from which database, and in which time zone they are shown."""

    engine: Engine
    office_id: str
    zone: tzinfo
    currency: str

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone)

    def shown(self, moment: datetime) -> str:
        return self.local(moment).strftime("%Y-%m-%d %H:%M:%S")

    def from_office(self, moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.replace(tzinfo=self.zone)


def _reading(context: Context, office: str | None) -> _Reading:
    office_id = context.office(office)
    known = context.offices.office(office_id)
    return _Reading(context.reader, office_id, known.time_zone, known.currency)


@app.command("activity")
def show_activity(  # noqa: PLR0913, PLR0917 - each is one filter
    office: Office = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help=f"Only {', '.join(sorted(EVERY_KIND))}; may be repeated."),
    ] = None,
    extension: Extension = None,
    country: Country = None,
    number: Number = None,
    since: Since = None,
    until: Until = None,
    before: Before = None,
    last: Last = 20,
    *,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Show what changed an office's balance, a paid call in one row, and what was refused."""
    _require_known(kind, EVERY_KIND, "kind")
    with command() as context:
        reading = _reading(context, office)
        wanted = WantedActivity(
            kinds=frozenset(kind or ()),
            calls=WantedCalls(
                since=reading.from_office(since),
                until=reading.from_office(until),
                extension=extension,
                country=country,
                number=number,
            ),
        )
        if as_csv:
            _stream(_ACTIVITY_HEADING, _activity_cells(reading, wanted))
            return
        rows, following = _first_rows(
            _activity_of(reading, wanted), limit=last, place=_cursor(before)
        )
        found = _read(reading, partial(totals, wanted=wanted))
        is_filtered = wanted.every_kind != EVERY_KIND
        part = _read(reading, partial(filtered_sum, wanted=wanted)) if is_filtered else None
    if as_json:
        print_json(_activity_json(reading, rows, following, found, part))
        return
    say_in_columns([_activity_line(reading, row) for row in reversed(rows)])
    _say_totals(found, part)
    if following is not None:
        say(f"earlier rows: --before {following}")


@app.command("calls")
def show_calls(  # noqa: PLR0913, PLR0917 - each is one filter
    office: Office = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome", help=f"Only {', '.join(sorted(EVERY_OUTCOME))}; may be repeated."
        ),
    ] = None,
    extension: Extension = None,
    country: Country = None,
    number: Number = None,
    since: Since = None,
    until: Until = None,
    before: Before = None,
    last: Last = 20,
    *,
    of_nobody: Annotated[
        bool, typer.Option("--of-nobody", help="Attempts of endpoints that are nobody's phone.")
    ] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Show every outbound call, included, free and refused ones too."""
    _require_known(outcome, EVERY_OUTCOME, "outcome")
    with command() as context:
        reading = _reading(context, office)
        if of_nobody:
            reading = replace(reading, office_id="")
        wanted = WantedCalls(
            outcomes=frozenset(outcome or ()),
            since=reading.from_office(since),
            until=reading.from_office(until),
            extension=extension,
            country=country,
            number=number,
        )
        if as_csv:
            _stream(_CALLS_HEADING, _call_cells(reading, wanted))
            return
        calls, following = _first_rows(_calls_of(reading, wanted), limit=last, place=_place(before))
    if as_json:
        found = [_call_json(reading, call) for call in calls]
        print_json({"office": reading.office_id, "calls": found, "next": _text(following)})
        return
    say_in_columns([_call_line(reading, call) for call in reversed(calls)])
    if following is not None:
        say(f"earlier calls: --before {following}")


@app.command("report")
def show_report(  # noqa: PLR0913 - each is one option
    by: Annotated[SpentBy, typer.Argument(help="What the lines are of.")] = SpentBy.DAY,
    office: Office = None,
    first: Annotated[datetime | None, typer.Option("--since", help="The first day.")] = None,
    last: Annotated[
        datetime | None, typer.Option("--until", help="The last day, which belongs to it.")
    ] = None,
    *,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Show what was spent by day, country or extension, in the office's own days."""
    with command() as context:
        reading = _reading(context, office)
        last_day = (last or datetime.now(reading.zone)).date()
        first_day = first.date() if first else last_day - WEEKS_SHOWN
        query = partial(report, by=by, first=first_day, last=last_day, currency=reading.currency)
        lines: list[SpentLine] = _read(reading, query)
    if as_csv:
        _stream((by.value, *_REPORT_HEADING), map(_report_cells, lines))
    elif as_json:
        print_json(_report_json(reading, by, (first_day, last_day), lines))
    else:
        say_in_columns([(by.value, *_REPORT_HEADING), *map(_report_line, lines)])


# --- reading --------------------------------------------------------------------------------------


def _read(reading: _Reading, query: Any) -> Any:
    return read_one_moment(reading.engine, partial(query, office_id=reading.office_id))


Page = tuple[Sequence[Row], Onward | None]
ReadPage = Callable[[int, Onward | None], Page[Row, Onward]]


def _first_rows(
    read: ReadPage[Onward, Row], *, limit: int, place: Onward | None
) -> Page[Row, Onward]:
    """So many rows, however many pages a filter spreads them over."""
    rows: list[Row] = []
    while True:
        found, place = read(limit - len(rows), place)
        rows += found
        if place is None or len(rows) >= limit:
            return rows, place


def _every_row(read: ReadPage[Onward, Row]) -> Iterator[Row]:
    """All of them, a page at a time: nothing is kept."""
    place: Onward | None = None
    while True:
        rows, place = read(STREAMED_AT_ONCE, place)
        yield from rows
        if place is None:
            return


def _activity_of(reading: _Reading, wanted: WantedActivity) -> ReadPage[Cursor, ActivityRow]:
    def read(limit: int, cursor: Cursor | None) -> Page[ActivityRow, Cursor]:
        page = _read(reading, partial(activity, limit=limit, wanted=wanted, cursor=cursor))
        return page.rows, page.next

    return read


def _calls_of(reading: _Reading, wanted: WantedCalls) -> ReadPage[Place, ListedCall]:
    def read(limit: int, before: Place | None) -> Page[ListedCall, Place]:
        page = _read(reading, partial(list_calls, limit=limit, wanted=wanted, before=before))
        return page.calls, page.before

    return read


def _cursor(text: str | None) -> Cursor | None:
    try:
        return None if text is None else Cursor.parse(text)
    except CursorError as error:
        fail(str(error))


def _place(text: str | None) -> Place | None:
    try:
        return None if text is None else Place.parse(text)
    except CursorError as error:
        fail(str(error))


def _require_known(wanted: Iterable[str] | None, known: frozenset[str], what: str) -> None:
    unknown = set(wanted or ()) - known
    if unknown:
        _refuse(what, min(unknown), known)


def _refuse(what: str, given: str, known: frozenset[str]) -> NoReturn:
    fail(f"{given!r} is no {what}; there is {', '.join(sorted(known))}")


def _text(cursor: Cursor | Place | None) -> str | None:
    return None if cursor is None else str(cursor)


# --- activity -------------------------------------------------------------------------------------


def _activity_line(reading: _Reading, row: ActivityRow) -> tuple[str, ...]:
    at = reading.shown(row.at)
    match row:
        case PaidCallRow(call=call):
            talk = talk_words(call.talk_s) or ("under way" if call.settled_at is None else "")
            what = (CALL, call.extension, f"+{call.number}", call.destination, talk)
            return (at, *what, signed(row.amount), money_words(row.balance_after))
        case MoneyRow(posted=posted):
            entry = posted.entry
            what = (entry.kind.value, entry.actor, "", entry.reason, "")
            return (at, *what, signed(row.amount), money_words(row.balance_after))
        case RefusedRow(call=refused):
            why = refusal_words(refused.refusal or "", refused.refusal_detail)
            number = f"+{refused.number}" if refused.number else refused.dialled
            return (at, REFUSED, refused.extension or refused.endpoint, number, why, "", "", "")


def _say_totals(found: Totals, part: FilteredSum | None) -> None:
    parts = [f"{kind}: {signed(amount)}" for kind, amount in sorted(found.money.items())]
    says = [
        f"opening balance {money_words(found.opening)}",
        *parts,
        f"calls: {signed(found.calls)}",
    ]
    say("; ".join([*says, f"closing balance {money_words(found.closing)}"]))
    if part is not None:
        of_calls = f"{part.calls} calls, {signed(part.amount)}"
        say(f"of that, shown above and on further pages: {of_calls}; other: {signed(part.money)}")


def _activity_json(
    reading: _Reading,
    rows: Sequence[ActivityRow],
    following: Cursor | None,
    found: Totals,
    part: FilteredSum | None,
) -> Mapping[str, Any]:
    return {
        "office": reading.office_id,
        "currency": found.closing.currency,
        "rows": [_row_json(reading, row) for row in rows],
        "next": _text(following),
        "opening_micros": found.opening.micros,
        "money_micros": {kind.value: amount.micros for kind, amount in found.money.items()},
        "calls_micros": found.calls.micros,
        "closing_micros": found.closing.micros,
        "filtered": None
        if part is None
        else {
            "calls": part.calls,
            "calls_micros": part.amount.micros,
            "money_micros": part.money.micros,
        },
    }


def _row_json(reading: _Reading, row: ActivityRow) -> Mapping[str, Any]:
    at = {"at": reading.local(row.at).isoformat()}
    match row:
        case RefusedRow(call=refused):
            return {**at, "kind": REFUSED, **_call_json(reading, listed_unpaid(refused))}
        case PaidCallRow(call=call):
            fields: dict[str, Any] = {
                "kind": CALL,
                "call_id": call.call_id,
                "extension": call.extension,
                "endpoint": call.endpoint,
                "number": call.number,
                "dialled": call.dialled,
                "country": call.country,
                "line": call.kind,
                "destination": call.destination,
                "talk_s": call.talk_s,
                "per_minute_micros": call.rate.per_minute.micros,
                "cost_micros": call.debited.micros,
                "under_way": call.settled_at is None,
            }
        case MoneyRow(posted=posted):
            entry = posted.entry
            fields = {
                "kind": entry.kind.value,
                "key": entry.key,
                "actor": entry.actor,
                "reason": entry.reason,
            }
    return (
        at
        | fields
        | {
            "number_of_entry": row.number,
            "amount_micros": row.amount.micros,
            "balance_after_micros": row.balance_after.micros,
        }
    )


_ACTIVITY_HEADING = (
    *("at", "kind", "extension", "number", "country", "destination", "talk_s", "per_minute"),
    *("cost", "amount", "balance_after", "currency", "by", "reason", "id"),
)


def _activity_cells(reading: _Reading, wanted: WantedActivity) -> Iterator[Sequence[Cell]]:
    """With the balances at both ends where every kind is shown, so that a column adds up."""
    ends = wanted.every_kind == EVERY_KIND
    found: Totals | None = _read(reading, partial(totals, wanted=wanted)) if ends else None
    if found is not None:
        yield _end_cells("closing balance", found.closing)
    for row in _every_row(_activity_of(reading, wanted)):
        yield _row_cells(reading, row)
    if found is not None:
        yield _end_cells("opening balance", found.opening)


def _end_cells(what: str, balance: Money) -> Sequence[Cell]:
    cells: dict[str, Cell] = {
        "kind": what,
        "balance_after": _decimal(balance),
        "currency": balance.currency,
    }
    return [cells.get(name) for name in _ACTIVITY_HEADING]


def _row_cells(reading: _Reading, row: ActivityRow) -> Sequence[Cell]:
    at = reading.local(row.at)
    match row:
        case PaidCallRow(call=call):
            what = (CALL, call.extension, f"+{call.number}", call.country, call.destination)
            price = (call.talk_s, _decimal(call.rate.per_minute), _decimal(call.debited))
            who = (call.endpoint, call.reason, call.call_id)
        case MoneyRow(posted=posted):
            entry = posted.entry
            what, price = (entry.kind.value, "", "", "", ""), (None, "", "")
            who = (entry.actor, entry.reason, entry.key)
        case RefusedRow(call=refused):
            number = f"+{refused.number}" if refused.number else refused.dialled
            why = refusal_words(refused.refusal or "", refused.refusal_detail)
            what = (REFUSED, refused.extension, number, refused.country, "")
            return (
                *(at, *what, None, "", "", "", "", ""),
                *(refused.endpoint, why, refused.call_id),
            )
    after = row.balance_after
    return (at, *what, *price, _decimal(row.amount), _decimal(after), after.currency, *who)


def _decimal(amount: Money) -> str:
    return str(amount).partition(" ")[0]


# --- calls ----------------------------------------------------------------------------------------


def _call_line(reading: _Reading, call: ListedCall) -> tuple[str, ...]:
    how = refusal_words(call.refusal, call.refusal_detail) if call.refusal else call.outcome
    number = f"+{call.number}" if call.number else call.dialled
    talk = "under way" if call.under_way else talk_words(call.talk_s)
    cost = "" if call.cost is None else money_words(call.cost)
    where = f"{call.country} {call.kind.replace('_', ' ')}".strip()
    who = call.extension or call.endpoint
    return (reading.shown(call.started_at), who, number, where, how, talk, cost, call.call_id)


def _call_json(reading: _Reading, call: ListedCall) -> Mapping[str, Any]:
    def moment(at: datetime | None) -> str | None:
        return None if at is None else reading.local(at).isoformat()

    return {
        "call_id": call.call_id,
        "started_at": moment(call.started_at),
        "endpoint": call.endpoint,
        "extension": call.extension,
        "dialled": call.dialled,
        "number": call.number,
        "country": call.country,
        "line": call.kind,
        "destination": call.destination,
        "outcome": call.outcome,
        "refusal": call.refusal,
        "refusal_detail": call.refusal_detail,
        "answered_at": moment(call.answered_at),
        "ended_at": moment(call.ended_at),
        "talk_s": call.talk_s,
        "cost_micros": None if call.cost is None else call.cost.micros,
        "currency": None if call.cost is None else call.cost.currency,
        "under_way": call.under_way,
        "hangup_cause": call.hangup_cause,
    }


_CALLS_HEADING = (
    *("started_at", "extension", "endpoint", "dialled", "number", "country", "line"),
    *("destination", "outcome", "reason", "answered_at", "ended_at", "talk_s", "cost"),
    *("currency", "call_id"),
)


def _call_cells(reading: _Reading, wanted: WantedCalls) -> Iterator[Sequence[Cell]]:
    for call in _every_row(_calls_of(reading, wanted)):
        why = refusal_words(call.refusal, call.refusal_detail) if call.refusal else ""
        yield (
            reading.local(call.started_at),
            *(call.extension, call.endpoint, call.dialled),
            f"+{call.number}" if call.number else "",
            *(call.country, call.kind, call.destination, call.outcome, why),
            *(at and reading.local(at) for at in (call.answered_at, call.ended_at)),
            call.talk_s,
            "" if call.cost is None else _decimal(call.cost),
            "" if call.cost is None else call.cost.currency,
            call.call_id,
        )


# --- reports --------------------------------------------------------------------------------------

_REPORT_HEADING = (
    *("name", "spent", "currency", "paid", "answered", "talk_s"),
    *("included_and_free", "their_talk_s", "refused"),
)


def _report_cells(line: SpentLine) -> Sequence[Cell]:
    return (
        *(line.key, line.name, _decimal(line.spent), line.spent.currency),
        *(line.paid_calls, line.answered_calls, line.paid_talk_s),
        *(line.unpaid_calls, line.unpaid_talk_s, line.refused_calls),
    )


def _report_line(line: SpentLine) -> tuple[str, ...]:
    cells = [str(cell) for cell in _report_cells(line)]
    return (*cells[:2], money_words(line.spent), *cells[3:])


def _report_json(
    reading: _Reading, by: SpentBy, days: tuple[date, date], lines: Sequence[SpentLine]
) -> Mapping[str, Any]:
    return {
        "office": reading.office_id,
        "by": by.value,
        "first_day": str(days[0]),
        "last_day": str(days[1]),
        "currency": reading.currency,
        "lines": [
            {
                by.value: line.key,
                "name": line.name,
                "spent_micros": line.spent.micros,
                "paid_calls": line.paid_calls,
                "answered_calls": line.answered_calls,
                "paid_talk_s": line.paid_talk_s,
                "unpaid_calls": line.unpaid_calls,
                "unpaid_talk_s": line.unpaid_talk_s,
                "refused_calls": line.refused_calls,
            }
            for line in lines
        ],
    }


def _stream(heading: Iterable[str], rows: Iterable[Iterable[Cell]]) -> None:
    """One line at a time; a reader who has seen enough ends it."""
    print_csv(csv_lines(heading, rows))
