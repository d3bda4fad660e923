"""What the feature codes' server counts, all of it told by its log."""

from prometheus_client import CollectorRegistry, Counter

from assembly.metrics import Count, Counts

OUTCOMES = {"feature_told": "told", "feature_failed": "failed", "caller_left": "left"}


def feature_counts(registry: CollectorRegistry) -> Counts:
    features = Counter(
        "tollgate_features",
        "Feature codes that were dialled: told to the end, the caller left before it, or failed",
        ("outcome",),
        registry=registry,
    )
    refused = Counter(
        "tollgate_peers_refused",
        "Connections to the server of feature codes that were not Asterisk's",
        registry=registry,
    )

    def one(outcome: str) -> Count:
        child = features.labels(outcome)
        return lambda _entry: child.inc()

    return {
        **{event: one(outcome) for event, outcome in OUTCOMES.items()},
        "connection_refused": lambda _entry: refused.inc(),
    }
