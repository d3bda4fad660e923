"""The application: its routes, what stands around them, and what each error becomes."""

from collections.abc import Collection, Sequence
from functools import partial
from http import HTTPStatus
from types import ModuleType
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from charging.errors import ChargingUnavailable
from portal.access import (
    IdentityNotFreshError,
    NotAllowedError,
    NotSignedInError,
    require_declared,
    visit_of,
)
from portal.api.app import api_app
from portal.api.paths import is_of_api
from portal.api.problems import problem_answer
from portal.guard import Guard, in_one_word
from portal.parts import Parts, parts_of
from portal.routes import (
    account,
    activity,
    adjusting,
    api_reference,
    assets,
    audit,
    billing,
    calls,
    extensions,
    notices,
    payments,
    proving,
    rates,
    reports,
    signing_in,
    users,
)

log = structlog.get_logger()

SCREENS: Final[Sequence[ModuleType]] = (
    assets,
    signing_in,
    proving,
    account,
    activity,
    adjusting,
    calls,
    reports,
    rates,
    extensions,
    billing,
    payments,
    notices,
    users,
    audit,
    api_reference,
)


def portal_app(parts: Parts, *, hosts: Collection[str]) -> Guard:
    """The whole portal as one ASGI application; `hosts` are what may stand in Host.

    Raises:
        UndeclaredRouteError: a route does not say who may use it.
    """
    scheme = parts.public_url.partition("://")[0]
    return Guard(
        Branches(pages=bare_app(parts), api=api_app(parts)),
        hosts=hosts,
        origins={f"{scheme}://{host}" for host in hosts},
        asks_for_tokens=is_of_api,
        refuse=partial(_refuse, parts),
    )


class Branches:
    """ASGI: pages and API. What opens the one means nothing to the other."""

    def __init__(self, *, pages: ASGIApp, api: ASGIApp) -> None:
        self._pages = pages
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and is_of_api(scope["path"])
        await (self._api if is_api else self._pages)(scope, receive, send)


_REFUSALS: Final = {
    HTTPStatus.FORBIDDEN: "refused",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.REQUEST_TIMEOUT: "timed_out",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "address_too_long",
    HTTPStatus.MISDIRECTED_REQUEST: "another_host",
}


def _refuse(parts: Parts, scope: Scope, headers: Headers, status: HTTPStatus) -> Response:
    if is_of_api(scope["path"]):
        return problem_answer(parts.pages, headers, _REFUSALS[status])
    return in_one_word(scope, headers, status)


def bare_app(parts: Parts) -> FastAPI:
    """Without what stands around it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for module in SCREENS:
        # Not `include_router`, which hides the routes, and who may use them, in objects of its own.
        app.router.routes.extend(module.router.routes)
    require_declared(app.routes)
    app.state.parts = parts
    app.state.sessions = parts.sessions
    _answer_errors(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    app.add_exception_handler(NotSignedInError, signing_in.ask_to_sign_in)
    app.add_exception_handler(IdentityNotFreshError, proving.ask_for_password)
    app.add_exception_handler(NotAllowedError, _not_allowed)
    app.add_exception_handler(ChargingUnavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _not_found)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)


async def _not_allowed(request: Request, error: Exception) -> Response:
    del error
    return _page(request, HTTPStatus.FORBIDDEN)


async def _not_found(request: Request, error: Exception) -> Response:
    """A part of the path, or of the query, that no link of ours has."""
    del error
    return _page(request, HTTPStatus.NOT_FOUND)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _page(request, HTTPStatus(status))


async def _unavailable(request: Request, error: Exception) -> Response:
    log.error("database_away", error=str(error))
    return _page(request, HTTPStatus.SERVICE_UNAVAILABLE)


async def _fault(request: Request, error: Exception) -> Response:
    log.error("page_failed", path=request.url.path, error=type(error).__name__)
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def _page(request: Request, status: HTTPStatus) -> Response:
    return parts_of(request).pages.page(
        request, "error.html", status=status, code=status.value, signed_in=visit_of(request)
    )
