"""The password again, before what money and access depend on; then on with what was wanted."""

from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from db import people
from portal.access import Reader
from portal.forms import ProveForm
from portal.languages import marked
from portal.parts import Needs, parts_of
from portal.paths import own_path
from portal.sessions import client_of

router = APIRouter()

WRONG = marked("This is not your password.")
TOO_OFTEN = marked("Too many attempts. Wait a quarter of an hour.")


async def ask_for_password(request: Request, error: Exception) -> Response:
    """What becomes of a request whose sender typed the password too long ago.

    A form that was sent is kept: its fields are sent again with the password, and then go on to
    where they were to go.
    """
    del error
    kept = _kept(await request.form()) if request.method == "POST" else ()
    wanted = request.url.path
    if request.url.query:
        wanted = f"{wanted}?{request.url.query}"
    return parts_of(request).pages.page(
        request,
        "prove.html",
        form=ProveForm(),
        kept=kept,
        action=_action(wanted, sent=request.method == "POST"),
    )


@router.post("/prove")
async def prove(request: Request, visit: Reader, parts: Needs) -> Response:
    sent = await request.form()
    form = ProveForm(sent)
    wanted = own_path(request.query_params.get("next"))
    is_sent = request.query_params.get("sent") == "1"
    client, now = client_of(request).address, parts.now()
    if form.validate():
        may = await parts.store.write(
            lambda writer: people.may_attempt(
                writer, account=visit.user.address, client_address=client, now=now
            )
        )
        password = form.password.data or ""
        if may and await parts.passwords.matches(password, visit.user.password_hash):
            await parts.store.write(lambda writer: people.proved(writer, visit.session, now))
            # 307: the browser sends what was typed once more, to the page it was typed for.
            status = HTTPStatus.TEMPORARY_REDIRECT if is_sent else HTTPStatus.SEE_OTHER
            return RedirectResponse(wanted, status_code=status)
        form.refuse(form.password, WRONG if may else TOO_OFTEN)
    return parts.pages.page(
        request,
        "prove.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        form=form,
        kept=_kept(sent),
        action=_action(wanted, sent=is_sent),
    )


def _kept(sent: FormData) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in sent.multi_items()
        if isinstance(value, str) and name != "password"
    ]


def _action(wanted: str, *, sent: bool) -> str:
    return f"/prove?next={quote(wanted, safe='/')}&sent={int(sent)}"
