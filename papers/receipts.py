"""A receipt, a credit or a debit note as a page of its own, and as PDF, in the reader's language.

The page is whole: it needs no style sheet, no font and no picture from anywhere else.
"""

import tomllib
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from functools import lru_cache
from importlib import resources

from babel.dates import format_date
from babel.numbers import format_currency, format_percent
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from charging.money import MICROS_PER_UNIT, Money
from charging.receipts import PERCENT, Receipt, ReceiptKind, VatAt

LANGUAGES = ("en", "fr")
_LOCALES = {"en": "en_GB", "fr": "fr_FR"}


class NoPdfError(Exception):
    """A PDF cannot be made here; the message says what is missing."""


def receipt_page(receipt: Receipt, *, zone: tzinfo, language: str | None = None) -> str:
    """HTML that prints on one sheet.

    Args:
        receipt: what was issued.
        zone: the office's, whose day it was.
        language: another one than the receipt was issued in.
    """
    known = language or receipt.language
    chosen = known if known in LANGUAGES else "en"
    words, locale = _words(chosen), _LOCALES[chosen]
    kind = str(receipt.kind)
    back = receipt.kind is ReceiptKind.CREDIT_NOTE
    shows_vat = receipt.vat_basis_points is not None
    of_name = None if receipt.of_number is None else receipt.name_of(receipt.of_number)
    day = receipt.at.astimezone(zone).date()
    return _template().render(
        receipt=receipt,
        language=chosen,
        words=words,
        heading=words[kind],
        what=words[f"what_{kind}"],
        total_word=words[f"total_{kind}"],
        day=format_date(day, format="long", locale=locale),
        about="" if of_name is None else words[f"of_{kind}"].format(number=of_name),
        net=_amount(receipt.net, locale),
        vat=_amount(receipt.vat, locale) if shows_vat else "",
        percent=_percent(receipt.vat_basis_points or 0, locale),
        total=_amount(receipt.total, locale),
        card_line=words["to_card" if back else "by_card"].format(card=receipt.card),
        on_use=receipt.vat_at is VatAt.USE and bool(receipt.seller.vat_number),
    )


def receipt_pdf(receipt: Receipt, *, zone: tzinfo, language: str | None = None) -> bytes:
    """The same page as PDF.

    Raises:
        NoPdfError: this system lacks what draws it.
    """
    try:  # two seconds to load, so only where a PDF is made
        from weasyprint import HTML  # noqa: PLC0415
    except OSError as error:  # it draws with libraries of the system
        raise NoPdfError(
            f"a PDF needs Pango: apt install libpango-1.0-0 libpangoft2-1.0-0 ({error})"
        ) from error
    page = receipt_page(receipt, zone=zone, language=language)
    drawn = HTML(string=page, url_fetcher=_fetch_nothing).write_pdf(pdf_variant="pdf/ua-1")
    if not isinstance(drawn, bytes):
        raise NoPdfError("nothing was drawn")
    return drawn


def _fetch_nothing(url: str, **_: object) -> dict[str, object]:
    raise ValueError(f"a receipt fetches nothing: {url}")


def _amount(amount: Money, locale: str) -> str:
    units = Decimal(amount.micros) / MICROS_PER_UNIT
    return format_currency(units, amount.currency, locale=locale)


def _percent(basis_points: int, locale: str) -> str:
    share = Decimal(basis_points) / PERCENT
    form = "#,##0.##\xa0%" if locale == "fr_FR" else "#,##0.##%"
    return format_percent(share, format=form, locale=locale)


@lru_cache
def _words(language: str) -> Mapping[str, str]:
    return tomllib.loads(resources.files("papers").joinpath(f"{language}.toml").read_text("utf-8"))


@lru_cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("papers", ""), undefined=StrictUndefined, autoescape=True
    )
    return environment.get_template("receipt.html")
