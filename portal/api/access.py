"""Who may use a route of the API: a token says for which office, and in which role."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from charging.api_tokens import ApiToken
from charging.people import Role
from portal.access import EVERYONE, Declared, NotAllowedError


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
        return caller


Reader = Annotated[Caller, Depends(Allowed(*EVERYONE))]
Manager = Annotated[Caller, Depends(Allowed(Role.MANAGER))]
CustomerCare = Annotated[Caller, Depends(Allowed(Role.CUSTOMER_CARE))]
