"""The API described by itself: OpenAPI 3.1, made from the routes and the types of their values."""

from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from charging.people import Role
from portal.access import anybody, declarations
from portal.api.access import Allowed
from portal.api.problems import Problem

TITLE: Final = "Tollgate"
_SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Made by `tollgate token add`: of one office, with one role.",
    }
}


def openapi_of(routes: Iterable[APIRoute], server: str) -> dict[str, Any]:
    """The whole document."""
    listed = list(routes)
    document = get_openapi(
        title=TITLE,
        version=metadata.version("tollgate"),
        summary="Prepaid calling for an office phone system on Asterisk",
        routes=listed,
        servers=[{"url": server}],
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    components["securitySchemes"] = _SCHEMES
    for route in listed:
        for method in route.methods or ():
            _say_who(document["paths"][route.path][method.lower()], route)
    return document


def _say_who(operation: dict[str, Any], route: APIRoute) -> None:
    roles = roles_of(route)
    operation["security"] = [{"token": []}] if roles else []
    operation["x-roles"] = [role.value for role in roles]


def roles_of(route: APIRoute) -> tuple[Role, ...]:
    """Who may use it; none: everybody, without a token."""
    declared = declarations(route)
    if anybody in declared:
        return ()
    return tuple(
        role
        for role in Role
        if any(isinstance(each, Allowed) and role in each.roles for each in declared)
    )


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference names; anything else is itself."""
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][name_of(schema)]
    return found


def name_of(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
