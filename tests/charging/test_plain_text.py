import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.plain_text import escaped, is_plain, require_plain


@pytest.mark.parametrize(
    "text", ["", "France mobile", "Côte d'Ivoire — £1 \u20ac", "日本", "a\u00a0b"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert is_plain(text)
    assert escaped(text) == text
    require_plain(text, "a note")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\tc", r"a\x0ab\x09c"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202e0012", r"\u202e0012"),
        ("a\u2028b\ufeff", r"a\u2028b\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_change_a_terminal_is_written_out_and_refused(text: str, shown: str) -> None:
    assert escaped(text) == shown
    with pytest.raises(ValueError, match="a note holds a character") as refused:
        require_plain(text, "a note")
    assert is_plain(str(refused.value))


@given(st.text())
def test_nothing_escapes(text: str) -> None:
    shown = escaped(text)
    assert is_plain(shown)
    assert not any(unicodedata.category(char).startswith("C") for char in shown)
