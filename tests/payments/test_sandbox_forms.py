"""Forms as Stripe's library writes them, and the words of the sandbox's pages."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.sandbox_server.cards import CARDS, card_of
from payments.sandbox_server.forms import parsed
from payments.sandbox_server.languages import FOLDER, words_in


def test_tables_and_lists_are_read() -> None:
    assert parsed("a=1&b[c]=2&b[d][e]=x%20y&f[]=1&f[]=2&g[0]=z&h=") == {
        "a": "1",
        "b": {"c": "2", "d": {"e": "x y"}},
        "f": ["1", "2"],
        "g": ["z"],
        "h": "",
    }


@pytest.mark.parametrize("text", ["a=1&a[b]=2", "a[b]=1&a[b][c]=2", "&".join(["a=1"] * 300)])
def test_what_is_no_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"text and a table|number of fields"):
        parsed(text)


@given(st.text(alphabet="ab[]=&0%", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed(text)
    except ValueError:
        return


def test_every_language_has_every_word_of_the_sandbox() -> None:
    keys = {
        file.stem: tomllib.loads(file.read_text(encoding="utf-8")).keys()
        for file in FOLDER.glob("*.toml")
    }
    assert keys.keys() == {"en", "fr"}
    assert keys["en"] == keys["fr"]
    assert {card.name for card in CARDS} <= keys["en"]


@pytest.mark.parametrize(
    ("asked", "language"), [("fr-FR,fr;q=0.9", "fr"), ("FR", "fr"), ("de", "en"), ("..", "en")]
)
def test_a_language_that_is_not_there_is_english(asked: str, language: str) -> None:
    assert words_in(asked)["language"] == language


def test_no_real_card_is_a_card_of_the_sandbox() -> None:
    """Test numbers of the schemes begin 4000 00, 4242 or 5555 5555; nobody else has them."""
    assert all(card.number.startswith(("40000000", "400000", "4242", "5555")) for card in CARDS)
    assert len({card.number for card in CARDS}) == len(CARDS)
    assert card_of("4111111111111111") is None
