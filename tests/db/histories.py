"""Histories of an office, told to a real ledger and to the one in memory, which must agree.

The test suite runs 200 on each database; `python -m tests.db.histories 10000` runs more.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, bindparam, event, func, select

from charging.commands import (
    AnswerCall,
    AuthoriseCall,
    CancelTopUp,
    DebitInterval,
    ReserveInterval,
    SettleCall,
    TopUp,
)
from charging.entries import PostedEntry, name_of
from charging.errors import ChargingError
from charging.ledger import NO_LIMITS, CallRecord, LedgerCommand, SpendingLimits
from charging.money import Money
from charging.rates import Rate, charge_for
from db.audit import audit
from db.batches import BatchRunner
from db.engine import WRITER, open_engine
from db.history import history
from db.ledger import read_from
from db.models import balances, postings
from db.schema import upgrade
from db.snapshot_store import load_snapshot, write_changes
from lab.postgresql import running_server
from tests.fakes.charging import gbp, rate
from tests.fakes.clock import START
from tests.fakes.ledger import MemoryLedger

STEPS = 10
RATES = (
    rate("0.10"),
    rate("0.000007", connection="0.000011", blocks=(30, 6)),
    rate("0.05", per_call="0.20", blocks=(1, 1)),
    rate("0"),
)
LIMITS = (
    NO_LIMITS,
    NO_LIMITS,
    SpendingLimits(extension_day=gbp("0.35"), extension_month=gbp("0.5"), office_day=gbp("0.6")),
)
_BALANCES = select(balances.c.account, balances.c.micros).where(
    balances.c.office_id == bindparam("office")
)
_MOVES = (
    select(postings.c.source, postings.c.target, func.sum(postings.c.micros), func.count())
    .where(postings.c.office_id == bindparam("office"))
    .group_by(postings.c.source, postings.c.target)
)
_offices = count()


class History(RuleBasedStateMachine):
    """One office of its own, in a database that many histories share."""

    engine: ClassVar[Engine]  # set by whoever runs it

    def __init__(self) -> None:
        super().__init__()
        self.office = f"office-{next(_offices)}"
        self.memory = MemoryLedger()
        self.runner = BatchRunner(self.engine)
        self.done: list[LedgerCommand[Any]] = []

    def teardown(self) -> None:
        self.runner.close()
        self._require_the_same_entries()

    # --- what may happen -----------------------------------------------------------------

    @initialize(amount=st.sampled_from(["0.000001", "0.35", "5"]))
    def the_office_has_some_money(self, amount: str) -> None:
        top_up = TopUp(
            office_id=self.office,
            amount=gbp(amount),
            key=self.office,
            actor="test",
            reason="",
            at=START,
        )
        self.runner.run([top_up])
        self._in_memory(top_up)

    @rule(data=st.data())
    def commands_arrive_together(self, data: st.DataObject) -> None:
        batch = self._draw_batch(data)
        outcomes = self.runner.run(batch)
        expected = [self._in_memory(command) for command in batch]
        assert list(map(_comparable, outcomes)) == list(map(_comparable, expected))
        self.done += [
            command
            for command, outcome in zip(batch, outcomes, strict=True)
            if not isinstance(outcome, Exception)
        ]

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def replies_are_lost_and_commands_are_sent_again(self, data: st.DataObject) -> None:
        again = data.draw(st.lists(st.sampled_from(self.done), min_size=1, max_size=4))
        self.runner.run(again)  # the ledger in memory hears nothing of it, and must stay equal

    @rule(data=st.data())
    def the_process_dies_before_it_commits(self, data: st.DataObject) -> None:
        batch = self._draw_batch(data)
        with self.engine.connect().execution_options(**WRITER) as writer, writer.begin() as work:
            snapshot = load_snapshot(writer, batch)
            for command in batch:
                with suppress(ChargingError):
                    snapshot.carry_out(command)
            write_changes(writer, snapshot)
            work.rollback()

    @rule()
    def the_process_starts_again(self) -> None:
        self.runner.close()
        self.runner = BatchRunner(self.engine)

    # --- what must hold ------------------------------------------------------------------

    @invariant()
    def balances_are_the_sums_of_postings_and_never_negative(self) -> None:
        stored, summed, lines = self._stored()
        expected = self.memory.stored.items()
        assert stored == {name_of(account, self.office): m.micros for account, m in expected}
        assert all(micros >= 0 for micros in stored.values())
        assert {account: summed[account] for account in stored} == stored
        assert lines == sum(len(entry.postings) for entry in self.memory.entries.values())

    @invariant()
    def every_increment_is_debited_once_and_no_call_costs_more_than_its_price(self) -> None:
        for call in self.memory.calls.values():
            begins = f"call:{call.call_id}:debit:"
            debits = sum(key.startswith(begins) for key in self.memory.entries)
            assert debits <= call.debited_intervals <= call.reserved_intervals
            if call.settled_at is not None:
                assert not call.held
                assert call.debited <= charge_for(call.talk_s or 0, call.rate)

    # --- helpers -------------------------------------------------------------------------

    def _require_the_same_entries(self) -> None:
        """Numbered, and with the balances they left; once a history is at its end."""
        page = read_from(
            self.engine, lambda reader: history(reader, office_id=self.office, limit=1000)
        )
        assert page.before is None
        stored = list(reversed(page.entries))
        assert [posted.number for posted in stored] == [*range(1, len(stored) + 1)]
        assert list(map(_as_stored, self.memory.posted)) == list(map(_as_stored, stored))

    def _in_memory(self, command: LedgerCommand[Any]) -> Any:
        try:
            return self.memory.carry_out_now(command)
        except ChargingError as error:
            return error

    def _stored(self) -> tuple[dict[str, int], dict[str, int], int]:
        """Balances, the sums that they should be, and how many postings there are."""
        with self.engine.connect() as reader:
            stored = reader.execute(_BALANCES, {"office": self.office}).all()
            moves = reader.execute(_MOVES, {"office": self.office}).all()
        summed = {"available": 0, "reserved": 0}
        for source, target, micros, _ in moves:
            summed[source] = summed.get(source, 0) - int(micros)
            summed[target] = summed.get(target, 0) + int(micros)
        return {row.account: row.micros for row in stored}, summed, sum(move[3] for move in moves)

    def _draw_batch(self, data: st.DataObject) -> Sequence[LedgerCommand[Any]]:
        return [self._draw_command(data) for _ in range(data.draw(st.integers(1, 4)))]

    def _draw_command(  # noqa: PLR0911 - one for each kind of command
        self, data: st.DataObject
    ) -> LedgerCommand[Any]:
        kind, number, choice = data.draw(st.tuples(st.integers(0, 9), _four, _four))
        at = START + timedelta(seconds=len(self.done))
        call_id = f"{self.office}-call-{number}"
        match kind:
            case 0 | 1:
                amount = gbp(("0.000001", "0.15", "1", "2.500003")[choice])
                key = f"{self.office}-{number}"
                return TopUp(
                    office_id=self.office, amount=amount, key=key, actor="test", reason="", at=START
                )
            case 2:
                key = f"{self.office}-{number}"
                return CancelTopUp(office_id=self.office, key=key, actor="test", reason="", at=at)
            case 3 | 4:
                limits = LIMITS[data.draw(st.integers(0, len(LIMITS) - 1))]
                call = call_record(self.office, call_id, RATES[choice], limits)
                return AuthoriseCall(call, calls_at_once=2 if choice == 1 else None)
            case 5:
                return AnswerCall(call_id=call_id, leg=f"leg-{choice // 3}", answered_at=at)
            case 6 | 7:
                return ReserveInterval(call_id=call_id, interval=choice, at=at)
            case 8:
                return DebitInterval(call_id=call_id, interval=choice, at=at)
            case _:
                talk_s = (0, 59, 60, 200)[choice]
                return SettleCall(
                    call_id=call_id, talk_s=talk_s, ended_at=at, hangup_cause=16, at=at
                )


_four = st.integers(0, 3)


def _as_stored(posted: PostedEntry) -> PostedEntry:
    """What is stored of an entry: not when it was asked for, but when it was posted."""
    return replace(posted, entry=replace(posted.entry, at=posted.posted_at))


def _comparable(outcome: Any) -> Any:
    """Errors are equal if they say the same."""
    return (type(outcome), str(outcome)) if isinstance(outcome, Exception) else outcome


def call_record(office: str, call_id: str, of: Rate, limits: SpendingLimits) -> CallRecord:
    nothing = Money(0, of.currency)
    return CallRecord(
        call_id=call_id,
        office_id=office,
        endpoint="1001",
        extension="Reception",
        language="en",
        dialled="0033612345678",
        number="33612345678",
        dial_string="33612345678",
        country="FR",
        kind="mobile",
        destination="France mobile",
        reason="",
        rate=of,
        limits=limits,
        caller_channel="channel",
        asterisk="pbx",
        authorised_at=START,
        spending_day="2026-11-21",
        held=nothing,
        debited=nothing,
    )


def run_histories(engine: Engine, histories: int) -> None:
    """Raises AssertionError, with what was drawn, if anything was violated."""

    class OnThisEngine(History):
        pass

    OnThisEngine.engine = engine
    run_state_machine_as_test(
        OnThisEngine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # shrinking against a real database takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert read_from(engine, audit).problems == ()


@contextmanager
def hasty_sqlite(file: Path) -> Iterator[Engine]:
    """Without waiting for the disk: what is tested here is not what a power cut leaves."""
    engine = open_engine(f"sqlite:///{file}")
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA synchronous = OFF"))
    upgrade(engine)
    yield engine
    engine.dispose()


def _main() -> None:
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder, hasty_sqlite(Path(folder) / "l.sqlite") as engine:
        run_histories(engine, histories)
        sys.stdout.write(f"{histories} histories on SQLite: no violation\n")
    with running_server(durable=False) as server:
        engine = open_engine(server.url())
        upgrade(engine)
        run_histories(engine, histories)
        engine.dispose()
        sys.stdout.write(f"{histories} histories on PostgreSQL: no violation\n")


if __name__ == "__main__":
    _main()
