"""The API as one application of its own: it knows tokens, and neither sessions nor pages."""

import json
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from charging.errors import ChargingError, ChargingUnavailable
from portal.access import PUBLIC, NotAllowedError, require_declared
from portal.api import paths
from portal.api.access import Allowed
from portal.api.gate import Gate
from portal.api.once import KEY_HEADER
from portal.api.problems import PROBLEMS, ProblemError, problem_answer
from portal.api.reference import openapi_of
from portal.api.routes import (
    billing,
    calls,
    extensions,
    members,
    money,
    notices,
    office,
    rates,
)
from portal.parts import Needs, Parts, parts_of

log = structlog.get_logger()

PARTS: Final[Sequence[ModuleType]] = (
    office,
    money,
    billing,
    calls,
    rates,
    extensions,
    notices,
    members,
)
_BY_STATUS: Final = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed"}


def api_routes() -> list[APIRoute]:
    """Every route but the description, in the order in which it is described."""
    found = (route for module in PARTS for route in module.router.routes)
    return [route for route in found if isinstance(route, APIRoute)]


@lru_cache
def described(server: str) -> bytes:
    """What `/api/v1/openapi.json` sends; made when it is first asked for."""
    return json.dumps(openapi_of(api_routes(), server), ensure_ascii=False).encode()


def api_app(parts: Parts) -> Gate:
    """The API behind its gate.

    Raises:
        UndeclaredRouteError: a route does not say who may use it.
    """
    return Gate(bare_api(parts), parts)


def bare_api(parts: Parts) -> FastAPI:
    """Without the gate."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.router.routes.extend(api_routes())
    app.add_api_route(paths.OPENAPI, _description, dependencies=[PUBLIC])
    require_declared(app.routes, by=Allowed)
    app.state.parts = parts
    _answer_errors(app)
    return app


async def _description(parts: Needs) -> Response:
    return Response(described(parts.public_url), media_type="application/json")


def _answer_errors(app: FastAPI) -> None:
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(NotAllowedError, _not_allowed)
    app.add_exception_handler(ChargingUnavailable, _unavailable)
    app.add_exception_handler(ChargingError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)


async def _problem(request: Request, error: Exception) -> Response:
    return _answer(request, error.code if isinstance(error, ProblemError) else "fault")


async def _not_allowed(request: Request, error: Exception) -> Response:
    del error
    return _answer(request, "not_allowed")


async def _unavailable(request: Request, error: Exception) -> Response:
    log.error("database_away", error=str(error))
    return _answer(request, "unavailable")


async def _refused(request: Request, error: Exception) -> Response:
    """A normal no of the rules; one that nobody should meet here is a fault."""
    code = getattr(error, "code", "")
    if code not in PROBLEMS:
        return await _fault(request, error)
    return _answer(request, code)


async def _invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    of_key = ("header", KEY_HEADER)
    if any(tuple(each["loc"]) == of_key for each in found):
        return _answer(request, "idempotency_key_missing")
    return problem_answer(parts_of(request).pages, request.headers, "invalid_request", found)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    answer = _answer(request, _BY_STATUS.get(status, "fault"))
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer


async def _fault(request: Request, error: Exception) -> Response:
    log.error("api_failed", path=request.url.path, error=type(error).__name__)
    return _answer(request, "fault")


def _answer(request: Request, code: str) -> Response:
    return problem_answer(parts_of(request).pages, request.headers, code)
