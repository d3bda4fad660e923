"""The sandbox as a card processor: Stripe's own adapter, at an address of this machine."""

from contextlib import AbstractAsyncContextManager

from payments import stripe
from payments.addresses import sandbox_url
from payments.keys import sandbox_keys
from settings import PaymentsSettings

NAME = "sandbox"


def connected(payments: PaymentsSettings) -> AbstractAsyncContextManager[stripe.StripeProcessor]:
    return stripe.connected(
        name=NAME,
        key=sandbox_keys(payments.sandbox_folder).api_key,
        time_limit_s=payments.request_timeout_s,
        address=sandbox_url(payments),
    )
