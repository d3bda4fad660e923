"""The API described for people; its description for programs is at /api/v1/openapi.json."""

from functools import lru_cache
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from portal.access import PUBLIC
from portal.api import paths
from portal.api.app import api_routes
from portal.api.reference import openapi_of
from portal.api.shown import Operation, ShownType, operations, types
from portal.parts import Needs

router = APIRouter()


class _Described(NamedTuple):
    operations: list[Operation]
    types: list[ShownType]


@lru_cache
def _described() -> _Described:
    document = openapi_of(api_routes(), "")
    return _Described(operations(document), types(document))


@router.get("/api-reference", dependencies=[PUBLIC])
async def api_reference(request: Request, parts: Needs) -> Response:
    """It says nothing of any office, so it is for everybody."""
    described = _described()
    return parts.pages.page(
        request,
        "api_reference.html",
        operations=described.operations,
        types=described.types,
        type_names={each.name for each in described.types},
        openapi=paths.OPENAPI,
    )
