"""Extensions: what each phone may do and has spent; a manager sets what no file fixes."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response
from wtforms import StringField
from wtforms.validators import Length

from charging.errors import UnknownExtension
from charging.extension_settings import EXTENSION_RULES, NOTHING
from charging.extensions import DestinationClass, Extension
from charging.managers_settings import SettingChange
from charging.money import Money
from charging.provenance import Sourced
from db.reports import spent_this_month
from portal.access import ProvenManager, Reader, visit_in
from portal.extension_changes import is_fixed, look_at
from portal.forms import Choice, PortalForm, Several
from portal.languages import NAMES, marked
from portal.lists import sheet_of
from portal.money_forms import WRONG_AMOUNT
from portal.pages import done
from portal.parts import Needs, Parts
from portal.words import Words

router = APIRouter()

CLASSES: Final = {
    DestinationClass.INCLUDED: marked("Included in the plan"),
    DestinationClass.NATIONAL: marked("Paid, in the country"),
    DestinationClass.INTERNATIONAL: marked("Paid, abroad"),
    DestinationClass.PREMIUM: marked("Premium, service and directory numbers"),
}
WRONG: Final = {
    "name": marked("A name has up to 60 letters, digits, blanks and . ' ( ) & + -"),
    "language": marked("Choose one of the list."),
    "allow": marked("Choose one of the list."),
    "day_limit": WRONG_AMOUNT,
    "month_limit": WRONG_AMOUNT,
    "calls_at_once": marked("Write a whole number, such as 2."),
}
LIMIT: Final = "_limit"  # how the names of settings end that are amounts
_TEXT_MAX = 60


class ExtensionForm(PortalForm):
    name = StringField(validators=[Length(max=_TEXT_MAX)])
    language = Choice([("", marked("The office's")), *NAMES.items()], default="")
    allow = Several()
    day_limit = StringField(validators=[Length(max=_TEXT_MAX)])
    month_limit = StringField(validators=[Length(max=_TEXT_MAX)])
    calls_at_once = StringField(validators=[Length(max=_TEXT_MAX)])

    def wanted(self, name: str) -> str | None:
        """A setting as it was typed; None: not set."""
        if name == "allow":
            return ", ".join(self.allow.data or ()) or NOTHING
        text = str(self[name].data or "").strip()
        return text.replace(",", ".") if name.endswith(LIMIT) and text else text or None


@router.get("/extensions")
async def extensions(request: Request, visit: Reader, parts: Needs) -> Response:
    office = parts.offices.office(visit.office_id)
    spent = await parts.store.read(
        lambda reader: spent_this_month(
            reader,
            office_id=office.id,
            today=office.day_of(visit.at),
            currency=office.currency,
        )
    )
    return parts.pages.page(
        request,
        "extensions.html",
        sheet=sheet_of(parts.offices.extensions(office.id), request),
        spent=spent,
        nothing=Money(0, office.currency),
        classes=CLASSES,
        decimals=parts.pages.words(request).decimals(spent.values()),
    )


@router.get("/extensions/{endpoint}")
async def extension(request: Request, endpoint: str, _: Reader, parts: Needs) -> Response:
    return _page(request, parts, endpoint)


def _page(
    request: Request,
    parts: Parts,
    endpoint: str,
    *,
    status: int = HTTPStatus.OK,
    form: ExtensionForm | None = None,
) -> Response:
    said = _in_force(request, parts, endpoint)
    return parts.pages.page(
        request,
        "extension.html",
        status=status,
        extension=_extension(request, parts, endpoint),
        form=form or _filled(said, parts.pages.words(request)),
        fixed={name for name, setting in said.items() if is_fixed(setting)},
        said=said,
        classes=CLASSES,
        language_of=NAMES,
    )


def _in_force(request: Request, parts: Parts, endpoint: str) -> dict[str, Sourced]:
    """An extension of another office is not there."""
    try:
        return parts.offices.sources().in_force(visit_in(request).office_id, endpoint)
    except UnknownExtension:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None


def _extension(request: Request, parts: Parts, endpoint: str) -> Extension:
    office_id = visit_in(request).office_id
    found = {each.endpoint: each for each in parts.offices.extensions(office_id)}
    if endpoint not in found:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return found[endpoint]


def _filled(said: dict[str, Sourced], words: Words) -> ExtensionForm:
    texts = {
        name: words.typed(setting.text or "") if name.endswith(LIMIT) else setting.text or ""
        for name, setting in said.items()
    }
    classes = [word.strip() for word in texts["allow"].split(",")]
    return ExtensionForm(data=texts | {"allow": classes})


@router.post("/extensions/{endpoint}")
async def set_extension(
    request: Request, endpoint: str, visit: ProvenManager, parts: Needs
) -> Response:
    """Every setting is looked at before any is kept."""
    form = ExtensionForm(await request.form())
    said = _in_force(request, parts, endpoint)
    form.validate()
    typed = {name: form.wanted(name) for name in EXTENSION_RULES if not form[name].errors}
    looked_at = look_at(said, typed)
    for name in looked_at.wrong:
        form.refuse(form[name], WRONG[name])
    if form.problems():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _page(request, parts, endpoint, status=status, form=form)
    for name, value in looked_at.changes.items():
        change = SettingChange(
            office_id=visit.office_id,
            endpoint=endpoint,
            name=name,
            value=value,
            actor=visit.user.actor,
            at=visit.at,
        )
        await parts.change_setting(change, visit.client_address)
    return done(f"/extensions/{endpoint}", "saved")
