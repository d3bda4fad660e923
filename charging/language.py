"""Which language a phone is spoken to in."""

from charging.extensions import Extension
from charging.plan import Plan


def language_of(extension: Extension, plan: Plan, *, chosen: str | None = None) -> str:
    """What was chosen at the phone, or else what its entry says, or else its plan."""
    return chosen or extension.language or plan.language
