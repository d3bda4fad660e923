"""Rows of what is not charged: every refusal one, emergency calls none, and none twice."""

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ari_app import unpaid_calls as module
from ari_app.call_task import FORWARDED
from ari_app.leg_events import LegEvents
from ari_app.unpaid_calls import UnpaidCallWriter, UnpaidLegWatch
from charging.errors import (
    ChargingUnavailable,
    ConstraintBroken,
    DestinationBarred,
    ExtensionNotAllowed,
    InsufficientBalance,
    InvalidNumber,
    LimitReached,
    NoRateForDestination,
    Refusal,
    UnknownExtension,
)
from charging.kinds import LineKind
from charging.numbering import Site, emergency_numbers, parse_number
from charging.plan import Category, classify
from charging.unpaid_calls import OVERLOAD, UNAVAILABLE, Caller, UnpaidCall
from charging.usecases import UnmeteredAuthorisation
from plans.files import SHIPPED_PLANS, read_plan
from prompts import phrases as spoken
from tests.fakes.charging import RECEPTION, UK_PLAN, gbp, office_on, request

INCLUDED, FREE, FRANCE = "02079460000", "08081570000", "0033612345678"
SITES = (Site(), Site(country="FR", outside_line_prefix="9"))


class Phones:
    """One known phone of an office on the UK plan."""

    def __init__(self, sites: Collection[Site] = SITES) -> None:
        self._sites = sites

    def caller(self, endpoint: str) -> Caller:
        if endpoint != RECEPTION.endpoint:
            return Caller()
        return Caller(extension=RECEPTION, office=office_on(UK_PLAN))

    def sites(self) -> Collection[Site]:
        return self._sites


class Rows:
    """What the database would hold; fails as it is told to."""

    def __init__(self) -> None:
        self.rows: dict[str, UnpaidCall] = {}
        self.until: datetime | None = None
        self.fails: list[Exception] = []
        self.refuses = ""  # the number of a row that is none

    def write(
        self,
        *,
        known: Collection[UnpaidCall],
        seen: Collection[UnpaidCall],
        asterisk: str,
        read_until: datetime | None,
    ) -> None:
        del asterisk
        if self.fails:
            raise self.fails.pop(0)
        if any(self.refuses and row.number == self.refuses for row in (*known, *seen)):
            raise ConstraintBroken("no row")
        for row in known:
            earlier = self.rows.get(row.call_id, row)
            times = {name: getattr(earlier, name) for name in ("answered_at", "ended_at", "talk_s")}
            self.rows[row.call_id] = row if row is earlier else replace(row, **times)
        for row in seen:
            self.rows[row.call_id] = row
        self.until = read_until or self.until

    def read_until(self, asterisk: str) -> datetime | None:
        del asterisk
        return self.until

    @property
    def only(self) -> UnpaidCall:
        (row,) = self.rows.values()
        return row


def writer_of(rows: Rows, phones: Phones | None = None) -> UnpaidCallWriter:
    return UnpaidCallWriter(rows, phones or Phones(), asterisk="pbx")


def authorised(dialled: str, *, sites: Site = SITES[0]) -> UnmeteredAuthorisation:
    number = parse_number(dialled, sites)
    return UnmeteredAuthorisation(
        call_id="c1",
        office_id="main",
        extension="Reception",
        language="en",
        number=number,
        destination="x",
        category=classify(number, UK_PLAN).category,
        reason="x",
    )


REFUSALS: Sequence[tuple[Refusal | str, str, str]] = [
    (InsufficientBalance(available=gbp("0"), needed=gbp("1")), FRANCE, ""),
    (LimitReached("extension_day", "spent"), FRANCE, "extension_day"),
    (LimitReached("calls_at_once", "2"), FRANCE, "calls_at_once"),
    (DestinationBarred("870", "barred"), "00870773123456", ""),
    (NoRateForDestination("81312345678"), "0081312345678", ""),
    (InvalidNumber("0033", "short"), "0033", ""),
    (ExtensionNotAllowed("1001", "off", what="switched_off"), INCLUDED, "switched_off"),
    (ExtensionNotAllowed("1001", "no", what="international"), FRANCE, "international"),
    (UnknownExtension("1007"), FRANCE, ""),
    (UNAVAILABLE, FRANCE, ""),
    (OVERLOAD, FRANCE, ""),
]


