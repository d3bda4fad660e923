"""Everything that a person reads is translated, and every amount and date is Babel's."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import portal
from portal.languages import DOMAIN, FOLDER, NAMES, load_catalogues, preferred
from portal.routes import audit
from portal.routes.audit import ACTIONS

ROOT = Path(portal.__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "marked": None,
    "say": None,
    "say_count": (1, 2),
}


def said_in_the_code() -> Catalog:
    found = Catalog()
    options = {"templates/**.html": {"encoding": "utf-8", "silent": "false", "trimmed": "true"}}
    for _, _, message, _, context in extract_from_dir(ROOT, METHODS, options, keywords=KEYWORDS):
        found.add(message, context=context)
    return found


def catalogue(language: str) -> Catalog:
    with (FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


@pytest.mark.parametrize("language", sorted(NAMES.keys() - {"en"}))
def test_every_text_is_translated_and_no_translation_is_left_over(language: str) -> None:
    """Red: `make texts`, then write what is empty."""
    said, translated = said_in_the_code(), catalogue(language)
    assert len(said) > 100
    assert {str(each.id) for each in said} == {str(each.id) for each in translated}
    for each in translated:
        assert all(texts_of(each.string)), each.id
        assert not each.fuzzy, each.id
    assert not translated.obsolete


def test_every_plural_names_the_number_that_it_goes_by() -> None:
    """Else it goes by the first value of the text, which may be an amount."""
    for file in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"{%-?\s*pluralize\s*-?%}", file.read_text(encoding="utf-8")), file


@pytest.mark.parametrize("language", sorted(NAMES.keys() - {"en"}))
def test_a_translation_takes_the_values_that_the_text_takes(language: str) -> None:
    for each in catalogue(language):
        if not each.id:
            continue
        wanted = {name for text in texts_of(each.id) for name in _values(text)}
        taken = {name for text in texts_of(each.string) for name in _values(text)}
        assert taken == wanted, each.id


def texts_of(said: object) -> tuple[str, ...]:
    """One, or one for each plural form."""
    return (said,) if isinstance(said, str) else tuple(map(str, said or ()))  # type: ignore[call-overload]


def _values(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("fr", "fr"),
        ("fr-CA,en;q=0.9", "fr"),
        ("de,en;q=0.7,fr;q=0.8", "fr"),
        ("de", "en"),
        ("", "en"),
        ("fr;q=x,en;q=0.1", "en"),
        ("," * 500, "en"),
    ],
)
def test_a_browser_gets_the_language_it_asks_for_first(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


def test_catalogues_are_read_from_their_source() -> None:
    assert load_catalogues()["fr"].gettext("Sign in") == "Se connecter"
    assert load_catalogues()["en"].gettext("Sign in") == "Sign in"


def test_every_change_that_is_recorded_has_its_words_in_the_audit_trail() -> None:
    """By the names in the code of whoever records: "refill.set"."""
    heads = "|".join({name.partition(".")[0] for name in ACTIONS} | {"topup"})
    recorded = set[str]()
    for package in ("charging", "db", "admin", "portal", "payments", "assembly"):
        for file in (ROOT.parent / package).rglob("*.py"):
            if file != Path(audit.__file__):
                text = file.read_text(encoding="utf-8")
                recorded |= set(re.findall(rf'"((?:{heads})\.[a-z]+(?:_[a-z]+)*)"', text))
    assert {name for name in recorded if not name.endswith(".html")} == set(ACTIONS)
