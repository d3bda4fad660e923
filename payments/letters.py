"""PURE: a notice as a mail in the reader's language; amounts and dates by Babel."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from importlib import resources

from babel.dates import format_datetime
from babel.numbers import format_currency

from charging.money import MICROS_PER_UNIT
from charging.notices import Notice

LANGUAGES = ("en", "fr")
_LOCALES = {"en": "en_GB", "fr": "fr_FR"}
_CENT_MICROS = 10_000
_TEXTS = ("payment", "card", "code", "count", "receipt", "name", "link", "minutes")


@dataclass(frozen=True, slots=True)
class Letter:
    subject: str
    text: str


def letter(notice: Notice, language: str) -> Letter:
    """Another language than those of LANGUAGES is English."""
    known = language if language in LANGUAGES else "en"
    words = _words(known)
    fields = _fields(notice, words["phrases"], known)
    form = words[str(notice.kind)]
    body = "\n".join(line.rstrip() for line in form["text"].strip().format(**fields).split("\n"))
    return Letter(
        subject=form["subject"].format(**fields),
        text=f"{words['phrases']['greeting']}\n\n{body.strip()}\n",
    )


@lru_cache
def _words(language: str) -> Mapping[str, Mapping[str, str]]:
    text = resources.files("payments").joinpath("mails", f"{language}.toml").read_text("utf-8")
    return tomllib.loads(text)


def _fields(notice: Notice, phrases: Mapping[str, str], language: str) -> dict[str, str]:
    """Every word that a text may name; what a notice does not say is empty."""
    facts = notice.facts
    known = {name: str(facts.get(name, "")) for name in _TEXTS}
    receipt = known["receipt"]
    return known | {
        "office": notice.office_id,
        "amount": _amount(facts, language),
        "until": _moment(facts, language),
        "why": phrases.get(f"why_{facts.get('paused_for', '')}", ""),
        "refill": phrases.get(f"refill_{facts.get('refill', '')}", ""),
        "receipt": phrases["receipt"].format(receipt=receipt) if receipt else "",
    }


def _amount(facts: Mapping[str, str | int], language: str) -> str:
    """Whole cents, rounded down: never more than the ledger holds."""
    micros, currency = facts.get("micros"), facts.get("currency")
    if not isinstance(micros, int) or not isinstance(currency, str):
        return ""
    cents = micros // _CENT_MICROS * _CENT_MICROS
    return format_currency(Decimal(cents) / MICROS_PER_UNIT, currency, locale=_LOCALES[language])


def _moment(facts: Mapping[str, str | int], language: str) -> str:
    until = facts.get("until")
    if not isinstance(until, str):
        return ""
    return format_datetime(
        datetime.fromisoformat(until), "d MMMM y, HH:mm 'UTC'", locale=_LOCALES[language]
    )