@pytest.mark.parametrize(("refusal", "dialled", "detail"), REFUSALS, ids=str)
async def test_every_refusal_is_one_row_with_its_reason(
    refusal: Refusal | str, dialled: str, detail: str
) -> None:
    rows = Rows()
    writer = writer_of(rows)
    endpoint = "1007" if isinstance(refusal, UnknownExtension) else "1001"
    asked = request("c1", dialled, endpoint=endpoint)
    if isinstance(refusal, str):
        writer.refused(asked, refusal)
    else:
        writer.refused(asked, refusal.code, refusal)
    await writer.write_waiting()
    row = rows.only
    code = refusal if isinstance(refusal, str) else refusal.code
    assert (row.refusal, row.refusal_detail, row.call_id) == (code, detail, "c1")
    assert (row.endpoint, row.dialled) == (endpoint, dialled)
    assert (row.answered_at, row.talk_s) == (None, None)
    known = endpoint == "1001"
    assert (row.office_id, row.extension) == (("main", "Reception") if known else ("", ""))


def test_no_refusal_that_a_caller_hears_is_left_out() -> None:
    kept = {OVERLOAD, *(r if isinstance(r, str) else r.code for r, _, _ in REFUSALS)}
    assert spoken.REFUSALS.keys() - {FORWARDED} <= kept


async def test_a_refused_number_is_described_as_the_plan_sees_it() -> None:
    rows = Rows()
    writer = writer_of(rows)
    writer.refused(request("c1", FRANCE), "insufficient_balance")
    await writer.write_waiting()
    row = rows.only
    assert (row.number, row.country, row.kind, row.category) == (
        "33612345678",
        "FR",
        "mobile",
        "paid",
    )
    assert row.day == datetime.now(UTC).astimezone(UK_PLAN.timezone).date().isoformat()


async def test_what_is_dialled_may_be_anything() -> None:
    rows = Rows()
    writer = writer_of(rows)
    writer.refused(request("c1", "00\0&'; DROP" + "9" * 400), "invalid_number")
    await writer.write_waiting()
    assert rows.only.dialled == "00" + "9" * 30
    assert (rows.only.number, rows.only.category) == ("", "invalid")


# --- emergency calls: neither the number nor the fact ---------------------------------------------

PLANS = [read_plan(file) for file in sorted(SHIPPED_PLANS.glob("*.toml"))]
COUNTRIES = sorted({plan.country for plan in PLANS})
EMERGENCIES = [(country, number) for country in COUNTRIES for number in emergency_numbers(country)]


def forms_of(number: str, prefix: str) -> list[str]:
    return [number, prefix + number, f"+{number}", f"{number[0]}-{number[1:]}", f"{number}#"]


@pytest.mark.parametrize(("country", "number"), EMERGENCIES)
async def test_no_emergency_call_leaves_a_row_whoever_tells_of_it(
    country: str, number: str
) -> None:
    """Of every plan, from every office, however it was dialled, refused or connected."""
    rows = Rows()
    sites = tuple(Site(country=each, outside_line_prefix="9") for each in COUNTRIES)
    writer = writer_of(rows, Phones(sites))
    watch = UnpaidLegWatch(writer, trunks={"trunk", "emergency"}, is_metered=lambda _: False)
    for form in forms_of(number, "9"):
        for endpoint in ("1001", "1007", ""):
            for code in ("unknown_extension", "invalid_number", UNAVAILABLE, OVERLOAD):
                writer.refused(request("c1", form, endpoint=endpoint), code)
        for trunk in ("trunk", "emergency"):
            for event in call_in_the_log(dialled=form, sent=number, trunk=trunk):
                watch.note(event, now_s=0)
        watch.note(over_at_once(form), now_s=0)
    emergency = replace(
        authorised(INCLUDED),
        number=parse_number(number, Site(country=country)),
        category=Category.EMERGENCY,
    )
    assert emergency.number.kind is LineKind.EMERGENCY
    writer.connected(request("c1", number), emergency)
    # A plan that calls it free changes nothing.
    writer.connected(request("c2", number), replace(emergency, category=Category.FREE))
    await watch.judge(0)
    await writer.write_waiting()
    assert rows.rows == {}


