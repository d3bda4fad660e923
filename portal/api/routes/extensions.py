"""Extensions: what each phone may do and has spent; a manager sets what no file fixes."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from charging.errors import UnknownExtension
from charging.extension_settings import NOTHING
from charging.extensions import DestinationClass, Extension
from charging.managers_settings import SettingChange
from charging.money import Money, parse_money
from charging.provenance import FromFile, FromManager, Sourced
from db.reports import spent_this_month
from portal.api.access import Caller, Manager, Reader
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.api.values import Amount, Answer, Id, Language, Wanted, amount_of
from portal.extension_changes import is_fixed, look_at
from portal.languages import marked
from portal.parts import Needs, Parts

router = api_router()

_CALLS_MAX = 999_999


class SaidBy(StrEnum):
    """Who says a setting: what a file says cannot be set here."""

    FILE = "file"
    MANAGER = "manager"
    NOBODY = "nobody"


class ExtensionShown(Answer):
    endpoint: str
    extension: str = Field(description="What colleagues dial.")
    enabled: bool
    name: str
    language: str | None
    allow: list[DestinationClass]
    day_limit: Amount | None
    month_limit: Amount | None
    calls_at_once: int | None
    said_by: dict[str, SaidBy]
    spent_this_month: Amount


class Extensions(Answer):
    extensions: list[ExtensionShown]


class ExtensionWanted(Wanted):
    """What is left out stays as it is; null is as nobody sets it."""

    name: Annotated[str, Field(max_length=60)] | None = None
    language: Language | None = None
    allow: list[DestinationClass] | None = Field(default=None, max_length=len(DestinationClass))
    day_limit: Amount | None = None
    month_limit: Amount | None = None
    calls_at_once: Annotated[int, Field(ge=0, le=_CALLS_MAX)] | None = None


@router.get(
    "/extensions",
    responses=declared(),
    summary=marked("Every extension: what it may do, and what it has spent"),
)
async def list_extensions(caller: Reader, parts: Needs) -> Extensions:
    spent = await _spent(parts, caller)
    known = parts.offices.extensions(caller.office_id)
    return Extensions(extensions=[_shown(parts, caller, each, spent) for each in known])


@router.get(
    "/extensions/{endpoint}",
    responses=declared("unknown_extension"),
    summary=marked("One extension"),
)
async def show_extension(endpoint: Id, caller: Reader, parts: Needs) -> ExtensionShown:
    found = _extension(parts, caller, endpoint)
    return _shown(parts, caller, found, await _spent(parts, caller))


@router.patch(
    "/extensions/{endpoint}",
    responses=declared(
        *("unknown_extension", "set_by_file", "invalid_setting", "invalid_amount"),
        "currency_mismatch",
    ),
    summary=marked("Set what no file fixes of an extension"),
)
async def set_extension(
    endpoint: Id, wanted: ExtensionWanted, caller: Manager, parts: Needs
) -> ExtensionShown:
    _extension(parts, caller, endpoint)
    said = _in_force(parts, caller, endpoint)
    texts = dict(_texts(wanted, parts.offices.office(caller.office_id).currency))
    if any(is_fixed(said[name]) and text != said[name].text for name, text in texts.items()):
        raise ProblemError("set_by_file")
    looked_at = look_at(said, texts)
    if looked_at.wrong:
        raise ProblemError("invalid_setting")
    for name, value in looked_at.changes.items():
        change = SettingChange(
            office_id=caller.office_id,
            endpoint=endpoint,
            name=name,
            value=value,
            actor=caller.actor,
            at=caller.at,
        )
        await parts.change_setting(change, caller.client_address)
    return await show_extension(endpoint, caller, parts)


def _texts(wanted: ExtensionWanted, currency: str) -> Iterator[tuple[str, str | None]]:
    """Each setting that was sent, as one would type it."""
    for name in wanted.model_fields_set:
        match getattr(wanted, name):
            case None:
                yield name, None
            case Amount() as amount:
                yield name, str(_not_negative(amount, currency)).partition(" ")[0]
            case list() as classes:
                yield name, ", ".join(classes) or NOTHING
            case value:
                yield name, str(value)


def _not_negative(amount: Amount, currency: str) -> Money:
    money = amount.money(currency)
    if money.micros < 0:
        raise ProblemError("invalid_amount")
    return money


def _extension(parts: Parts, caller: Caller, endpoint: str) -> Extension:
    """An extension of another office is not there."""
    known = {each.endpoint: each for each in parts.offices.extensions(caller.office_id)}
    if endpoint not in known:
        raise ProblemError("unknown_extension")
    return known[endpoint]


def _in_force(parts: Parts, caller: Caller, endpoint: str) -> Mapping[str, Sourced]:
    try:
        return parts.offices.sources().in_force(caller.office_id, endpoint)
    except UnknownExtension:
        raise ProblemError("unknown_extension") from None


async def _spent(parts: Parts, caller: Caller) -> Mapping[str, Money]:
    office = parts.offices.office(caller.office_id)
    spent: Mapping[str, Money] = await parts.store.read(
        lambda reader: spent_this_month(
            reader,
            office_id=office.id,
            today=office.day_of(caller.at),
            currency=office.currency,
        )
    )
    return spent


_SAID_BY: Final[Mapping[type, SaidBy]] = {
    FromFile: SaidBy.FILE,
    FromManager: SaidBy.MANAGER,
}


def _shown(
    parts: Parts, caller: Caller, extension: Extension, spent: Mapping[str, Money]
) -> ExtensionShown:
    said = _in_force(parts, caller, extension.endpoint)
    currency = parts.offices.office(caller.office_id).currency
    classes, at_once = said["allow"].text or NOTHING, said["calls_at_once"].text
    return ExtensionShown(
        endpoint=extension.endpoint,
        extension=extension.number,
        enabled=extension.enabled,
        name=said["name"].text or extension.number,
        language=said["language"].text,
        allow=[] if classes == NOTHING else [*map(DestinationClass, classes.split(", "))],
        day_limit=_limit(said["day_limit"], currency),
        month_limit=_limit(said["month_limit"], currency),
        calls_at_once=None if at_once is None else int(at_once),
        said_by={
            name: _SAID_BY.get(type(setting.origin), SaidBy.NOBODY)
            for name, setting in said.items()
        },
        spent_this_month=amount_of(spent.get(extension.endpoint, Money(0, currency))),
    )


def _limit(setting: Sourced, currency: str) -> Amount | None:
    return None if setting.text is None else amount_of(parse_money(setting.text, currency))
