"""Who has access to the office: as the page of users has it."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from charging.people import Role, User, require_mail_address, require_person_name
from db import people
from portal import members
from portal.api.access import Caller, Manager, Reader
from portal.api.members_models import (
    InvitationWanted,
    Invited,
    LinkSent,
    RoleWanted,
    Users,
    UserShown,
    UserState,
)
from portal.api.once import ONCE, OnlyOnce
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.languages import marked, preferred
from portal.members import MAILED, Changer, Invitation, NoSuchUserError, NotPossibleError
from portal.parts import Needs, Parts

router = api_router()

UserId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/users", responses=declared(), summary=marked("Who has access to the office"))
async def list_users(caller: Reader, parts: Needs) -> Users:
    office_id = caller.office_id
    found = await parts.store.read(lambda reader: people.users_of(reader, office_id))
    return Users(users=[_shown(each, office_id) for each in found])


@router.post(
    "/users",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Invited,
    responses=declared(
        *ONCE, *("invalid_mail_address", "invalid_text", "last_manager", "of_customer_care")
    ),
    summary=marked("Invite somebody, who has access when they accept"),
)
async def invite_user(
    request: Request, wanted: InvitationWanted, caller: Manager, parts: Needs, once: OnlyOnce
) -> Response:
    async def invite() -> Invited:
        try:
            address = require_mail_address(wanted.address)
        except ValueError:
            raise ProblemError("invalid_mail_address") from None
        try:
            name = require_person_name(wanted.name)
        except ValueError:
            raise ProblemError("invalid_text") from None
        invitation = Invitation(address=address, name=name, role=Role(wanted.role))
        try:
            told = await members.invite(parts, _by(request, caller), invitation)
        except NotPossibleError as error:
            raise ProblemError(error.code) from None
        return Invited(address=address, mailed=told == MAILED)

    return await once(invite, HTTPStatus.ACCEPTED)


@router.patch(
    "/users/{user_id}",
    responses=declared("unknown_user", "last_manager", "of_customer_care"),
    summary=marked("Change the role of somebody"),
)
async def change_role(
    request: Request, user_id: UserId, wanted: RoleWanted, caller: Manager, parts: Needs
) -> UserShown:
    role = Role(wanted.role)
    await _carry_out(members.change_role(parts, _by(request, caller), user_id, role))
    return await _user(parts, caller, user_id)


@router.delete(
    "/users/{user_id}",
    responses=declared("unknown_user", "last_manager", "of_customer_care"),
    summary=marked("End the access of somebody, and every session with it"),
)
async def end_access(request: Request, user_id: UserId, caller: Manager, parts: Needs) -> Users:
    await _carry_out(members.end_access(parts, _by(request, caller), user_id))
    return await list_users(caller, parts)


@router.post(
    "/users/{user_id}/link",
    status_code=HTTPStatus.ACCEPTED,
    response_model=LinkSent,
    responses=declared(*ONCE, "unknown_user"),
    summary=marked("Send somebody a link with which they choose a password"),
)
async def send_link(
    request: Request, user_id: UserId, caller: Manager, parts: Needs, once: OnlyOnce
) -> Response:
    async def send() -> LinkSent:
        try:
            told = await members.send_link(parts, _by(request, caller), user_id)
        except NoSuchUserError:
            raise ProblemError("unknown_user") from None
        return LinkSent(mailed=told == MAILED)

    return await once(send, HTTPStatus.ACCEPTED)


def _by(request: Request, caller: Caller) -> Changer:
    return Changer(
        office_id=caller.office_id,
        actor=caller.actor,
        at=caller.at,
        client_address=caller.client_address,
        language=preferred(request.headers.get("accept-language", "")),
    )


async def _carry_out(change: Awaitable[None]) -> None:
    try:
        await change
    except NoSuchUserError:
        raise ProblemError("unknown_user") from None
    except NotPossibleError as error:
        raise ProblemError(error.code) from None


async def _user(parts: Parts, caller: Caller, user_id: int) -> UserShown:
    found = await parts.store.read(lambda reader: people.user_of(reader, user_id))
    if found is None or caller.office_id not in found.roles:
        raise ProblemError("unknown_user")
    return _shown(found, caller.office_id)


def _shown(user: User, office_id: str) -> UserShown:
    state = UserState.ACTIVE if user.password_hash else UserState.INVITED
    return UserShown(
        id=user.user_id,
        address=user.address,
        name=user.name,
        role=user.roles[office_id],
        state=UserState.DISABLED if user.disabled else state,
    )
