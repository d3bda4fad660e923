"""The names of ledger entries: each kind of entry has a beginning of its own.

    call:<call id>:reserve:<n>, :debit:<n>, :settle, :correct, :release
    top-up:<office>:<key>
    top-up-cancel:<office>:<key>

Where a card stands behind it, the key is that of the payment:

    top-up, refill, top-up-cancel, top-up-restore, chargeback, repay:<office>:<payment>

where a bank may take a payment back, and give it back, more than once, with ".<n>" behind it.

What follows the kind cannot change it: neither an office nor a new key has a colon in it. The
database refuses an entry whose key does not begin with its kind and its office.
"""

import re

from charging.entries import EntryKey, EntryKind

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


def payment_key(kind: EntryKind, office_id: str, payment_id: str) -> EntryKey:
    return EntryKey(f"{kind}:{office_id}:{payment_id}")
