"""Which requests are the API's. Guard and dispatch ask here, so that both mean the same ones."""

from typing import Final

from fastapi import APIRouter

BASE: Final = "/api/v1"
OPENAPI: Final = f"{BASE}/openapi.json"
PUBLIC_PATHS: Final = frozenset({OPENAPI})  # without a token: it says nothing of any office


def is_of_api(path: str) -> bool:
    """Whether a request's path, as it is routed by, is the API's."""
    return path.startswith(f"{BASE}/")


def api_router() -> APIRouter:
    """For routes of the API; each is called in its description as its function is."""
    return APIRouter(prefix=BASE, generate_unique_id_function=lambda route: route.name)
