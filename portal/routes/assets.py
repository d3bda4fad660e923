"""Style and script. A browser keeps them: their address changes with their content."""

from http import HTTPStatus

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from portal.access import PUBLIC
from portal.parts import Needs

router = APIRouter(dependencies=[PUBLIC])
_YEAR = "public, max-age=31536000, immutable"


@router.get("/static/{name}")
async def static(name: str, parts: Needs) -> Response:
    asset = parts.assets.find(name)
    if asset is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response(asset.content, media_type=asset.media_type, headers={"cache-control": _YEAR})
