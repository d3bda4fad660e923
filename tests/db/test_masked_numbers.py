"""Numbers that were kept long enough are masked; money, and its proof, stay."""

import asyncio
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, String, Text, select

import db
from ari_app.daily_masking import DailyMasking
from charging.masking import masked
from db import masked_numbers
from db.audit import audit
from db.call_lists import ListedCall, list_calls
from db.ledger import read_from
from db.masked_numbers import mask_numbers, to_be_masked
from db.models import calls, metadata
from db.unpaid_calls import UnpaidCalls
from tests.db.activity_histories import History
from tests.fakes.clock import START
from tests.test_tidy import ROOT

STEPS = 60


@pytest.fixture
def history(engine: Engine) -> History:
    made = History(engine, seed=4)
    made.run(STEPS)
    return made


def calls_of(engine: Engine, office_id: str = "main") -> Sequence[ListedCall]:
    return read_from(engine, partial(list_calls, office_id=office_id, limit=1000)).calls


def mask(engine: Engine, before: datetime) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for step in mask_numbers(engine, before):
        counts.update(step)
    return counts


def test_what_began_before_a_moment_and_is_over_is_masked_and_nothing_else(
    engine: Engine, history: History
) -> None:
    middle = history.moments[STEPS // 2]
    known = calls_of(engine)
    counted = read_from(engine, partial(to_be_masked, before=middle))
    assert mask(engine, middle) == counted
    for before, after in zip(known, calls_of(engine), strict=True):
        paid_and_open = before.outcome == "paid" and before.under_way
        hidden = before.started_at < middle and not paid_and_open
        numbers = (masked(before.number), masked(before.dialled)) if hidden else None
        assert (after.number, after.dialled) == (numbers or (before.number, before.dialled))
        assert (after.cost, after.talk_s, after.country) == (
            before.cost,
            before.talk_s,
            before.country,
        )
    assert read_from(engine, audit).sound


def test_masking_again_changes_nothing_and_goes_on_where_it_was(
    engine: Engine, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masked_numbers, "AT_ONCE", 3)
    first, second = history.moments[STEPS // 3], history.moments[-1]
    everything = sum(read_from(engine, partial(to_be_masked, before=second)).values())
    done = sum(mask(engine, first).values())
    assert sum(mask(engine, first).values()) == 0
    left = read_from(engine, partial(to_be_masked, before=second))
    assert done + sum(left.values()) == everything
    assert sum(mask(engine, second).values()) == sum(left.values())
    assert sum(read_from(engine, partial(to_be_masked, before=second)).values()) == 0


def test_a_call_that_was_open_is_masked_once_it_is_over(engine: Engine, history: History) -> None:
    end = history.moments[-1] + timedelta(seconds=1)
    mask(engine, end)
    still_open = {call.call_id for call in calls_of(engine) if call.under_way}
    assert still_open
    history.settle_all()
    mask(engine, end)
    with engine.connect() as reader:
        rows = reader.execute(select(calls.c.number, calls.c.dialled, calls.c.dial_string)).all()
    assert all(number.endswith("xxxx") for row in rows for number in row)


def test_an_office_that_the_settings_no_longer_name_is_masked_too(
    engine: Engine, history: History
) -> None:
    rows = UnpaidCalls(engine)
    for office_id in ("", "gone"):
        refused = history.refused_of(office_id)
        rows.write(known=[refused])
    mask(engine, history.moments[-1] + timedelta(days=1))
    for office_id in ("", "gone"):
        (call,) = calls_of(engine, office_id)
        assert call.number.endswith("xxxx")


@pytest.mark.usefixtures("history")
async def test_the_application_masks_what_is_old_enough_and_keeps_for_ever_where_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_app.daily_masking.PAUSE_S", 0)
    far = timedelta(days=400)
    monkeypatch.setattr("ari_app.daily_masking.kept_since", lambda _: START + far)
    await DailyMasking(engine, keep_days=0).mask()
    assert not any(call.number.endswith("xxxx") for call in calls_of(engine))
    await DailyMasking(engine, keep_days=400).mask()
    assert any(call.number.endswith("xxxx") for call in calls_of(engine))


@pytest.mark.usefixtures("history")
async def test_the_application_masks_by_itself(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_app.daily_masking.FIRST_AFTER_S", 0)
    monkeypatch.setattr("ari_app.daily_masking.PAUSE_S", 0)
    monkeypatch.setattr("ari_app.daily_masking.kept_since", lambda _: START + timedelta(days=1))
    done = asyncio.Event()

    class Telling(DailyMasking):
        async def mask(self) -> None:
            await super().mask()
            done.set()

    running = asyncio.create_task(Telling(engine, keep_days=400).run())
    async with asyncio.timeout(30):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert any(call.number.endswith("xxxx") for call in calls_of(engine))


for module in pkgutil.iter_modules(db.__path__, "db."):  # each adds its tables to the metadata
    if not module.ispkg:
        importlib.import_module(module.name)

NUMBER_COLUMNS = {  # of every table, what is somebody's telephone number
    ("calls", "dialled"),
    ("calls", "number"),
    ("calls", "dial_string"),
    ("unpaid_calls", "dialled"),
    ("unpaid_calls", "number"),
    ("ungated_legs", "number"),  # masked before it is written
}


def test_a_new_column_of_a_number_has_to_be_masked_too() -> None:
    """Whoever adds one adds it here, and to what is masked."""
    named = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String | Text)
        and re.search(r"dial|phone|callee|called|(^|_)number$|e164", column.name)
        and not column.name.endswith("vat_number")
    }
    assert named == NUMBER_COLUMNS


def test_what_is_kept_of_whom_is_said_of_every_table() -> None:
    text = (ROOT / "docs/privacy.md").read_text(encoding="utf-8")
    assert [table.name for table in metadata.sorted_tables if f"`{table.name}`" not in text] == []


def test_after_masking_no_table_holds_a_number_anywhere(engine: Engine, history: History) -> None:
    """Not in a reason, a detail, a key or an actor either: every cell of every table is read."""
    history.settle_all()
    numbers = {n for call in calls_of(engine) for n in (call.number, call.dialled) if len(n) > 6}
    assert len(numbers) > 5
    mask(engine, history.moments[-1] + timedelta(seconds=1))
    cells = {str(cell) for cell in every_cell(engine)}
    assert not [number for number in numbers for cell in cells if number in cell]


def every_cell(engine: Engine) -> Iterator[object]:
    with engine.connect() as reader:
        for table in metadata.sorted_tables:
            for row in reader.execute(select(table)):
                yield from row
