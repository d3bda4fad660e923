"""The names of ledger entries: each kind of entry has a beginning of its own.

    call:<call id>:reserve:<n>, :debit:<n>, :settle, :release
    top-up:<office>:<key>
    top-up-cancel:<office>:<key>
    topup:<key>, topup:<key>:cancel    written by earlier versions, still valid

What follows the kind cannot change it: neither an office nor a new key has a colon in it. The two
kinds of earlier versions could be mistaken for one another, so the postings tell which one it was.
"""

import re

from charging.ledger import FUNDING, EntryKey, LedgerEntry

TOP_UP_KEY_MAX = 64
_TOP_UP_KEY = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._/-]{{0,{TOP_UP_KEY_MAX - 1}}}")
ALPHABET = (
    f"1 to {TOP_UP_KEY_MAX} of the characters A-Z, a-z, 0-9, dot, dash, underscore and slash,"
    " beginning with a letter or digit"
)


def require_top_up_key(key: str) -> None:
    """Raises ValueError: not of the alphabet of new keys."""
    if not _TOP_UP_KEY.fullmatch(key):
        raise ValueError(f"a top-up's key is {ALPHABET}, not {key!r}")


def top_up_key(office_id: str, key: str) -> EntryKey:
    return EntryKey(f"top-up:{office_id}:{key}")


def cancel_key(office_id: str, key: str) -> EntryKey:
    return EntryKey(f"top-up-cancel:{office_id}:{key}")


def earlier_top_up_key(key: str) -> EntryKey:
    return EntryKey(f"topup:{key}")


def earlier_cancel_key(key: str) -> EntryKey:
    return EntryKey(f"topup:{key}:cancel")


def is_top_up_of(office_id: str, entry: LedgerEntry) -> bool:
    return entry.office_id == office_id and entry.postings[0].source == FUNDING


def is_cancellation_of(office_id: str, entry: LedgerEntry) -> bool:
    return entry.office_id == office_id and entry.postings[0].target == FUNDING
