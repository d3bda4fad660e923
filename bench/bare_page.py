"""`python -m bench.bare_page SETTINGS`: a page as large as the portal's, made of nothing."""

import asyncio
import sys

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from assembly.process import main
from assembly.serving import served
from settings import PortalSections

PAGE_BYTES = 20_000

log = structlog.get_logger()


async def page(request: Request) -> Response:
    del request
    return HTMLResponse("x" * PAGE_BYTES)


async def serve(settings: PortalSections) -> None:
    """Run until cancelled."""
    app = Starlette(routes=[Route("/", page)])
    portal = settings.portal
    async with served(app, section="portal", address=portal.address, port=portal.port):
        log.info("ready")
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    sys.exit(main(serve, PortalSections))
