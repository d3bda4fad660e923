"""What we take from Stripe's library is what we think it is."""

import stripe
from hypothesis import given
from hypothesis import strategies as st

from payments.signatures import require_signed, signature
from payments.stripe import API_VERSION
from tests.fakes.clock import START

# The library itself refuses a secret that is nothing but white space.
SECRETS = st.text(min_size=1, max_size=20).filter(str.strip)


def test_the_version_of_the_api_is_the_one_that_the_library_was_made_for() -> None:
    """Red after an upgrade of the library: read its changes first, then pin the new one."""
    assert stripe.api_version == API_VERSION


@given(st.binary(max_size=200), SECRETS)
def test_the_library_verifies_what_we_sign_as_we_do(some: bytes, secret: str) -> None:
    body = some.decode("latin-1").encode()
    header = signature(body, secret, at=START)
    assert stripe.WebhookSignature.verify_header(body, header, secret)
    require_signed(body, header, (secret,), now=START)
