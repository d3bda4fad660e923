"""The judge of the trials: each wrong that it must see, and what it must not take for one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from charging.evidence import EndUnproved
from charging.ledger import NO_LIMITS, CallRecord
from charging.money import Money
from charging.rates import Rate
from lab.caller import PlacedCall
from lab.carrier import CarrierCall
from lab.ears import Stretch
from lab.instance import Suspension
from trials.oracle import Callers, Leniency, judge

ZERO = Money(0, "GBP")
NUMBER = "33110000104"  # increments of 2 s; the carrier talks 4.6 s
DIALLED = f"00{NUMBER}"
BEGAN_S = 1_800_000_000.0
ANSWERED_S = BEGAN_S + 4
SEEN = CarrierCall(
    sip_call_id="c",
    dialled=NUMBER,
    invited_at_s=BEGAN_S + 3,
    answered_at_s=ANSWERED_S,
    ended_at_s=ANSWERED_S + 4.6,
    ended_by="carrier",
)
PLACED = PlacedCall(
    sip_call_id="p",
    dialled=DIALLED,
    placed_at_s=BEGAN_S,
    early_at_s=BEGAN_S + 0.1,
    answered_at_s=ANSWERED_S,
    ended_at_s=ANSWERED_S + 4.6,
)
HEARD = (Stretch(BEGAN_S + 0.2, BEGAN_S + 2.9),)
CALLERS = Callers(placed={DIALLED: PLACED}, heard={DIALLED: HEARD}, wish_s={NUMBER: 4.6})


RECORD = CallRecord(
    call_id="c1",
    office_id="main",
    endpoint="1001",
    extension="Reception",
    language="en",
    dialled=DIALLED,
    number=NUMBER,
    dial_string=NUMBER,
    country="FR",
    kind="landline",
    destination="France 2 s",
    reason="",
    rate=Rate(
        per_minute=Money(600_000, "GBP"),
        connection_charge=ZERO,
        per_call=ZERO,
        initial_s=2,
        increment_s=2,
    ),
    limits=NO_LIMITS,
    caller_channel="pbx-1.1",
    asterisk="pbx",
    authorised_at=datetime.fromtimestamp(BEGAN_S, UTC),
    spending_day="2027-01-15",
    held=ZERO,
    debited=ZERO,
)


def charged(increments: int, *, unproved: EndUnproved | None = None) -> CallRecord:
    return replace(
        RECORD,
        number=NUMBER,
        debited=Money(20_000 * increments, "GBP"),
        settled_at=datetime.fromtimestamp(BEGAN_S + 20, UTC),
        end_unproved=unproved,
    )


def problems(
    seen: CarrierCall = SEEN,
    record: CallRecord | None = None,
    callers: Callers = CALLERS,
    lenient: Leniency | None = None,
) -> tuple[str, ...]:
    ledger = [charged(3) if record is None else record]
    return judge([seen], ledger, callers, lenient=lenient or Leniency()).problems


def test_a_call_that_went_as_it_should_is_no_problem() -> None:
    assert problems() == ()


@pytest.mark.parametrize("increments", [0, 2, 4])
def test_a_wrong_charge_is_seen(increments: int) -> None:
    assert problems(record=charged(increments)) != ()


@pytest.mark.parametrize(
    ("ended_by", "reserved", "talk_s", "wrong"),
    [
        ("office", 2, 4.6, False),  # cut at 4 s, and the BYE came late
        ("office", 2, 5.1, True),  # nothing is as late as that
        ("office", 3, 4.6, True),  # a third interval was set aside, and not charged
        ("carrier", 2, 4.6, True),  # the carrier's own end is no goodbye of ours
    ],
)
def test_late_goodbye_of_a_leg_whose_paid_time_was_over_is_no_wrong_charge(
    ended_by: str, reserved: int, talk_s: float, *, wrong: bool
) -> None:
    seen = replace(SEEN, ended_by=ended_by, ended_at_s=ANSWERED_S + talk_s)
    record = replace(charged(2), reserved_intervals=reserved)
    verdict = judge([seen], [record])
    assert bool(verdict.problems) is wrong


def test_less_is_right_where_it_is_marked_and_the_evidence_was_destroyed() -> None:
    marked = charged(2, unproved=EndUnproved.NO_RECORD)
    assert problems(record=marked, lenient=Leniency(less=True)) == ()
    assert problems(record=marked) != ()
    assert problems(record=charged(2), lenient=Leniency(less=True)) != ()
    assert problems(record=replace(marked, debited=Money(80_000, "GBP"))) != ()


@pytest.mark.parametrize(
    ("stops", "least"),
    [
        ([(1.1, 3.0)], 2),  # neither its answer nor its end is in it: a second, no more
        ([(1.6, 5.0)], 1),  # its end
        ([(-1.0, 1.8)], 1),  # its answer
        ([(-1.0, 1.2), (2.8, 5.0)], 1),  # both
        ([(-1.0, 6.0)], 1),  # all of it
    ],
)
@pytest.mark.parametrize("increments", [0, 1, 2, 3, 4])
def test_of_a_stop_of_asterisk_only_what_lies_in_it_may_be_uncharged(
    increments: int, stops: list[tuple[float, float]], least: int
) -> None:
    lenient = Leniency(
        stops=tuple(Suspension(ANSWERED_S + begins, ANSWERED_S + ends) for begins, ends in stops)
    )
    marked = charged(increments, unproved=EndUnproved.ASTERISK_STOPPED)
    assert (problems(record=marked, lenient=lenient) == ()) is (least <= increments <= 3)


def test_a_call_that_was_cut_is_seen_though_its_charge_is_right() -> None:
    cut = replace(SEEN, ended_at_s=ANSWERED_S + 3.0, ended_by="office")
    (found,) = problems(cut, charged(2))
    assert "was cut after 3.000 s by the office, and 4.600 were wanted" in found
    assert problems(cut, charged(2), lenient=Leniency(paid_time=True)) == (found,)


def test_a_leg_that_nobody_could_lengthen_ends_when_its_paid_time_is_over() -> None:
    ended = replace(SEEN, ended_at_s=ANSWERED_S + 3.86, ended_by="office")
    assert problems(ended, charged(2), lenient=Leniency(paid_time=True)) == ()
    assert problems(ended, charged(2)) != ()


@pytest.mark.parametrize(("talk_s", "right"), [(4.4, True), (5.1, False), (3.2, False)])
def test_its_goodbye_may_be_as_late_as_where_it_is_charged(talk_s: float, *, right: bool) -> None:
    ended = replace(SEEN, ended_at_s=ANSWERED_S + talk_s, ended_by="office")
    callers = replace(CALLERS, wish_s={NUMBER: 9.4})
    record = replace(charged(2), reserved_intervals=2)
    verdict = judge([ended], [record], callers, lenient=Leniency(paid_time=True))
    assert (verdict.problems == ()) is right


def test_a_call_that_lasted_longer_than_anybody_wished_is_seen() -> None:
    (found,) = problems(callers=replace(CALLERS, wish_s={NUMBER: 2.0}))
    assert "lasted 4.600 s, and 2.000 were wanted" in found


def test_a_balance_that_was_not_heard_is_seen() -> None:
    (found,) = problems(callers=replace(CALLERS, heard={}))
    assert found == f"{DIALLED}: heard 0.0 s of the balance"


def test_a_refusal_that_was_not_spoken_is_seen() -> None:
    refused = replace(PLACED, answered_at_s=None, refused_with=503, ended_at_s=BEGAN_S + 1)
    callers = Callers(placed={DIALLED: refused})
    assert judge([], [], callers).problems == (f"{DIALLED}: heard 0.0 s of why it was refused",)


@pytest.mark.parametrize(("waited_s", "right"), [(7.9, True), (9.0, False)])
def test_who_waits_in_silence_for_longer_than_eight_seconds_is_seen(
    *, waited_s: float, right: bool
) -> None:
    """Before the first sound, and between the last one and the end."""
    ended_s = BEGAN_S + 3 + 2 * waited_s
    refused = replace(PLACED, answered_at_s=None, refused_with=503, ended_at_s=ended_s)
    heard = (Stretch(BEGAN_S + waited_s, BEGAN_S + waited_s + 3),)
    callers = Callers(placed={DIALLED: refused}, heard={DIALLED: heard})
    verdict = judge([], [], callers)
    assert (verdict.problems == ()) is right
    assert verdict.longest_silence_s == pytest.approx(waited_s, abs=0.01)


def test_ringing_is_no_silence() -> None:
    late = replace(PLACED, ringing_at_s=BEGAN_S + 3, answered_at_s=BEGAN_S + 60, ended_at_s=None)
    assert judge([], [], replace(CALLERS, placed={DIALLED: late})).longest_silence_s < 1