# --- included and free calls ----------------------------------------------------------------------

BEGAN_S = 1_795_667_115
CALLER, LEG = f"pbx-{BEGAN_S}.660", f"pbx-{BEGAN_S}.662"


def call_in_the_log(
    *,
    dialled: str = INCLUDED,
    sent: str = "442079460000",
    trunk: str = "trunk",
    caller: str = "PJSIP/1001-00000294",
    talk_s: int = 7,
) -> list[dict[str, str]]:
    def event(kind: str, channel: str, name: str, at_s: float, **fields: str) -> dict[str, str]:
        return {
            "eventtype": kind,
            "eventtime": f"{BEGAN_S + at_s:.3f}",
            "uniqueid": channel,
            "linkedid": CALLER,
            "channame": name,
            "eventextra": '{"hangupcause":16}' if kind == "HANGUP" else "",
            "appdata": "",
            "dnid": "",
        } | fields

    to = f"PJSIP/{sent}@{trunk},60,gi"
    return [
        event("APP_START", CALLER, caller, 0, appdata=to, dnid=dialled),
        event("ANSWER", LEG, f"PJSIP/{trunk}-00000295", 2, appdata="(Outgoing Line)"),
        event("HANGUP", LEG, f"PJSIP/{trunk}-00000295", 2 + talk_s - 0.5),
        event("HANGUP", CALLER, caller, 2 + talk_s, dnid=dialled),
    ]


def over_at_once(dialled: str, endpoint: str = "1001") -> dict[str, str]:
    """The dialplan says that the service is not available, and hangs up."""
    (*_, over) = call_in_the_log(dialled=dialled, caller=f"PJSIP/{endpoint}-00000294")
    return over | {"eventextra": '{"hangupcause":34,"hangupsource":"dialplan/builtin"}'}


Told = Callable[[UnpaidCallWriter, UnpaidLegWatch], None]


def by_the_application(writer: UnpaidCallWriter, watch: UnpaidLegWatch) -> None:
    del watch
    writer.connected(request("c1", INCLUDED, channel=CALLER), authorised(INCLUDED))


def by_the_log(writer: UnpaidCallWriter, watch: UnpaidLegWatch) -> None:
    del writer
    for event in call_in_the_log():
        watch.note(event, now_s=0)


@pytest.mark.parametrize(
    "tellers",
    [
        [by_the_log],
        [by_the_log, by_the_log],
        [by_the_application, by_the_log],
        [by_the_log, by_the_application],
        [by_the_application, by_the_log, by_the_application, by_the_log],
    ],
)
async def test_an_included_call_is_one_row_whoever_tells_of_it_first_and_how_often(
    tellers: Sequence[Told],
) -> None:
    rows = Rows()
    for tell in tellers:  # each time as after a restart: nothing is remembered but rows
        writer = writer_of(rows)
        tell(writer, UnpaidLegWatch(writer, trunks={"trunk"}, is_metered=lambda _: False))
        await writer.write_waiting()
    row = rows.only
    assert (row.endpoint, row.office_id, row.category) == ("1001", "main", "included")
    assert (row.dialled, row.number, row.country) == (INCLUDED, "442079460000", "GB")
    assert row.refusal is None
    assert row.talk_s == 7
    assert row.answered_at == datetime.fromtimestamp(BEGAN_S + 2, UTC)


async def test_a_forwarded_call_is_of_the_phone_that_forwards_and_not_of_who_rang() -> None:
    """The log knows a Local channel alone; who pays, the application has been told."""
    rows = Rows()
    writer = writer_of(rows)
    watch = UnpaidLegWatch(writer, trunks={"trunk"}, is_metered=lambda _: False)
    writer.connected(request("c1", INCLUDED, channel=CALLER), authorised(INCLUDED))
    for event in call_in_the_log(caller="Local/02079460000@office-00000001;2"):
        watch.note(event, now_s=0)
    await writer.write_waiting()
    assert (rows.only.endpoint, rows.only.talk_s) == ("1001", 7)


