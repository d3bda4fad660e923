"""Asterisk's leg log, and what an open call owes by it."""

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from ari_app.messages import MeteringSchedule
from ari_app.recovery import found_talking, missed_end, settlement
from charging.evidence import EndUnproved
from charging.ledger import NO_LIMITS, CallRecord
from charging.money import Money
from charging.rates import Rate
from telephony.cel import (
    CLOSE_BYTES,
    Leg,
    LegLog,
    carrier_leg,
    created_ms,
    files_of,
    first_since,
)

SCHEDULE = MeteringSchedule(reserve_ahead_s=10, warn_ahead_s=60)
CALLER, TRUNK = "tg-1.1", "tg-1.2"
ANSWERED_MS = 1_790_000_000_250
RATE = Rate(
    per_minute=Money(100_000, "GBP"),
    connection_charge=Money(0, "GBP"),
    per_call=Money(0, "GBP"),
    initial_s=60,
    increment_s=60,
)
OPEN = CallRecord(
    call_id="c1",
    office_id="main",
    endpoint="1001",
    extension="Reception",
    language="en",
    dialled="0033142685300",
    number="33142685300",
    dial_string="33142685300",
    country="FR",
    kind="landline",
    destination="France",
    reason="",
    caller_channel=CALLER,
    asterisk="tg",
    rate=RATE,
    limits=NO_LIMITS,
    authorised_at=datetime.fromtimestamp(ANSWERED_MS / 1000 - 5, UTC),
    spending_day="2026-11-21",
    reserved_intervals=1,
    held=Money(100_000, "GBP"),
    debited=Money(0, "GBP"),
)


def line(kind: str, channel: str, at_ms: int, *, call: str = CALLER) -> str:
    event = {"eventtype": kind, "eventtime": f"{at_ms / 1000:.6f}", "uniqueid": channel}
    return json.dumps(event | {"linkedid": call, "channame": "PJSIP/x", "eventextra": ""})


def test_legs_of_a_call_are_put_together_line_by_line_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "legs.json"
    begun = [line("ANSWER", TRUNK, ANSWERED_MS), line("ANSWER", CALLER, ANSWERED_MS + 3)]
    half = '{"eventtype":"HANGUP","ev'  # Asterisk is just writing this, or died while it did
    file.write_text("\n".join([*begun, half]), encoding="utf-8")
    log = LegLog(file)
    first = carrier_leg(log.read(ANSWERED_MS)[CALLER], caller=CALLER)
    assert first == Leg(channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS)
    ended = line("HANGUP", TRUNK, ANSWERED_MS + 61_000)
    file.write_text("\n".join([*begun, ended, ""]), encoding="utf-8")
    leg = carrier_leg(log.read(ANSWERED_MS)[CALLER], caller=CALLER)
    assert leg == Leg(
        channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS, ended_ms=ANSWERED_MS + 61_000
    )


def test_forwarded_call_is_found_by_the_channel_that_dialled_for_it(tmp_path: Path) -> None:
    """All of it has the linked id of the stranger who rang the office first."""
    stranger, outer, inner, leg = "tg-1.1", "tg-1.2", "tg-1.3", "tg-1.4"
    lines = [
        line("ANSWER", leg, ANSWERED_MS, call=stranger),
        *(
            line("ANSWER", channel, ANSWERED_MS + 5, call=stranger).replace("PJSIP/x", name)
            for channel, name in (
                (inner, "Local/0033@office-1;2"),
                (outer, "Local/0033@office-1;1"),
            )
        ),
        line("ANSWER", stranger, ANSWERED_MS - 5, call=stranger),
        line("HANGUP", leg, ANSWERED_MS + 61_000, call=stranger),
    ]
    file = tmp_path / "legs.json"
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    found = carrier_leg(LegLog(file).read(ANSWERED_MS - 1000)[inner], caller=inner)
    assert found is not None
    assert (found.channel, found.ended_ms) == (leg, ANSWERED_MS + 61_000)


def many_calls(count: int) -> list[str]:
    """The lines of so many calls of a second each, one after the other."""
    return [
        line(kind, f"tg-{number}.2", ANSWERED_MS + 1000 * number + after_ms, call=f"tg-{number}.1")
        for number in range(count)
        for kind, after_ms in (("ANSWER", 0), ("HANGUP", 999))
    ]


