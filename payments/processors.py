"""Which card processor the settings name."""

from contextlib import AbstractAsyncContextManager

from charging.card_processor import CardProcessor
from payments import sandbox, stripe
from payments.keys import keys_of
from settings import PaymentsSettings


def connected(payments: PaymentsSettings) -> AbstractAsyncContextManager[CardProcessor]:
    """Raises SettingsError: it wants a key, and there is none that can be read."""
    if payments.processor == "sandbox":
        return sandbox.connected(payments)
    return stripe.connected(
        name="stripe", key=keys_of(payments).api_key, time_limit_s=payments.request_timeout_s
    )
