"""What the application counts: calls by outcome, refusals by reason, and how late anything was.

Nothing of an emergency call, not even that there was one: docs/adr/0019.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ari_app.ami import Ami
from ari_app.application import Application
from ari_app.ari import Ari
from ari_app.call_task import UnpaidCallNotes
from assembly.metrics import BUCKETS_S, OTHER, Count, Counts, known
from charging.errors import Refusal
from charging.plan import Category
from charging.unpaid_calls import OVERLOAD, UNAVAILABLE
from charging.usecases import CallRequest, UnmeteredAuthorisation
from settings.logs import Entry

INCLUDED, FREE = Category.INCLUDED.value, Category.FREE.value
OUTCOMES = ("answered", "unanswered", INCLUDED, FREE, "refused")
POSTPONED = ("debit", "interval", "settlement")
STEPS = ("authorise", "reserve", "debit", "settle")


def _codes(kind: type[Refusal]) -> frozenset[str]:
    """Of every refusal there is."""
    below = frozenset().union(*map(_codes, kind.__subclasses__()))
    return below | {kind.code} if hasattr(kind, "code") else below


REASONS = _codes(Refusal) | {UNAVAILABLE, OVERLOAD}


class CallCounts:
    """Told by the log, by who takes note of calls that are not charged, and by the calls' clock."""

    def __init__(self, registry: CollectorRegistry) -> None:
        calls = Counter(
            "tollgate_calls",
            "Outbound calls that are over, were refused, or cost nothing; never emergency calls",
            ("outcome",),
            registry=registry,
        )
        self._calls = {outcome: calls.labels(outcome) for outcome in OUTCOMES}
        refusals = Counter(
            "tollgate_refusals", "Refused calls, by the code of why", ("reason",), registry=registry
        )
        # From zero on, or an alert on the first one would not see it grow.
        self._refusals = {reason: refusals.labels(reason) for reason in (*sorted(REASONS), OTHER)}
        self._late = Histogram(
            "tollgate_metering_late_seconds",
            "From when an increment began until the ledger had debited it",
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._lag = Histogram(
            "tollgate_event_lag_seconds",
            "From when Asterisk says that a leg was answered or ended until that was read",
            buckets=BUCKETS_S,
            registry=registry,
        )
        self.by_event = _of_log(registry, self)

    def settled(self, entry: Entry) -> None:
        self._calls["answered" if entry["talk_s"] > 0 else "unanswered"].inc()

    def refused(self, code: str) -> None:
        self._calls["refused"].inc()
        self._refusals[known(code, REASONS)].inc()

    def connected(self, category: Category) -> None:
        if category.value in self._calls:
            self._calls[category.value].inc()

    def debited(self, late_s: float) -> None:
        self._late.observe(max(0.0, late_s))

    def event_read(self, lag_s: float) -> None:
        self._lag.observe(max(0.0, lag_s))


def _of_log(registry: CollectorRegistry, calls: CallCounts) -> Counts:
    """By the event of a line; a test holds that every one of them is logged somewhere."""

    def plain(name: str, meaning: str) -> Count:
        counter = Counter(name, meaning, registry=registry)
        return lambda _entry: counter.inc()

    postponed = Counter(
        "tollgate_postponed",
        "Steps of a call that the ledger could not take at once, and that were tried again",
        ("what",),
        registry=registry,
    )
    faults = Counter(
        "tollgate_ledger_faults",
        "Steps of a call that the ledger found to make no sense",
        ("step",),
        registry=registry,
    )
    unproved = plain("tollgate_ends_unproved", "Calls whose end was not seen or written down")
    failures = Counter(
        "tollgate_connection_failures",
        "Connections to Asterisk that were lost or could not be made",
        ("connection",),
        registry=registry,
    )
    announced = Counter(
        "tollgate_announcements",
        "Balances that callers of paid calls heard, or not",
        ("outcome",),
        registry=registry,
    )
    by_step = {step: faults.labels(step) for step in (*STEPS, OTHER)}

    def fault(entry: Entry) -> None:
        by_step[known(entry["step"], frozenset(STEPS))].inc()

    defects = plain("tollgate_defects", "Steps and calls that ended in a defect of the program")

    def settled(entry: Entry) -> None:
        calls.settled(entry)
        if entry.get("end_unproved"):
            unproved(entry)

    def one(counter: Counter, label: str) -> Count:
        child = counter.labels(label)
        return lambda _entry: child.inc()

    return {
        "call_settled": settled,
        "call_settled_afterwards": settled,
        "call_end_unproved": unproved,
        "interval_debited": plain("tollgate_debits", "Increments that were debited"),
        "interval_refused": plain("tollgate_intervals_refused", "Increments without money"),
        "cut_off_by_us": plain("tollgate_calls_cut_off", "Calls that ended with their money"),
        "leg_ungated": plain(
            "tollgate_ungated_legs", "Answered legs to a carrier that nobody pays for"
        ),
        **{f"{what}_postponed": one(postponed, what) for what in POSTPONED},
        "ledger_fault": fault,
        "ari_unavailable": one(failures, "ari"),
        "ami_disconnected": one(failures, "ami"),
        "balance_announced": one(announced, "heard"),
        "balance_not_announced": one(announced, "not_heard"),
        "asterisk_did_not_run": plain("tollgate_asterisk_stops", "Times that Asterisk stood still"),
        "call_task_failed": defects,
        "command_failed": defects,
        "event_dropped": plain("tollgate_events_dropped", "Events of calls with too many waiting"),
    }


class CountedNotes:
    """Takes note of calls that are not charged, and counts them."""

    def __init__(self, notes: UnpaidCallNotes, counts: CallCounts) -> None:
        self._notes = notes
        self._counts = counts

    def refused(self, request: CallRequest, code: str, refusal: Refusal | None = None) -> None:
        self._counts.refused(code)
        self._notes.refused(request, code, refusal)

    def connected(self, request: CallRequest, authorised: UnmeteredAuthorisation) -> None:
        self._counts.connected(authorised.category)
        self._notes.connected(request, authorised)


def watch_now(registry: CollectorRegistry, application: Application, *, ari: Ari, ami: Ami) -> None:
    """What is asked when Prometheus reads."""
    live = Gauge("tollgate_live_calls", "Paid calls that are carried now", registry=registry)
    live.set_function(lambda: application.live_calls)
    ahead = Gauge(
        "tollgate_asterisk_ahead_seconds",
        "How far Asterisk's clock is ahead of this machine's",
        registry=registry,
    )
    ahead.set_function(lambda: ari.clock.ahead_s)
    connected = Gauge(
        "tollgate_connected",
        "Whether there is a connection to Asterisk: 1, or 0",
        ("connection",),
        registry=registry,
    )
    connected.labels("ari").set_function(lambda: float(ari.connected))
    connected.labels("ami").set_function(lambda: float(ami.connected))
