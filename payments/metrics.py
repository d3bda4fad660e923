"""What the process of card payments counts, all of it told by its log."""

from itertools import product

from prometheus_client import CollectorRegistry, Counter

from assembly.metrics import OTHER, Count, Counts, known
from charging.refill import PaymentKind, State
from settings.logs import Entry

KINDS = frozenset(kind.value for kind in PaymentKind)
STATES = frozenset(state.value for state in State)
WEBHOOKS = ("taken", "refused", "postponed")


def payment_counts(registry: CollectorRegistry) -> Counts:
    answers = Counter(
        "tollgate_payment_answers",
        "What the card processor answered or told of a payment, by where the payment then stood",
        ("kind", "state"),
        registry=registry,
    )
    webhooks = Counter(
        "tollgate_webhooks", "Webhooks of the card processor", ("outcome",), registry=registry
    )
    mails_failed = Counter(
        "tollgate_mails_failed", "Mails that the mail server did not take", registry=registry
    )
    failed = Counter(
        "tollgate_payment_work_failed",
        "Steps of payments, card forms and events that failed or were refused",
        registry=registry,
    )

    by_state = {
        (kind, state): answers.labels(kind, state)
        for kind, state in product((*sorted(KINDS), OTHER), (*sorted(STATES), OTHER))
    }

    def answered(entry: Entry) -> None:
        by_state[known(entry["kind"], KINDS), known(entry["state"], STATES)].inc()

    def one(outcome: str) -> Count:
        child = webhooks.labels(outcome)
        return lambda _entry: child.inc()

    def failure(_entry: Entry) -> None:
        failed.inc()

    return {
        "payment_asked": answered,
        "payment_told": answered,
        **{f"webhook_{outcome}": one(outcome) for outcome in WEBHOOKS},
        "mail_not_sent": lambda _entry: mails_failed.inc(),
        "work_failed": failure,
        "work_refused": failure,
        "event_not_handled": failure,
        "card_form_refused": failure,
    }
