"""Whom receipts name, and forms for cards, as the API shows and takes them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from portal.api.money_models import CardShown
from portal.api.values import Answer, Language, Wanted
from portal.money_forms import LINE_MAX, LINES_MAX

Line = Annotated[str, Field(max_length=LINE_MAX)]
ShortLine = Annotated[str, Field(max_length=40)]


class BuyerShown(Answer):
    name: str
    address: list[str]
    vat_number: str
    registration: str
    language: Language


class Billing(Answer):
    card: CardShown | None
    buyer: BuyerShown | None


class BuyerWanted(Wanted):
    name: Line = Field(min_length=1)
    address: list[Line] = Field(default=[], max_length=LINES_MAX)
    vat_number: ShortLine = ""
    registration: ShortLine = Field(default="", description="Such as a company number, or SIRET.")
    language: Language = Language.ENGLISH


class CardFormState(StrEnum):
    ASKED = "asked"
    OPEN = "open"
    SAVED = "saved"
    NOT_SAVED = "not_saved"


class CardFormShown(Answer):
    id: str
    state: CardFormState
    page: str | None = Field(description="The card processor's own, for a person's browser.")
    code: str = Field(description="Why no card was saved.")
