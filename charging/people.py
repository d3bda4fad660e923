"""People who use the portal: who may do what in which office, and for how long one is signed in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from charging.plain_text import is_plain

MAIL_ADDRESS_MAX = 254
PERSON_NAME_MAX = 80
PASSWORD_MIN = 12
PASSWORD_MAX = 256  # a longer one costs us more than it protects

SESSION_LASTS = timedelta(hours=12)
IDLE_MAX = timedelta(minutes=30)  # of customer care, who see many offices
IDENTITY_FRESH = timedelta(minutes=15)
LINK_LASTS = timedelta(minutes=15)
SUPPORT_CODE_LASTS = timedelta(minutes=15)

ATTEMPTS_COUNT_FOR = timedelta(minutes=15)
ATTEMPTS_PER_ACCOUNT = 8
ATTEMPTS_PER_ADDRESS = 40

_MAIL_ADDRESS = re.compile(r"[^@\s\"<>(),;:\\\[\]]{1,64}@[A-Za-z0-9.-]{1,180}\.[A-Za-z0-9-]{2,63}")


class Role(StrEnum):
    """What somebody may do in one office."""

    VIEWER = "viewer"  # read
    MANAGER = "manager"  # and buy, set, invite
    CUSTOMER_CARE = "customer_care"  # read, cancel a top-up against a code, adjust with a reason


class LinkPurpose(StrEnum):
    INVITATION = "invitation"
    RESET = "reset"
    ACCESS = "access"  # to one more office, of somebody who is known already


class Offered(NamedTuple):
    """What somebody is offered, and has when they accept it."""

    office_id: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """From where somebody signs in, as far as the network and the browser say."""

    address: str
    browser: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person with access to the portal; the mail address is what one signs in with."""

    user_id: int
    address: str
    name: str
    language: str | None  # None: the office's
    password_hash: str | None  # None: invited, and has chosen none yet
    disabled: bool
    roles: Mapping[str, Role]  # by office

    @property
    def actor(self) -> str:
        """Who acts, as entries and the audit trail keep it."""
        return f"user:{self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """From signing in to signing out, or to one of its ends."""

    token_sha256: str
    user: User
    office_id: str
    role: Role
    created_at: datetime
    seen_at: datetime
    proved_at: datetime
    revoked: bool

    def is_alive(self, now: datetime) -> bool:
        if self.revoked or self.user.disabled or now >= self.created_at + SESSION_LASTS:
            return False
        watched = Role.CUSTOMER_CARE in self.user.roles.values()
        return not watched or now < self.seen_at + IDLE_MAX

    def identity_is_fresh(self, now: datetime) -> bool:
        """Whether the password was typed lately enough for what money and access depend on."""
        return now < self.proved_at + IDENTITY_FRESH


def require_mail_address(text: str) -> str:
    """The address in the one form in which it is stored.

    Raises:
        ValueError: not an address.
    """
    address = text.strip().lower()
    if len(address) > MAIL_ADDRESS_MAX or not _MAIL_ADDRESS.fullmatch(address):
        raise ValueError("not a mail address, such as anna@example.com")
    return address


def require_person_name(text: str) -> str:
    """Raises ValueError: empty, too long, or with characters that cannot be seen."""
    name = " ".join(text.split())
    if not name or len(name) > PERSON_NAME_MAX or not is_plain(name):
        raise ValueError(f"a name has 1 to {PERSON_NAME_MAX} characters")
    return name
