"""Where, on this machine, the sandbox answers and webhooks are taken."""

from typing import Final

from settings import PaymentsSettings

LOOPBACK: Final = "127.0.0.1"


def sandbox_url(payments: PaymentsSettings) -> str:
    return f"http://{LOOPBACK}:{payments.sandbox_port}"


def webhook_path(source: str) -> str:
    return f"/webhooks/{source}"


def webhook_url(payments: PaymentsSettings, source: str) -> str:
    return f"http://{payments.address}:{payments.port}{webhook_path(source)}"
