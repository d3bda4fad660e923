"""Who changed what: recorded in the transaction of the change itself."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is recorded. `before` and `after` are for people to read, and hold no secret."""

    office_id: str
    at: datetime
    actor: str  # "user:anna@example.com", "cli:root", "worker"
    action: str  # stable, "topic.verb": "user.invite", "refill.set", "card.replace"
    subject: str = ""  # what was changed: a user's address, an extension, an entry's key
    before: str = ""
    after: str = ""
    reason: str = ""
    client_address: str = ""
