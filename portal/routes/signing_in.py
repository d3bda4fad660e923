"""Signing in and out, a forgotten password, and the page behind a mailed link."""

from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from charging.people import LinkPurpose, Offered, User
from db import people
from db.audit_trail import Change, record
from portal.access import PUBLIC, Reader
from portal.forms import ForgottenForm, NewPasswordForm, SignInForm
from portal.languages import NAMES, marked
from portal.pages import done
from portal.parts import Needs, Parts
from portal.paths import HOME, own_path
from portal.sessions import client_of

router = APIRouter()

WRONG = marked("The address or the password is not right.")
TOO_OFTEN = marked("Too many attempts. Wait a quarter of an hour, or have a link sent to you.")


async def ask_to_sign_in(request: Request, error: Exception) -> Response:
    """What becomes of a page that somebody wants who is not signed in."""
    del error
    wanted = request.url.path
    if request.method != "GET" or wanted == HOME:
        return RedirectResponse("/sign-in", status_code=HTTPStatus.SEE_OTHER)
    if request.url.query:
        wanted = f"{wanted}?{request.url.query}"
    return RedirectResponse(f"/sign-in?next={quote(wanted)}", status_code=HTTPStatus.SEE_OTHER)


@router.get("/sign-in", dependencies=[PUBLIC])
async def sign_in_page(request: Request, parts: Needs) -> Response:
    if await parts.sessions.visit(request) is not None:
        return RedirectResponse(HOME, status_code=HTTPStatus.SEE_OTHER)
    wanted = own_path(request.query_params.get("next"))
    return parts.pages.page(request, "sign_in.html", form=SignInForm(), next=wanted)


@router.post("/sign-in", dependencies=[PUBLIC])
async def sign_in(request: Request, parts: Needs) -> Response:
    sent = await request.form()
    form = SignInForm(sent)
    wanted = own_path(str(sent.get("next", "")))
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if form.validate():
        found = await _user_with_password(parts, request, form)
        if found is None:
            form.refuse(form.address, TOO_OFTEN)
            status = HTTPStatus.TOO_MANY_REQUESTS
        elif found:
            answer = RedirectResponse(wanted, status_code=HTTPStatus.SEE_OTHER)
            await parts.sessions.begin(answer, request, found[0])
            return answer
        else:
            form.refuse(form.address, WRONG)
    return parts.pages.page(request, "sign_in.html", status=status, form=form, next=wanted)


async def _user_with_password(
    parts: Parts, request: Request, form: SignInForm
) -> tuple[User, ...] | None:
    """The user whose password it is; nobody; or None: asked too often."""
    address, password = form.address.data or "", form.password.data or ""
    client, now = client_of(request).address, parts.now()
    if not await parts.store.write(
        lambda writer: people.may_attempt(writer, account=address, client_address=client, now=now)
    ):
        return None
    user = await parts.store.read(lambda reader: people.find_user(reader, address))
    hashed = None if user is None or user.disabled or not user.roles else user.password_hash
    if not await parts.passwords.matches(password, hashed) or user is None:
        return ()
    await parts.store.write(lambda writer: people.forget_attempts(writer, address))
    return (user,)


@router.post("/sign-out")
async def sign_out(visit: Reader, parts: Needs) -> Response:
    answer = done("/sign-in", "signed_out")
    await parts.sessions.end(answer, visit.session)
    return answer


@router.post("/language", dependencies=[PUBLIC])
async def choose_language(request: Request, parts: Needs) -> Response:
    """Of the person, where somebody is signed in, and of this browser."""
    sent = await request.form()
    language = str(sent.get("language", ""))
    answer = RedirectResponse(own_path(str(sent.get("next", ""))), status_code=HTTPStatus.SEE_OTHER)
    if language not in NAMES:
        return answer
    visit = await parts.sessions.visit(request)
    if visit is not None:
        user_id = visit.user.user_id
        await parts.store.write(lambda writer: people.set_language(writer, user_id, language))
    parts.sessions.remember_language(answer, language)
    return answer


@router.post("/office")
async def choose_office(request: Request, visit: Reader, parts: Needs) -> Response:
    """Go on in another office of the same person."""
    office_id = str((await request.form()).get("office", ""))
    if office_id in visit.user.roles:
        await parts.store.write(
            lambda writer: people.move_session(writer, visit.session, office_id)
        )
    return RedirectResponse(HOME, status_code=HTTPStatus.SEE_OTHER)


@router.get("/forgotten", dependencies=[PUBLIC])
async def forgotten_page(request: Request, parts: Needs) -> Response:
    return parts.pages.page(
        request, "forgotten.html", form=ForgottenForm(), mailed=parts.mail.is_sent
    )