def written(file: Path, lines: Sequence[str]) -> Path:
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return file


@pytest.mark.parametrize("number", [0, 1, 2_500, 4_998, 4_999])
def test_every_leg_since_a_moment_is_read_and_none_before(tmp_path: Path, number: int) -> None:
    """The application was away for a night, and calls that it has nothing to do with went on."""
    file = written(tmp_path / "legs.json", many_calls(5_000))
    legs = LegLog(file).read(ANSWERED_MS + 1000 * number)
    assert legs.keys() == {f"tg-{later}.1" for later in range(number, 5_000)}
    assert all(leg.answered_ms and leg.ended_ms for of_call in legs.values() for leg in of_call)


def test_leg_that_was_read_is_kept_while_its_call_is_open_and_not_longer(tmp_path: Path) -> None:
    file = written(tmp_path / "legs.json", [line("ANSWER", TRUNK, ANSWERED_MS)])
    log = LegLog(file)
    night_ms = ANSWERED_MS + 12 * 60 * 60 * 1000
    assert log.read(ANSWERED_MS - 5_000).keys() == {CALLER}
    with file.open("a", encoding="utf-8") as more:
        more.write(line("ANSWER", "tg-9.2", night_ms, call="tg-9.1") + "\n")
    assert log.read(ANSWERED_MS - 5_000).keys() == {CALLER, "tg-9.1"}
    assert log.read(night_ms - 5_000).keys() == {"tg-9.1"}


@pytest.mark.parametrize("unreadable", ["", "not an event", '["list"]', '{"eventtime":"soon"}'])
def test_what_is_unreadable_hides_nothing(tmp_path: Path, unreadable: str) -> None:
    lines = [text for each in many_calls(5_000) for text in (each, unreadable)]
    file = written(tmp_path / "legs.json", lines)
    legs = LegLog(file).read(ANSWERED_MS + 1000 * 4_000)
    assert legs.keys() == {f"tg-{number}.1" for number in range(4_000, 5_000)}


def test_what_is_old_is_not_read_at_all(tmp_path: Path) -> None:
    file = written(tmp_path / "legs.json", many_calls(5_000))
    size = file.stat().st_size
    with file.open("rb") as log:
        begin = first_since(log, ANSWERED_MS + 1000 * 4_000, begin=0, end=size)
        log.seek(begin)
        assert log.readline().startswith(b'{"eventtype"')
    assert 0.79 * size - CLOSE_BYTES < begin < 0.81 * size


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    file = written(tmp_path / "legs.json", [line("ANSWER", TRUNK, ANSWERED_MS)])
    log = LegLog(file)
    log.read(ANSWERED_MS)
    second = line("ANSWER", "tg-2.2", ANSWERED_MS, call="tg-2.1")
    written(file, [line("ANSWER", "tg-3.2", ANSWERED_MS, call="tg-3.1"), second])
    assert log.read(ANSWERED_MS).keys() == {CALLER, "tg-2.1"}


def test_missing_log_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LegLog(tmp_path / "legs.json").read(0)


@pytest.mark.parametrize("aside", ["legs.json.1", "legs.json-20261121"])
def test_log_that_was_rotated_while_we_were_away_is_read_to_its_end(
    tmp_path: Path, aside: str
) -> None:
    file = tmp_path / "legs.json"
    file.write_text(line("ANSWER", TRUNK, ANSWERED_MS) + "\n", encoding="utf-8")
    (tmp_path / "legs.json.2").write_text("", encoding="utf-8")
    (tmp_path / "legs.json.3.zst").write_bytes(b"\x28\xb5")
    log = LegLog(file)
    log.read(ANSWERED_MS)
    with file.open("a", encoding="utf-8") as more:
        more.write(line("HANGUP", TRUNK, ANSWERED_MS + 61_000) + "\n")
    file.rename(tmp_path / aside)
    leg = carrier_leg(log.read(ANSWERED_MS)[CALLER], caller=CALLER)
    assert leg is not None
    assert leg.ended_ms == ANSWERED_MS + 61_000
    file.write_text(line("ANSWER", "tg-2.2", ANSWERED_MS, call="tg-2.1") + "\n", encoding="utf-8")
    assert (
        log.read(ANSWERED_MS).keys() == {CALLER, "tg-2.1"} == LegLog(file).read(ANSWERED_MS).keys()
    )