@pytest.mark.parametrize(
    "call",
    [
        call_in_the_log(dialled=FRANCE, sent="33612345678"),  # paid: the ledger has it
        call_in_the_log(caller="PJSIP/1007-00000294"),  # nobody's phone
        call_in_the_log(sent="not-a-number"),
    ],
)
async def test_what_is_no_included_call_of_a_phone_leaves_no_row(
    call: Sequence[dict[str, str]],
) -> None:
    rows = Rows()
    writer = writer_of(rows)
    watch = UnpaidLegWatch(writer, trunks={"trunk"}, is_metered=lambda _: False)
    for event in call:
        watch.note(event, now_s=0)
    await writer.write_waiting()
    assert rows.rows == {}


@pytest.mark.parametrize(
    ("endpoint", "dialled", "rows_kept"),
    [
        ("1001", FRANCE, 1),
        ("1001", INCLUDED, 1),  # where the site does not connect it by itself
        ("1007", FRANCE, 0),  # nobody's phone
        ("1001", "*80", 0),
        ("1001", "999", 0),
        ("1001", "17", 0),  # which helps in another office
    ],
)
async def test_who_dialled_while_the_application_was_away_was_refused(
    endpoint: str, dialled: str, rows_kept: int
) -> None:
    rows = Rows()
    for _ in range(2):
        writer = writer_of(rows)
        watch = UnpaidLegWatch(writer, trunks={"trunk"}, is_metered=lambda _: False)
        watch.note(over_at_once(dialled, endpoint), now_s=0)
        await writer.write_waiting()
    assert [(row.refusal, row.dialled) for row in rows.rows.values()] == (
        [(UNAVAILABLE, dialled)] * rows_kept
    )


# --- the writer -----------------------------------------------------------------------------------


async def test_while_the_database_is_away_rows_wait_and_calls_do_not() -> None:
    rows = Rows()
    writer = writer_of(rows)
    rows.fails = [ChargingUnavailable("away")] * 3
    for number in range(700):
        writer.refused(request(f"c{number}", FRANCE), "no_rate")
        if number % 300 == 0:
            await writer.write_waiting()
    assert rows.rows == {}
    await writer.write_waiting()
    assert [*rows.rows] == [f"c{number}" for number in range(700)]


async def test_what_has_no_room_is_counted_and_what_the_log_knows_waits_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 10)
    monkeypatch.setattr(module, "ROOM_FOR_THE_LOG", 5)
    rows = Rows()
    writer = writer_of(rows)
    assert writer.has_room()
    for number in range(25):
        writer.refused(request(f"c{number}", FRANCE), "no_rate")
    assert not writer.has_room()
    await writer.write_waiting()
    assert len(rows.rows) == 10
    told = capsys.readouterr().out
    assert "unpaid_calls_dropped" in told
    assert "count=15" in told or '"count": 15' in told
    assert writer.has_room()


async def test_one_row_that_is_none_keeps_none_of_the_others_waiting() -> None:
    rows = Rows()
    rows.refuses = "33612345678"
    writer = writer_of(rows)
    for number, dialled in enumerate((INCLUDED, FRANCE, FREE)):
        writer.refused(request(f"c{number}", dialled), "extension_not_allowed")
    await writer.write_waiting()
    assert [*rows.rows] == ["c0", "c2"]


class NobodyKnown(Phones):
    def caller(self, endpoint: str) -> Caller:
        raise RuntimeError(endpoint)


async def test_a_defect_of_one_row_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows()
    writer = writer_of(rows, NobodyKnown())
    writer.refused(request("c1", FRANCE), "no_rate")
    await writer.write_waiting()
    assert rows.rows == {}
    assert "unpaid_call_not_described" in capsys.readouterr().out