@router.post("/forgotten", dependencies=[PUBLIC])
async def forgotten(request: Request, parts: Needs) -> Response:
    """Says the same whether or not the address has access."""
    form = ForgottenForm(await request.form())
    if not parts.mail.is_sent:
        status = HTTPStatus.CONFLICT
        return parts.pages.page(request, "forgotten.html", status=status, form=form, mailed=False)
    if not form.validate():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return parts.pages.page(request, "forgotten.html", status=status, form=form, mailed=True)
    address, client, now = form.address.data or "", client_of(request).address, parts.now()
    may = await parts.store.write(
        lambda writer: people.may_attempt(
            writer, account=f"link:{address}", client_address=client, now=now
        )
    )
    user = await parts.store.read(lambda reader: people.find_user(reader, address))
    if may and user is not None and not user.disabled:
        office_id, language = next(iter(user.roles), ""), parts.pages.language(request)
        await parts.mail.send_link(user, LinkPurpose.RESET, office_id=office_id, language=language)
    return done("/sign-in", "link_sent")


@router.get("/welcome/{token}", dependencies=[PUBLIC])
async def welcome_page(request: Request, token: str, parts: Needs) -> Response:
    """Looking at the page does not use the link up: some mail servers look at every link."""
    now = parts.now()
    user, offered = await parts.store.read(lambda reader: _behind(reader, token, now))
    if user is None:
        return _link_does_not_work(request, parts)
    return _welcome(request, parts, NewPasswordForm(), user, offered)


def _behind(reader: Connection, token: str, now: datetime) -> tuple[User | None, Offered | None]:
    return people.user_of_link(reader, token, now), people.offered_by(reader, token)


def _welcome(  # noqa: PLR0913, PLR0917 - what the page is made of
    request: Request,
    parts: Parts,
    form: NewPasswordForm,
    user: User,
    offered: Offered | None,
    status: int = HTTPStatus.OK,
) -> Response:
    """Who has a password already keeps it, and only says yes."""
    template = "welcome.html" if user.password_hash is None or offered is None else "accept.html"
    return parts.pages.page(request, template, status=status, form=form, user=user, offered=offered)


@router.post("/welcome/{token}", dependencies=[PUBLIC])
async def choose_password(request: Request, token: str, parts: Needs) -> Response:
    """Set the password, end every session of that user, and sign in; or accept what is offered."""
    form = NewPasswordForm(await request.form())
    now = parts.now()
    user, offered = await parts.store.read(lambda reader: _behind(reader, token, now))
    if user is None:
        return _link_does_not_work(request, parts)
    if offered is not None and user.password_hash is not None:
        return await _accept(request, parts, token)
    if not form.validate():
        return _welcome(request, parts, form, user, offered, HTTPStatus.UNPROCESSABLE_ENTITY)
    hashed = await parts.passwords.hash(form.password.data or "")
    client = client_of(request).address

    def change(writer: Connection) -> User | None:
        user = people.use_link(writer, token, now)
        if user is None:
            return None
        people.set_password(writer, user.user_id, hashed)
        people.end_sessions(writer, user.user_id, now)
        people.forget_attempts(writer, user.address)
        if offered is not None:
            record(writer, _accepted(user, offered, now, client))
        for office_id in user.roles:
            record(
                writer,
                Change(
                    office_id=office_id,
                    at=now,
                    actor=user.actor,
                    action="password.set",
                    subject=user.address,
                    client_address=client,
                ),
            )
        return user

    user = await parts.store.write(change)
    if user is None or not user.roles:
        return _link_does_not_work(request, parts)
    answer = done(HOME, "password_set")
    await parts.sessions.begin(answer, request, user)
    return answer


async def _accept(request: Request, parts: Parts, token: str) -> Response:
    """Nobody is signed in by it: the link proves the address, and not the password."""
    now, client = parts.now(), client_of(request).address

    def change(writer: Connection) -> User | None:
        offered, user = people.offered_by(writer, token), people.use_link(writer, token, now)
        if user is not None and offered is not None:
            record(writer, _accepted(user, offered, now, client))
        return user

    if await parts.store.write(change) is None:
        return _link_does_not_work(request, parts)
    return done("/sign-in", "accepted")


def _accepted(user: User, offered: Offered, at: datetime, client_address: str) -> Change:
    return Change(
        office_id=offered.office_id,
        at=at,
        actor=user.actor,
        action="user.accept",
        subject=user.address,
        after=offered.role.value,
        client_address=client_address,
    )


def _link_does_not_work(request: Request, parts: Parts) -> Response:
    return parts.pages.page(request, "link_ended.html", status=HTTPStatus.GONE)
