"""A country is its ISO 3166 code in capitals; whatever else is written is refused with the code."""

import phonenumbers
import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from charging.countries import require_country
from charging.numbering import Site

CODES = sorted(phonenumbers.SUPPORTED_REGIONS)
NAMES = {code: name for code, name in Locale("en").territories.items() if code in set(CODES)}


@given(st.sampled_from(CODES))
def test_every_code_is_accepted_as_it_is_and_in_no_other_spelling(code: str) -> None:
    assert require_country(code) == code
    for other in (code.lower(), f" {code}", f"{code} ", NAMES[code], NAMES[code].upper()):
        with pytest.raises(ValueError, match=f'write "{code}"'):
            require_country(other)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("UK", "GB"), ("uk", "GB"), ("GBR", "GB"), ("44", "GB"), ("+44", "GB"), ("0044", "GB")),
        *(("England", "GB"), ("Great Britain", "GB"), ("Royaume-Uni", "GB"), ("fra", "FR")),
        *(("33", "FR"), ("France", "FR"), ("Deutschland", "DE"), ("U.S.A.", "US"), ("U.S.", "US")),
    ],
)
def test_what_people_write_instead_is_refused_with_the_code(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f'write "{meant}"'):
        require_country(written)


@pytest.mark.parametrize("written", ["", " ", "XX", "ZZ", "EU", "AQ", "SU", "٤٤", "G B"])
def test_what_could_mean_anything_is_refused_without_a_guess(written: str) -> None:
    with pytest.raises(ValueError, match='such as "GB" or "FR"'):
        require_country(written)


@given(st.text(max_size=20))
def test_no_other_text_becomes_a_site(text: str) -> None:
    if text in CODES:
        return
    with pytest.raises(ValueError, match="is not the ISO 3166 code"):
        Site(country=text)
