"""`python -m payments.sandbox_server SETTINGS`: the sandbox, until it is told to stop."""

import asyncio
import sys
import time

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from assembly.process import main
from assembly.serving import served
from payments.addresses import sandbox_url, webhook_url
from payments.keys import sandbox_keys
from payments.sandbox_server.api import Api
from payments.sandbox_server.control import control
from payments.sandbox_server.deliveries import Endpoint, keep_telling
from payments.sandbox_server.pages import Pages
from payments.sandbox_server.processor import Processor
from payments.sandbox_server.store import Store
from settings import PaymentSections

log = structlog.get_logger()

STATE_FILE = "sandbox.sqlite"


async def serve(settings: PaymentSections) -> None:
    """Run until cancelled; whatever was answered is on disk."""
    payments = settings.payments
    keys = sandbox_keys(payments.sandbox_folder)
    store = Store(payments.sandbox_folder / STATE_FILE)
    processor = Processor(
        store, now=time.time, address=payments.sandbox_url or sandbox_url(payments)
    )
    changed = asyncio.Event()
    api = Api(store, processor, keys.api_key, changed)
    app = Starlette(
        routes=[*api.routes(), *control(api, now=time.time), *Pages(api, now=time.time).routes()],
        exception_handlers={404: _not_there},
    )
    endpoint = Endpoint(url=webhook_url(payments, "sandbox"), secret=keys.webhook_secrets[0])
    address, port = payments.sandbox_address, payments.sandbox_port
    try:
        async with served(app, section="payments", address=address, port=port):
            log.info("ready", program="sandbox", address=address, port=port)
            await keep_telling(store, processor, endpoint, changed=changed, now=time.time)
    finally:
        store.close()


async def _not_there(request: Request, error: Exception) -> Response:
    del request, error
    return JSONResponse({"error": {"code": "url_invalid", "message": "no such page"}}, 404)


if __name__ == "__main__":
    sys.exit(main(serve, PaymentSections))
