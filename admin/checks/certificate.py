"""Certificates of others that Tollgate stands on: when they end.

The portal's, of its public address, as a browser sees it; the mail server's is looked at in
`money_in`, by the same rule.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from admin.checks.findings import Finding, ok, problem, warning
from settings import Settings

TIMEOUT_S: Final = 5
HTTPS_PORT: Final = 443
SOON: Final = timedelta(days=14)  # whoever renews by itself has done so by then
RENEW: Final = "renew it at the proxy that has it, and see that it is renewed by itself"


def check_certificate(settings: Settings) -> Iterator[Finding]:
    url = settings.portal.public_url
    if url is None or not url.startswith("https://"):
        yield ok("there is none to look at: [portal] public_url is no https address")
        return
    parts = urlsplit(url)
    yield judge(str(parts.hostname), parts.port or HTTPS_PORT, now=datetime.now(UTC))


def judge(host: str, port: int, *, now: datetime, context: ssl.SSLContext | None = None) -> Finding:
    """Connects as a browser would; without the right certificate that fails."""
    trusted = context or ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT_S) as connection,
            trusted.wrap_socket(connection, server_hostname=host) as encrypted,
        ):
            shown = encrypted.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return problem(
            f"browsers do not believe the certificate of {host}: {error.verify_message}", RENEW
        )
    except OSError as error:
        return warning(
            f"{host}:{port} cannot be reached from here ({error}), so its certificate was not seen",
            "look at it from outside, and at the proxy",
        )
    ends = ends_at(shown)
    if ends is not None and ends - now < SOON:
        return soon_over(host, ends, remedy=RENEW)
    return ok(f"the certificate of {host} is good until {ends:%Y-%m-%d}")


def ends_at(shown: Mapping[str, object]) -> datetime | None:
    """Of what `getpeercert` says; None where it was not verified, and says nothing."""
    if "notAfter" not in shown:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def soon_over(host: str, ends: datetime, *, remedy: str) -> Finding:
    return warning(f"the certificate of {host} ends on {ends:%Y-%m-%d %H:%M} UTC", remedy)
