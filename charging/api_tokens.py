"""Tokens with which programs use the API: each of one office, with one role, for a limited time."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from charging.people import Role

TOKEN_LASTS = timedelta(days=365)
TOKEN_DAYS_MAX = 3650
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """What is known of a token; the token itself is shown once, and kept nowhere."""

    token_id: int
    name: str  # one of its office has it, for ever: the audit trail names it
    office_id: str
    role: Role
    made_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Who acts, as entries and the audit trail keep it."""
        return f"token:{self.name}"

    def works(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


def require_token_name(text: str) -> str:
    """Raises ValueError: not a name that a token may have."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            "a token's name has 1 to 40 of a-z, 0-9, dot, dash and underscore,"
            " and begins with a letter or digit"
        )
    return text