@pytest.mark.parametrize("moves", list(product(["plain", "gz", "bz2", "xz"], repeat=2)))
def test_log_that_was_rotated_twice_and_packed_is_read_to_its_end(
    tmp_path: Path, moves: tuple[str, str]
) -> None:
    """The answer is in the older file, the end in the newer one, and the log begins anew."""
    packers: dict[str, Callable[[bytes], bytes]] = {
        "plain": bytes,
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    file = tmp_path / "legs.json"
    events = [("ANSWER", ANSWERED_MS), ("HANGUP", ANSWERED_MS + 61_000)]
    for number, packed, (kind, at_ms) in zip((2, 1), moves, events, strict=True):
        content = (line(kind, TRUNK, at_ms) + "\n").encode()
        name = f"legs.json.{number}" + ("" if packed == "plain" else f".{packed}")
        (tmp_path / name).write_bytes(packers[packed](content))
    file.write_text("", encoding="utf-8")
    log = LegLog(file)
    for _ in range(2):
        leg = carrier_leg(log.read(ANSWERED_MS)[CALLER], caller=CALLER)
        assert leg is not None
        assert (leg.answered_ms, leg.ended_ms) == (ANSWERED_MS, ANSWERED_MS + 61_000)


def test_file_that_was_moved_aside_long_before_is_not_opened(tmp_path: Path) -> None:
    old = written(tmp_path / "legs.json.1", [line("ANSWER", TRUNK, ANSWERED_MS)])
    os.utime(old, (ANSWERED_MS / 1000, ANSWERED_MS / 1000))
    later_ms = ANSWERED_MS + 24 * 60 * 60 * 1000
    file = written(tmp_path / "legs.json", [])
    assert files_of(file, later_ms) == [file]
    assert files_of(file, ANSWERED_MS) == [old, file]


def test_channel_says_when_it_was_made() -> None:
    assert created_ms("head-office-1795656479.12") == 1_795_656_479_000
    assert created_ms("1795656479.0") == 1_795_656_479_000
    assert created_ms("whisper-1") is None


def test_log_that_was_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "legs.json"
    file.write_text(line("ANSWER", "tg-0.1", ANSWERED_MS) + "\n" + "#" * 500, encoding="utf-8")
    log = LegLog(file)
    log.read(ANSWERED_MS)
    rotated = tmp_path / "new"
    rotated.write_text(line("ANSWER", TRUNK, ANSWERED_MS) + "\n", encoding="utf-8")
    rotated.replace(file)
    assert TRUNK in {leg.channel for leg in log.read(ANSWERED_MS)[CALLER]}


def test_leg_that_failed_before_the_one_that_answered_is_not_charged() -> None:
    busy = Leg(channel="tg-1.9", call=CALLER, ended_ms=ANSWERED_MS - 50)
    answered = Leg(channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS)
    assert carrier_leg([busy, answered], caller=CALLER) == answered


def test_call_that_ended_unwatched_owes_what_its_leg_talked() -> None:
    ended_ms = ANSWERED_MS + 75_900
    leg = Leg(channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS, ended_ms=ended_ms)
    settle = settlement(replace(OPEN, reserved_intervals=2), (leg,), now_ms=ended_ms + 500)
    assert (settle.talk_s, settle.ended_ms, settle.unproved) == (76, ended_ms, None)


def test_no_call_owes_more_than_its_paid_time_whoever_set_asterisks_clock() -> None:
    ended_ms = ANSWERED_MS + 3_600_000
    leg = Leg(channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS, ended_ms=ended_ms)
    assert settlement(OPEN, (leg,), now_ms=ended_ms).talk_s == 60


def test_call_whose_answer_alone_was_lost_owes_what_the_ledger_and_the_log_know_together() -> None:
    answered_at = datetime.fromtimestamp(ANSWERED_MS / 1000, UTC)
    call = replace(OPEN, leg=TRUNK, answered_at=answered_at, reserved_intervals=2)
    leg = Leg(channel=TRUNK, call=CALLER, ended_ms=ANSWERED_MS + 75_900)
    settle = settlement(call, (leg,), now_ms=ANSWERED_MS + 80_000)
    assert (settle.talk_s, settle.unproved) == (76, None)


def test_call_that_was_never_answered_owes_nothing() -> None:
    caller = Leg(channel=CALLER, call=CALLER, ended_ms=ANSWERED_MS)
    settle = settlement(OPEN, (caller,), now_ms=ANSWERED_MS + 500)
    assert (settle.talk_s, settle.unproved) == (0, None)


def test_call_whose_answer_was_lost_with_the_log_owes_what_its_callers_end_proves() -> None:
    caller = Leg(channel=CALLER, call=CALLER, ended_ms=ANSWERED_MS, dialled_answered=True)
    settle = settlement(OPEN, (caller,), now_ms=ANSWERED_MS + 500)
    assert (settle.talk_s, settle.unproved) == (1, EndUnproved.NO_RECORD)


def test_end_of_the_caller_says_whether_what_it_dialled_was_answered(tmp_path: Path) -> None:
    """As Asterisk 22.10.1 wrote it."""
    extra = '{"hangupcause":16,"hangupsource":"","dialstatus":"%s"}'
    ends = [
        json.loads(line("HANGUP", channel, ANSWERED_MS, call=channel))
        | {"eventextra": extra % status}
        for channel, status in (("tg-1.1", "ANSWER"), ("tg-2.1", "CANCEL"), ("tg-3.1", ""))
    ]
    file = written(tmp_path / "legs.json", [json.dumps(end) for end in ends])
    legs = LegLog(file).read(ANSWERED_MS)
    assert [legs[f"tg-{n}.1"][0].dialled_answered for n in (1, 2, 3)] == [True, False, False]


def test_call_of_which_nothing_is_written_down_owes_nothing_and_is_marked() -> None:
    settle = settlement(OPEN, (), now_ms=ANSWERED_MS + 500)
    assert (settle.talk_s, settle.unproved) == (0, EndUnproved.NO_RECORD)


def test_call_whose_end_nobody_wrote_down_owes_what_was_debited() -> None:
    debited = replace(
        OPEN,
        leg=TRUNK,
        answered_at=datetime.fromtimestamp(ANSWERED_MS / 1000, UTC),
        reserved_intervals=3,
        debited_intervals=2,
    )
    settle = settlement(debited, (), now_ms=ANSWERED_MS + 3_600_000)
    assert (settle.talk_s, settle.unproved) == (120, EndUnproved.NO_RECORD)
    assert settlement(debited, (), now_ms=ANSWERED_MS + 90_000).talk_s == 90


def test_call_found_talking_debits_what_began_while_nobody_watched() -> None:
    call = replace(OPEN, leg=TRUNK, reserved_intervals=3, debited_intervals=1)
    leg = Leg(channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS)
    found = found_talking(call, TRUNK, leg, SCHEDULE, now_ms=0)
    assert found.undebited == ((1, 60.0), (2, 120.0))
    assert found.next_interval == 3
    assert found.funded_s == 180
    assert found.answered_ms == ANSWERED_MS


def test_missed_end_is_when_asterisk_wrote_it_down() -> None:
    leg = Leg(channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS, ended_ms=ANSWERED_MS + 9)
    end = missed_end(TRUNK, [leg], ANSWERED_MS + 5, now_ms=ANSWERED_MS + 50)
    assert (end.at_ms, end.unproved) == (ANSWERED_MS + 9, None)


def test_missed_end_of_an_asterisk_that_died_is_the_last_moment_that_is_proved() -> None:
    leg = Leg(channel=TRUNK, call=CALLER, answered_ms=ANSWERED_MS)
    end = missed_end(TRUNK, [leg], ANSWERED_MS + 5, now_ms=ANSWERED_MS + 50)
    assert (end.at_ms, end.unproved) == (ANSWERED_MS + 5, EndUnproved.NO_RECORD)
    assert missed_end(TRUNK, [], None, now_ms=ANSWERED_MS + 50).at_ms == ANSWERED_MS + 50