class TellingRows(Rows):
    """Says when somebody wrote, from the writer's thread."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def write(self, **batch: Any) -> None:
        try:
            super().write(**batch)
        finally:
            self._loop.call_soon_threadsafe(self.tried.set)


async def test_a_defect_in_writing_ends_neither_the_writer_nor_the_application(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "WRITE_EVERY_S", 0)
    rows = TellingRows()
    rows.fails = [RuntimeError("a defect")]
    writer = writer_of(rows)
    writer.refused(request("c1", FRANCE), "no_rate")
    writing = asyncio.create_task(writer.run())
    async with asyncio.timeout(10):
        await rows.tried.wait()
        rows.tried.clear()
        writer.refused(request("c2", FRANCE), "no_rate")
        await rows.tried.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert [*rows.rows] == ["c2"]
    assert "unpaid_calls_not_written" in capsys.readouterr().out
    rows.fails = [RuntimeError("another")]
    writer.refused(request("c3", FRANCE), "no_rate")
    await writer.close()


async def test_what_waits_is_written_when_the_application_stops() -> None:
    rows = Rows()
    writer = writer_of(rows)
    writing = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    writer.refused(request("c1", FRANCE), "no_rate")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await writer.close()
    assert [*rows.rows] == ["c1"]


# --- the log, read over a restart -----------------------------------------------------------------


def lines(events: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def follow(log: Path, rows: Rows) -> tuple[LegEvents, UnpaidCallWriter]:
    """As an application that has just started."""
    writer = writer_of(rows)
    watch = UnpaidLegWatch(writer, trunks={"trunk"}, is_metered=lambda _: False)
    events = LegEvents(log, [watch], since_ms=writer.since_ms, has_room=writer.has_room)
    return events, writer


async def test_calls_made_while_the_application_was_away_are_read_afterwards_over_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POSITION_EVERY_MS", 0)
    rows, log = Rows(), tmp_path / "legs.json"
    log.write_bytes(lines(call_in_the_log()))
    events, writer = follow(log, rows)
    await events.look(0)
    await writer.write_waiting()
    events.close()
    assert len(rows.rows) == 1
    # While nobody reads, two more calls are made, and the log is moved aside in between.
    later = [replaced(call_in_the_log(), number) for number in (1, 2)]
    with log.open("ab") as writing:
        writing.write(lines(later[0]))
    log.rename(tmp_path / "legs.json.1")
    log.write_bytes(lines(later[1]))
    for _ in range(2):  # and read again after another restart
        events, writer = follow(log, rows)
        for _ in range(4):
            await events.look(0)
        await writer.write_waiting()
        events.close()
    assert len(rows.rows) == 3


def replaced(events: Sequence[dict[str, str]], number: int) -> list[dict[str, str]]:
    """The same call of other channels, some minutes later."""
    text = json.dumps(events).replace(f"{BEGAN_S}.66", f"{BEGAN_S}.{number}66")
    found: list[dict[str, str]] = json.loads(text)
    for event in found:
        event["eventtime"] = f"{float(event['eventtime']) + 300 * number:.3f}"
    return found


async def test_a_call_that_goes_on_over_a_restart_is_read_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POSITION_EVERY_MS", 0)
    rows, log = Rows(), tmp_path / "legs.json"
    call = call_in_the_log(talk_s=600)
    log.write_bytes(lines(call[:2]))
    events, writer = follow(log, rows)
    await events.look(0)
    await writer.write_waiting()
    events.close()
    with log.open("ab") as writing:
        writing.write(lines(call[2:]))
    events, writer = follow(log, rows)
    await events.look(0)
    await writer.write_waiting()
    events.close()
    assert rows.only.talk_s == 600


async def test_the_log_waits_while_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOM_FOR_THE_LOG", 1)
    rows, log = Rows(), tmp_path / "legs.json"
    log.write_bytes(lines(call_in_the_log()))
    events, writer = follow(log, rows)
    writer.refused(request("c1", FRANCE), "no_rate")
    await events.look(0)
    await writer.write_waiting()
    assert [*rows.rows] == ["c1"]
    await events.look(0)
    await writer.write_waiting()
    assert len(rows.rows) == 2
    events.close()
