"""Who may use a route. Every route says so, or the portal does not start."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from charging.people import Role, Session, User


class NotSignedInError(Exception):
    """No session, or one that has ended."""


class NotAllowedError(Exception):
    """Signed in, and not allowed to do this in this office."""


class IdentityNotFreshError(Exception):
    """The password was typed too long ago for this."""


class UndeclaredRouteError(Exception):
    """A route does not say who may use it: a defect, found before anybody is served."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in: the only source of an office's id."""

    session: Session
    at: datetime
    client_address: str

    @property
    def user(self) -> User:
        return self.session.user

    @property
    def office_id(self) -> str:
        return self.session.office_id

    @property
    def role(self) -> Role:
        return self.session.role

    @property
    def identity_is_fresh(self) -> bool:
        return self.session.identity_is_fresh(self.at)


class Declared:
    """Says which roles may use a route: a dependency of its handler, which a test can list."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)


class May(Declared):
    """Of a page: somebody who is signed in. It runs before the handler."""

    def __init__(self, *roles: Role, prove: bool = False) -> None:
        """With `prove`, the password must have been typed lately."""
        super().__init__(*roles)
        self.prove = prove

    async def __call__(self, request: Request) -> Visit:
        visit: Visit | None = await request.app.state.sessions.visit(request)
        if visit is None:
            raise NotSignedInError
        request.state.visit = visit
        if visit.role not in self.roles:
            raise NotAllowedError
        if self.prove and not visit.identity_is_fresh:
            raise IdentityNotFreshError
        return visit


async def anybody() -> None:
    """Say that a route is for everybody, signed in or not."""


PUBLIC: Final = Depends(anybody)

EVERYONE: Final = (Role.VIEWER, Role.MANAGER, Role.CUSTOMER_CARE)

Reader = Annotated[Visit, Depends(May(*EVERYONE))]
Manager = Annotated[Visit, Depends(May(Role.MANAGER))]
ProvenManager = Annotated[Visit, Depends(May(Role.MANAGER, prove=True))]
CareReader = Annotated[Visit, Depends(May(Role.CUSTOMER_CARE))]
CustomerCare = Annotated[Visit, Depends(May(Role.CUSTOMER_CARE, prove=True))]


def visit_of(request: Request) -> Visit | None:
    """Who is signed in, once a route has asked; for what every page shows."""
    found: Visit | None = getattr(request.state, "visit", None)
    return found


def visit_in(request: Request) -> Visit:
    """The visit of a request that passed `May`."""
    visit: Visit = request.state.visit
    return visit


def require_declared(routes: Iterable[BaseRoute], by: type[Declared] = May) -> None:
    """Refuse a route that does not say, or says otherwise than by `by`, who may use it.

    Raises:
        UndeclaredRouteError: names it.
    """
    for route in routes:
        if not isinstance(route, APIRoute):  # whatever it is, nothing says who may use it
            raise UndeclaredRouteError(f"{type(route).__name__} {getattr(route, 'path', '')}")
        declared = declarations(route)
        if len(declared) != 1 or not (isinstance(declared[0], by) or declared[0] is anybody):
            raise UndeclaredRouteError(f"{sorted(route.methods or ())} {route.path}: {declared}")


def declarations(route: APIRoute) -> list[object]:
    """Everything before a handler that says who may use it, "anybody" among it."""
    called = (each.call for each in every_below(route.dependant))
    return [call for call in called if isinstance(call, Declared) or call is anybody]


def every_below(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from every_below(each)
