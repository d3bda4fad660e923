"""Who may use a route of the API: a token says for which office, and in which role."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from charging.api_tokens import ApiToken
from charging.people import Role
from portal.access import EVERYONE, Declared, NotAllowedError, every_below


@dataclass(frozen=True, slots=True)
class Caller:
    """One request of a program: the only source of an office's id."""

    token: ApiToken
    at: datetime
    client_address: str

    @property
    def office_id(self) -> str:
        return self.token.office_id

    @property
    def actor(self) -> str:
        return self.token.actor


def caller_of(request: Request) -> Caller:
    """Whose request it is: nobody passes the gate without a token."""
    caller: Caller = request.state.caller
    return caller


class Allowed(Declared):
    """A dependency: it runs before the handler. The gate has looked at the token before."""

    async def __call__(self, request: Request) -> Caller:
        caller = caller_of(request)
        if caller.token.role not in self.roles:
            raise NotAllowedError
        _refuse_unknown(request)
        return caller


def _refuse_unknown(request: Request) -> None:
    """A filter with a slip in its name would be none, and show what was not asked for.

    Raises:
        RequestValidationError: names what the route does not know.
    """
    route: APIRoute = request.scope["route"]
    declared = (route.dependant, *every_below(route.dependant))
    known = {each.alias for dependant in declared for each in dependant.query_params}
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        found = [{"loc": ("query", name), "type": "extra_forbidden"} for name in unknown]
        raise RequestValidationError(found)


Reader = Annotated[Caller, Depends(Allowed(*EVERYONE))]
Manager = Annotated[Caller, Depends(Allowed(Role.MANAGER))]
CustomerCare = Annotated[Caller, Depends(Allowed(Role.CUSTOMER_CARE))]
