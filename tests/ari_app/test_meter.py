"""The timetable: order, due times, and one delivery for all that is due together."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ari_app.messages import PaidTimeOver, Reminder
from ari_app.meter import Meter, Timetable


def test_reminders_come_in_order_of_their_due_time_and_not_before() -> None:
    timetable = Timetable()
    timetable.add(20, "b", PaidTimeOver(1))
    timetable.add(10, "a", PaidTimeOver(1))
    timetable.add(20, "c", PaidTimeOver(60))
    assert timetable.take_due(9.9) == []
    assert timetable.next_s() == 10
    assert timetable.take_due(20) == [
        ("a", PaidTimeOver(1)),
        ("b", PaidTimeOver(1)),
        ("c", PaidTimeOver(60)),
    ]
    assert timetable.next_s() is None


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=50), st.floats(0, 100))
def test_no_reminder_is_lost_or_early(due: list[float], now_s: float) -> None:
    timetable = Timetable()
    for number, due_s in enumerate(due):
        timetable.add(due_s, str(number), PaidTimeOver(number))
    taken = timetable.take_due(now_s)
    assert sorted(call_id for call_id, _ in taken) == sorted(
        str(number) for number, due_s in enumerate(due) if due_s <= now_s
    )
    assert len(timetable) == len(due) - len(taken)


async def test_meter_delivers_an_earlier_reminder_added_later_first() -> None:
    delivered: asyncio.Queue[tuple[str, Reminder]] = asyncio.Queue()
    meter = Meter(lambda call_id, event: delivered.put_nowait((call_id, event)))
    now_s = asyncio.get_running_loop().time()
    meter.remind(now_s + 0.2, "late", PaidTimeOver(2))
    meter.remind(now_s + 0.01, "soon", PaidTimeOver(1))
    meter.remind(now_s - 1, "overdue", PaidTimeOver(0))
    assert [(await delivered.get())[0] for _ in range(3)] == ["overdue", "soon", "late"]
    meter.stop()
