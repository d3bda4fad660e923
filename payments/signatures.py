"""How a webhook proves who sent it, and when: PURE.

The header names a time and one or more codes, `t=1700000000,v1=5257a8…`; a code is the HMAC-SHA256
of "<time>.<body>" under the secret of the endpoint. This is Stripe's scheme, and the sandbox's too,
so that one function refuses what is forged, whoever is forged.

While a secret is being changed there are two of them, here or there: any code under any of ours.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from charging.card_processor import WebhookRefused

HEADER = "Stripe-Signature"
SANDBOX_HEADER = "Sandbox-Signature"
TOLERANCE = timedelta(minutes=5)
_TIME = re.compile(r"[0-9]{1,12}")
_CODES_MAX = 16


def signature(body: bytes, secret: str, *, at: datetime) -> str:
    """The header of a webhook that is sent at this time."""
    told_s = int(at.timestamp())
    return f"t={told_s},v1={_code(body, secret, told_s)}"


def require_signed(body: bytes, header: str, secrets: Sequence[str], *, now: datetime) -> None:
    """Raises WebhookRefused: not signed with any of our secrets, or not within TOLERANCE of now."""
    told = [part.partition("=")[::2] for part in header.split(",", _CODES_MAX)]
    times = [value for name, value in told if name.strip() == "t"]
    codes = [value.strip() for name, value in told if name.strip() == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not codes:
        raise WebhookRefused("it is not signed")
    told_s = int(times[0])
    expected = [_code(body, secret, told_s) for secret in secrets if secret]
    # Every pair is compared, in constant time, so that nothing is learned from how long it takes.
    same = [hmac.compare_digest(_bytes(code), _bytes(ours)) for code in codes for ours in expected]
    if not any(same):
        raise WebhookRefused("it is signed with another secret")
    if abs(now.timestamp() - told_s) > TOLERANCE.total_seconds():
        raise WebhookRefused("it is signed for another time")


def _code(body: bytes, secret: str, told_s: int) -> str:
    return hmac.new(secret.encode(), b"%d." % told_s + body, hashlib.sha256).hexdigest()


def _bytes(code: str) -> bytes:
    return code.encode("utf-8", "surrogateescape")
