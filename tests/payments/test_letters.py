"""Every notice as a mail in both languages, compared with what a person has read and approved.

`python -m tests.payments.test_letters` writes the files anew; look at what changed.
"""

import re
import string
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from charging.notices import Notice, NoticeKind
from payments.letters import LANGUAGES, letter
from tests.fakes.clock import START

FOLDER = Path(__file__).parent / "mails"
FACTS: dict[str, str | int] = {
    "micros": 12_345_678,
    "currency": "GBP",
    "payment": "pay-1",
    "card": "visa 4242",
    "code": "insufficient_funds",
    "paused_for": "card",
    "receipt": "MAIN-000012",
    "refill": "armed",
    "count": 5,
    "name": "Anna",
    "link": "https://tollgate.example.com/welcome/token",
    "minutes": 15,
    "until": "2026-11-22T09:30:00+00:00",
}
EVERY = [(kind, language) for kind in NoticeKind for language in LANGUAGES]


def notice(kind: NoticeKind, facts: dict[str, str | int] | None = None) -> Notice:
    known = FACTS if facts is None else facts
    return Notice(key="k", office_id="main", kind=kind, at=START, facts=known)


def written(kind: NoticeKind, language: str) -> str:
    told = letter(notice(kind), language)
    return f"Subject: {told.subject}\n\n{told.text}"


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_mail_is_as_it_was_approved(kind: NoticeKind, language: str) -> None:
    approved = (FOLDER / f"{kind}.{language}.txt").read_text(encoding="utf-8")
    assert written(kind, language) == approved


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_mail_about_little_has_no_holes_that_are_not_filled(
    kind: NoticeKind, language: str
) -> None:
    told = letter(notice(kind, {}), language)
    assert not re.search(r"[{}]|None", told.subject + told.text)
    assert "\n" not in told.subject


def test_amounts_are_never_more_than_there_is() -> None:
    told = letter(notice(NoticeKind.LOW_BALANCE), "en")
    assert "£12.34" in told.subject
    assert "12,34\xa0£GB" in letter(notice(NoticeKind.LOW_BALANCE), "fr").subject


def test_another_language_is_english() -> None:
    assert letter(notice(NoticeKind.RECEIPT), "de") == letter(notice(NoticeKind.RECEIPT), "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_every_kind_are_there_and_of_no_other(language: str) -> None:
    text = resources.files("payments").joinpath("mails", f"{language}.toml").read_text("utf-8")
    words = tomllib.loads(text)
    assert set(words) - {"phrases"} == {str(kind) for kind in NoticeKind}
    assert set(_names(text)) <= {*FACTS, "office", "amount", "why"}


def _names(text: str) -> Iterator[str]:
    for _, name, _, _ in string.Formatter().parse(text.partition("[low_balance]")[2]):
        if name:
            yield name


if __name__ == "__main__":
    for kind, language in EVERY:
        file = FOLDER / f"{kind}.{language}.txt"
        file.write_text(written(kind, language), encoding="utf-8")
