"""Users of an office: who has access, invitations, roles; and one's own sign-ins."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import Connection
from starlette.responses import Response

from charging.people import LinkPurpose, Role, User
from db import people
from db.audit_trail import Change, record
from portal.access import ProvenManager, Reader, Visit, visit_in
from portal.forms import InviteForm, RoleForm
from portal.languages import marked
from portal.lists import ROWS, Sheet, sheet_number
from portal.pages import done
from portal.parts import Needs

router = APIRouter()

LAST_MANAGER = marked("An office keeps at least one manager.")
OF_CUSTOMER_CARE = marked("Customer care is given access by the operator.")


class NotPossibleError(Exception):
    """Said beside the form, in words that are translated."""


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
    )


@router.post("/users")
async def invite(request: Request, visit: ProvenManager, parts: Needs) -> Response:
    form = InviteForm(await request.form())
    if not form.validate():
        return await _page(request, parts, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    address, name = form.address.data or "", form.name.data or ""
    role = Role(form.role.data)

    def change(writer: Connection) -> User:
        known = people.find_user(writer, address)
        user_id = (
            known.user_id
            if known
            else people.add_user(writer, address=address, name=name, at=visit.at)
        )
        if known is not None and visit.office_id in known.roles:
            _require_changeable(writer, known, visit.office_id, role)
        people.give_role(writer, user_id, visit.office_id, role)
        record(writer, _change(visit, "user.invite", address, after=role.value))
        user = people.user_of(writer, user_id)
        if user is None:
            raise NotPossibleError
        return user

    try:
        user = await parts.store.write(change)
    except NotPossibleError as error:
        form.refuse(form.address, str(error))
        return await _page(request, parts, form, status=HTTPStatus.CONFLICT)
    if user.password_hash is None:
        return await _send_link(request, parts, user, LinkPurpose.INVITATION)
    return done("/users", "invited_known")


async def _send_link(request: Request, parts: Needs, user: User, purpose: LinkPurpose) -> Response:
    """Or say who can make one, where no mail is sent."""
    if not parts.mail.is_sent:
        return done("/users", "not_mailed")
    office_id, language = visit_in(request).office_id, parts.pages.language(request)
    await parts.mail.send_link(user, purpose, office_id=office_id, language=language)
    return done("/users", "invited")


@router.post("/users/{user_id}/role")
async def change_role(
    request: Request, user_id: int, visit: ProvenManager, parts: Needs
) -> Response:
    form = RoleForm(await request.form())
    if not form.validate():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    role = Role(form.role.data)

    def change(writer: Connection) -> None:
        user = _of_office(writer, user_id, visit.office_id)
        _require_changeable(writer, user, visit.office_id, role)
        before = user.roles[visit.office_id].value
        people.give_role(writer, user_id, visit.office_id, role)
        told = _change(visit, "user.role", user.address, before=before, after=role.value)
        record(writer, told)

    return await _carry_out(request, parts, change, "role_changed")


@router.post("/users/{user_id}/end")
async def end_access(
    request: Request, user_id: int, visit: ProvenManager, parts: Needs
) -> Response:
    def change(writer: Connection) -> None:
        user = _of_office(writer, user_id, visit.office_id)
        _require_changeable(writer, user, visit.office_id, None)
        before = user.roles[visit.office_id].value
        people.take_role(writer, user_id, visit.office_id)
        record(writer, _change(visit, "user.end", user.address, before=before))

    return await _carry_out(request, parts, change, "access_ended")


@router.post("/users/{user_id}/invite")
async def invite_again(
    request: Request, user_id: int, visit: ProvenManager, parts: Needs
) -> Response:
    """Send the link once more, to somebody who has no password yet or has forgotten it."""
    user = await parts.store.read(lambda reader: _of_office(reader, user_id, visit.office_id))
    purpose = LinkPurpose.INVITATION if user.password_hash is None else LinkPurpose.RESET
    await parts.store.write(
        lambda writer: record(writer, _change(visit, "user.link", user.address))
    )
    return await _send_link(request, parts, user, purpose)


@router.post("/sessions/end-others")
async def end_other_sessions(visit: Reader, parts: Needs) -> Response:
    await parts.store.write(
        lambda writer: people.end_sessions(writer, visit.user.user_id, visit.at, but=visit.session)
    )
    return done("/users", "sessions_ended")


async def _carry_out(
    request: Request,
    parts: Needs,
    change: Callable[[Connection], None],
    notice: str,
) -> Response:
    try:
        await parts.store.write(change)
    except NotPossibleError as error:
        return await _page(
            request, parts, InviteForm(), status=HTTPStatus.CONFLICT, refused=str(error)
        )
    return done("/users", notice)


def _of_office(reader: Connection, user_id: int, office_id: str) -> User:
    """A user of another office is nobody here."""
    user = people.user_of(reader, user_id)
    if user is None or office_id not in user.roles:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return user


def _require_changeable(reader: Connection, user: User, office_id: str, role: Role | None) -> None:
    if user.roles.get(office_id) is Role.CUSTOMER_CARE:
        raise NotPossibleError(OF_CUSTOMER_CARE)
    managers = [
        each.user_id
        for each in people.users_of(reader, office_id)
        if each.roles[office_id] is Role.MANAGER and not each.disabled
    ]
    if role is not Role.MANAGER and managers == [user.user_id]:
        raise NotPossibleError(LAST_MANAGER)


def _change(visit: Visit, action: str, subject: str, before: str = "", after: str = "") -> Change:
    return Change(
        office_id=visit.office_id,
        at=visit.at,
        actor=visit.user.actor,
        action=action,
        subject=subject,
        before=before,
        after=after,
        client_address=visit.client_address,
    )
