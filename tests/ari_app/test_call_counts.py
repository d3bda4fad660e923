"""What the application counts of its calls, and what of them it never counts."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

import ari_app
from agi.metrics import feature_counts
from ari_app.metrics import REASONS, CallCounts, CountedNotes
from assembly.metrics import OTHER, Counts
from charging.errors import ChargingUnavailable
from charging.kinds import LineKind
from charging.numbering import Number
from charging.plan import Category
from charging.usecases import UnmeteredAuthorisation
from payments.metrics import payment_counts
from tests.ari_app.office_of_one import CALLER, LEG, OfficeOfOne, settle_down
from tests.fakes.charging import FRANCE_MOBILE, request
from tests.fakes.unpaid import NotedUnpaidCalls


class Counted:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = CallCounts(self.registry)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def read_log(self, lines: list[dict[str, object]]) -> None:
        for line in lines:
            count = self.calls.by_event.get(str(line["event"]))
            if count is not None:
                count(line)


async def test_a_paid_call_is_counted_once_with_its_debits_and_how_late_they_were() -> None:
    counted = Counted()
    office = OfficeOfOne(counts=counted.calls)
    with capture_logs() as lines:
        await office.talk(since=timedelta(seconds=2))
        await office.end(LEG)
        await office.end(CALLER)
        await settle_down()
    counted.read_log([dict(line) for line in lines])
    assert counted.value("tollgate_calls_total", outcome="answered") == 1
    assert counted.value("tollgate_calls_total", outcome="refused") == 0
    assert counted.value("tollgate_debits_total") == 1
    assert counted.value("tollgate_metering_late_seconds_count") == 1
    assert counted.value("tollgate_metering_late_seconds_sum") > 1.9  # answered 2 s ago
    assert counted.value("tollgate_event_lag_seconds_count") == 2  # its end, and the caller's
    assert counted.value("tollgate_defects_total") == 0


async def test_a_debit_that_is_postponed_is_late_until_it_is_made() -> None:
    counted = Counted()
    office = OfficeOfOne(counts=counted.calls)

    async def away(*_: object, **__: object) -> None:
        raise ChargingUnavailable("database is locked")

    office.charging.answered = away  # type: ignore[assignment, method-assign]
    with capture_logs() as lines:
        await office.talk()
    counted.read_log([dict(line) for line in lines])
    assert counted.value("tollgate_postponed_total", what="debit") == 1
    assert counted.value("tollgate_metering_late_seconds_count") == 0
    await office.driver.close()


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_refusal_is_counted_by_its_reason(code: str) -> None:
    counted, notes = Counted(), NotedUnpaidCalls()
    CountedNotes(notes, counted.calls).refused(request("c1", FRANCE_MOBILE), code)
    assert counted.value("tollgate_refusals_total", reason=code) == 1
    assert counted.value("tollgate_calls_total", outcome="refused") == 1
    assert [each for _, each in notes.refusals] == [code]


def test_a_reason_that_nobody_knows_makes_no_series_of_its_own() -> None:
    counted = Counted()
    for number in range(100):
        counted.calls.refused(f"3361234567{number}")
    assert counted.value("tollgate_refusals_total", reason=OTHER) == 100
    reasons = [
        sample.labels["reason"]
        for family in counted.registry.collect()
        for sample in family.samples
        if "reason" in sample.labels
    ]
    assert set(reasons) == {*REASONS, OTHER}


@pytest.mark.parametrize(
    ("category", "counts"),
    [(Category.INCLUDED, 1), (Category.FREE, 1), (Category.EMERGENCY, 0)],
)
def test_calls_that_cost_nothing_are_counted_and_emergency_calls_never(
    category: Category, counts: int
) -> None:
    counted, notes = Counted(), NotedUnpaidCalls()
    before = {sample_of(family) for family in counted.registry.collect()}
    authorised = unmetered(category)
    CountedNotes(notes, counted.calls).connected(request("c1", "112"), authorised)
    assert counted.value("tollgate_calls_total", outcome=category.value) == counts
    after = {sample_of(family) for family in counted.registry.collect()}
    assert (before == after) == (counts == 0)
    assert notes.connections == [authorised]


def sample_of(family: object) -> str:
    """Everything that a family says but when it was made."""
    samples = getattr(family, "samples", ())
    return str([(s.name, s.labels, s.value) for s in samples if not s.name.endswith("_created")])


def unmetered(category: Category) -> UnmeteredAuthorisation:
    number = Number(
        dialled="112",
        digits="112",
        is_short=True,
        country="GB",
        kind=LineKind.EMERGENCY,
        dial_string="112",
    )
    return UnmeteredAuthorisation(
        call_id="c1",
        office_id="main",
        extension="Reception",
        language="en",
        number=number,
        destination="",
        category=category,
        reason="",
    )


FOLDERS = {"ari_app": ("ari_app",), "agi": ("agi",), "payments": ("payments", "assembly")}


def listened_to() -> Iterator[tuple[str, Counts]]:
    yield "ari_app", CallCounts(CollectorRegistry()).by_event
    yield "agi", feature_counts(CollectorRegistry())
    yield "payments", payment_counts(CollectorRegistry())


def test_every_line_that_is_counted_is_one_that_the_program_logs() -> None:
    for program, counts in listened_to():
        assert counts.keys() <= logged_by(program), program


def logged_by(program: str) -> set[str]:
    """The first argument of every call of a logger, as far as it stands there."""
    root = Path(ari_app.__file__).parents[1]
    return {
        argument.value
        for folder in FOLDERS[program]
        for file in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in {"debug", "info", "warning", "error", "exception"} and node.args
        if isinstance(argument := node.args[0], ast.Constant) and isinstance(argument.value, str)
    }


async def test_an_event_that_was_read_late_says_by_how_much() -> None:
    counted = Counted()
    office = OfficeOfOne(counts=counted.calls)
    await office.talk()
    await office.end(LEG, at=datetime.now(UTC) - timedelta(seconds=0.3))
    assert 0.25 < counted.value("tollgate_event_lag_seconds_sum") < 60
    await office.driver.close()
