"""Users of an office: who has access, invitations, roles; and one's own sign-ins."""

from collections.abc import Awaitable
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from charging.people import Role
from db import people
from portal import members
from portal.access import ProvenManager, Reader, Visit, visit_in
from portal.forms import InviteForm, RoleForm
from portal.lists import ROWS, Sheet, sheet_number
from portal.members import (
    WHY_NOT,
    Changer,
    Invitation,
    NoSuchUserError,
    NotPossibleError,
)
from portal.pages import NOT_INVITED, done
from portal.parts import Needs, Parts

router = APIRouter()


@router.get("/users")
async def users(request: Request, _: Reader, parts: Needs) -> Response:
    return await _page(request, parts, InviteForm())


async def _page(
    request: Request, parts: Needs, form: InviteForm, *, status: int = 200, refused: str = ""
) -> Response:
    office_id = visit_in(request).office_id
    number = sheet_number(request)
    places = slice((number - 1) * ROWS, number * ROWS + 1)  # one more than is shown
    found = await parts.store.read(lambda reader: people.users_of(reader, office_id, places=places))
    listed = Sheet(found[:ROWS], number, has_next=len(found) > ROWS)
    return parts.pages.page(
        request,
        "users.html",
        status=status,
        sheet=listed,
        form=form,
        refused=refused,
        mailed=parts.mail.is_sent,
        not_invited=NOT_INVITED,
    )


@router.post("/users")
async def invite(request: Request, visit: ProvenManager, parts: Needs) -> Response:
    form = InviteForm(await request.form())
    if not form.validate():
        return await _page(request, parts, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    invitation = Invitation(
        address=form.address.data or "", name=form.name.data or "", role=Role(form.role.data)
    )
    try:
        notice = await members.invite(parts, _by(request, visit, parts), invitation)
    except NotPossibleError as error:
        form.refuse(form.address, WHY_NOT[error.code])
        return await _page(request, parts, form, status=HTTPStatus.CONFLICT)
    return done("/users", notice)


def _by(request: Request, visit: Visit, parts: Parts) -> Changer:
    return Changer(
        office_id=visit.office_id,
        actor=visit.user.actor,
        at=visit.at,
        client_address=visit.client_address,
        language=parts.pages.language(request),
    )


@router.post("/users/{user_id}/role")
async def change_role(
    request: Request, user_id: int, visit: ProvenManager, parts: Needs
) -> Response:
    form = RoleForm(await request.form())
    if not form.validate():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    by, role = _by(request, visit, parts), Role(form.role.data)
    change = members.change_role(parts, by, user_id, role)
    return await _carry_out(request, parts, change, "role_changed")


@router.post("/users/{user_id}/end")
async def end_access(
    request: Request, user_id: int, visit: ProvenManager, parts: Needs
) -> Response:
    change = members.end_access(parts, _by(request, visit, parts), user_id)
    return await _carry_out(request, parts, change, "access_ended")


@router.post("/users/{user_id}/invite")
async def invite_again(
    request: Request, user_id: int, visit: ProvenManager, parts: Needs
) -> Response:
    """Send the link once more, to somebody who has no password yet or has forgotten it."""
    try:
        return done("/users", await members.send_link(parts, _by(request, visit, parts), user_id))
    except NoSuchUserError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None


@router.post("/sessions/end-others")
async def end_other_sessions(visit: Reader, parts: Needs) -> Response:
    await parts.store.write(
        lambda writer: people.end_sessions(writer, visit.user.user_id, visit.at, but=visit.session)
    )
    return done("/users", "sessions_ended")


async def _carry_out(
    request: Request, parts: Parts, change: Awaitable[None], notice: str
) -> Response:
    try:
        await change
    except NoSuchUserError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    except NotPossibleError as error:
        return await _page(
            request, parts, InviteForm(), status=HTTPStatus.CONFLICT, refused=WHY_NOT[error.code]
        )
    return done("/users", notice)
