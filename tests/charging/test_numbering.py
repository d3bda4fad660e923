import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.errors import InvalidNumber
from charging.kinds import LineKind
from charging.numbering import Number, Site, emergency_numbers, parse_number

UK = Site(country="GB")
FRANCE = Site(country="FR")


def parsed(dialled: str, site: Site = UK) -> tuple[str, str, LineKind]:
    number = parse_number(dialled, site)
    return number.digits, number.country, number.kind


def kind_of(dialled: str, site: Site = UK) -> LineKind:
    return parse_number(dialled, site).kind


def is_invalid(dialled: str, site: Site = UK) -> bool:
    try:
        parse_number(dialled, site)
    except InvalidNumber:
        return True
    return False


# --- what a number is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dialled",
    [
        *("0033&PJSIP/x@trunk", "500&PJSIP/itsp/14165551212", "", "+", "1", "0", "+1"),
        *("0033 1", "0033-1", "٠١٢٣", "0033\n", "++33", "33+1", "*100", "#", "a", "1" * 21),
    ],
)
def test_nothing_but_digits_and_one_plus_in_front_goes_further(dialled: str) -> None:
    assert is_invalid(dialled)


@given(st.text(max_size=30))
def test_whatever_is_dialled_is_a_number_or_refused_as_invalid(dialled: str) -> None:
    for site in (UK, FRANCE, Site(country="DE", outside_line_prefix="0")):
        try:
            number = parse_number(dialled, site)
        except InvalidNumber:
            continue
        assert number.dial_string.isascii()
        assert number.dial_string.isdecimal()


@given(st.text("0123456789", min_size=2, max_size=20), st.sampled_from(["", "0", "9"]))
def test_digits_never_make_anything_but_digits(dialled: str, prefix: str) -> None:
    for country in ("GB", "FR", "US"):
        try:
            number = parse_number(dialled, Site(country=country, outside_line_prefix=prefix))
        except InvalidNumber:
            continue
        assert number.digits.isdecimal()
        assert number.dial_string in {number.digits, dialled, dialled.removeprefix(prefix)}


@pytest.mark.parametrize(
    "dialled", ["02079460000", "+442079460000", "00442079460000", "+4402079460000"]
)
def test_one_number_is_one_number_however_it_is_written(dialled: str) -> None:
    number = parse_number(dialled, UK)
    assert number == Number(
        dialled=dialled,
        digits="442079460000",
        is_short=False,
        country="GB",
        kind=LineKind.LANDLINE,
        dial_string="442079460000",
    )
    assert number.e164 == number.key == "442079460000"


def test_a_short_code_has_no_e164_and_belongs_to_a_country() -> None:
    number = parse_number("118118", UK)
    assert number.e164 is None
    assert number.key == "GB:118118"
    assert number.dial_string == "118118"


@pytest.mark.parametrize(
    ("dialled", "country", "kind"),
    [
        ("0033142685300", "FR", LineKind.LANDLINE),
        ("0033612345678", "FR", LineKind.MOBILE),
        ("00491721234567", "DE", LineKind.MOBILE),
        ("00390612345678", "IT", LineKind.LANDLINE),
        ("0012025550123", "US", LineKind.LANDLINE_OR_MOBILE),
        ("0012425550123", "BS", LineKind.LANDLINE_OR_MOBILE),
        ("0014165550123", "CA", LineKind.LANDLINE_OR_MOBILE),
        ("0018005551212", "US", LineKind.TOLL_FREE),
        ("0019005551212", "US", LineKind.PREMIUM),
        ("+77012345678", "KZ", LineKind.MOBILE),
    ],
)
def test_other_countries_are_told_apart(dialled: str, country: str, kind: LineKind) -> None:
    _, found_country, found_kind = parsed(dialled)
    assert (found_country, found_kind) in {
        (country, kind),
        (country, LineKind.UNKNOWN),  # a number range that the library does not list yet
    }
    assert found_country == country


@pytest.mark.parametrize(
    ("dialled", "kind"),
    [
        ("004533375500", LineKind.LANDLINE),
        ("004543123456", LineKind.MOBILE),  # 431, within a series of landlines
        ("004543223456", LineKind.LANDLINE),
        ("004549412345", LineKind.MOBILE),
        ("004520123456", LineKind.MOBILE),
        ("004530123456", LineKind.MOBILE),
        ("004591123456", LineKind.MOBILE),
        ("004570123456", LineKind.NATIONAL),
        ("004580123456", LineKind.TOLL_FREE),
        ("004590123456", LineKind.PREMIUM),
        ("004537123456", LineKind.UNKNOWN),  # machines
    ],
)
def test_danish_landlines_and_mobiles_are_told_apart_by_their_series(
    dialled: str, kind: LineKind
) -> None:
    assert kind_of(dialled) is kind
    assert kind_of(f"+{dialled.removeprefix('00')}", Site(country="DK")) is kind
    assert kind_of(dialled.removeprefix("0045"), Site(country="DK")) is kind


@pytest.mark.parametrize("dialled", ["00999123456", "+999123456", "004412", "00"])
def test_what_can_exist_nowhere_is_invalid(dialled: str) -> None:
    assert is_invalid(dialled)


# --- the United Kingdom ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialled", "kind"),
    [
        ("01142345678", LineKind.LANDLINE),
        ("02079460000", LineKind.LANDLINE),
        ("0169772345", LineKind.LANDLINE),  # nine digits, as old area codes have
        ("03001234567", LineKind.NATIONAL),
        ("03301234567", LineKind.NATIONAL),
        ("05512345678", LineKind.CORPORATE),
        ("05612345678", LineKind.VOIP),
        ("07400123456", LineKind.MOBILE),
        ("07700900123", LineKind.MOBILE),  # Ofcom's numbers for films, unknown to phonenumbers
        ("07012345678", LineKind.PERSONAL),
        ("07612345678", LineKind.PAGER),
        ("08001234567", LineKind.TOLL_FREE),
        ("0800123456", LineKind.TOLL_FREE),
        ("08001111", LineKind.TOLL_FREE),
        ("08081234567", LineKind.TOLL_FREE),
        ("08421234567", LineKind.SERVICE),
        ("08431234567", LineKind.SERVICE),
        ("08441234567", LineKind.SERVICE),
        ("08451234567", LineKind.SERVICE),
        ("08701234567", LineKind.SERVICE),
        ("08711234567", LineKind.SERVICE),
        ("08731234567", LineKind.SERVICE),
        ("09011234567", LineKind.PREMIUM),
        ("09112345678", LineKind.PREMIUM),
        ("09812345678", LineKind.PREMIUM),
        ("118118", LineKind.DIRECTORY),
        ("118500", LineKind.DIRECTORY),
        ("101", LineKind.TOLL_FREE),
        ("105", LineKind.TOLL_FREE),
        ("111", LineKind.TOLL_FREE),
        ("116000", LineKind.TOLL_FREE),
        ("116006", LineKind.TOLL_FREE),
        ("116111", LineKind.TOLL_FREE),
        ("116117", LineKind.TOLL_FREE),
        ("116123", LineKind.TOLL_FREE),
        ("123", LineKind.SHORT),
    ],
)
def test_uk_numbers_are_of_their_kind(dialled: str, kind: LineKind) -> None:
    _, country, found = parsed(dialled)
    assert (country, found) == ("GB", kind)


@pytest.mark.parametrize(
    ("dialled", "country", "kind"),
    [
        ("01534123456", "JE", LineKind.LANDLINE),
        ("07797123456", "JE", LineKind.MOBILE),
        ("07700312345", "JE", LineKind.MOBILE),
        ("07700712345", "JE", LineKind.MOBILE),
        ("07700812345", "JE", LineKind.MOBILE),
        ("07509123456", "JE", LineKind.MOBILE),
        ("07829123456", "JE", LineKind.MOBILE),
        ("07937123456", "JE", LineKind.MOBILE),
        ("01481123456", "GG", LineKind.LANDLINE),
        ("07781123456", "GG", LineKind.MOBILE),
        ("07839123456", "GG", LineKind.MOBILE),
        ("07911123456", "GG", LineKind.MOBILE),
        ("07911723456", "GG", LineKind.MOBILE),
        ("01624123456", "IM", LineKind.LANDLINE),
        ("07624123456", "IM", LineKind.MOBILE),
        ("07524123456", "IM", LineKind.MOBILE),
        ("07924123456", "IM", LineKind.MOBILE),
        ("07457612345", "IM", LineKind.MOBILE),
    ],
)
def test_the_crown_dependencies_are_not_the_united_kingdom(
    dialled: str, country: str, kind: LineKind
) -> None:
    _, found_country, found_kind = parsed(dialled)
    assert (found_country, found_kind) == (country, kind)
    assert parsed(f"0044{dialled[1:]}")[1:] == (country, kind)


@pytest.mark.parametrize("neighbour", ["07911223456", "07700412345", "07457512345", "01535123456"])
def test_numbers_beside_theirs_are_of_the_united_kingdom(neighbour: str) -> None:
    assert parsed(neighbour)[1] == "GB"


@pytest.mark.parametrize("relay", ["18001", "18002"])
def test_a_relay_prefix_is_looked_through_and_dialled(relay: str) -> None:
    number = parse_number(f"{relay}02079460000", UK)
    assert (number.digits, number.kind) == ("442079460000", LineKind.LANDLINE)
    assert number.dial_string == f"{relay}02079460000"
    assert kind_of(f"{relay}01534123456") is LineKind.LANDLINE
    assert parsed(f"{relay}01534123456")[1] == "JE"
    assert is_invalid(relay)
    assert is_invalid(f"{relay}02079460000", FRANCE)


@pytest.mark.parametrize("dialled", ["0", "2079460000", "946000", "0843123456", "04123456789"])
def test_what_no_uk_trunk_would_take_is_invalid(dialled: str) -> None:
    assert is_invalid(dialled)


# --- France ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialled", "kind"),
    [
        ("0142685300", LineKind.LANDLINE),
        ("0549123456", LineKind.LANDLINE),
        ("0612345678", LineKind.MOBILE),
        ("0712345678", LineKind.MOBILE),
        ("0912345678", LineKind.VOIP),
        ("0800123456", LineKind.TOLL_FREE),
        ("0805123456", LineKind.TOLL_FREE),
        ("0806123456", LineKind.NATIONAL),
        ("0807123456", LineKind.NATIONAL),
        ("0808123456", LineKind.NATIONAL),
        ("0809123456", LineKind.NATIONAL),
        ("0810123456", LineKind.SERVICE),
        ("0820123456", LineKind.SERVICE),
        ("0825123456", LineKind.SERVICE),
        ("0890123456", LineKind.PREMIUM),
        ("0899123456", LineKind.PREMIUM),
        ("118218", LineKind.DIRECTORY),
        ("1013", LineKind.SERVICE),
        ("3010", LineKind.TOLL_FREE),
        ("3114", LineKind.TOLL_FREE),
        ("3919", LineKind.TOLL_FREE),
        ("116006", LineKind.TOLL_FREE),
        ("3646", LineKind.SERVICE),
        ("3949", LineKind.SERVICE),
        ("3200", LineKind.SERVICE),
        ("3900", LineKind.SERVICE),
    ],
)
def test_french_numbers_are_of_their_kind(dialled: str, kind: LineKind) -> None:
    _, country, found = parsed(dialled, FRANCE)
    assert (country, found) == ("FR", kind)


@pytest.mark.parametrize(
    ("dialled", "digits", "country", "kind"),
    [
        ("0262123456", "262262123456", "RE", LineKind.LANDLINE),
        ("0269612345", "262269612345", "YT", LineKind.LANDLINE),
        ("0590123456", "590590123456", "GP", LineKind.LANDLINE),
        ("0594123456", "594594123456", "GF", LineKind.LANDLINE),
        ("0596123456", "596596123456", "MQ", LineKind.LANDLINE),
        ("0639123456", "262639123456", "YT", LineKind.MOBILE),
        ("0690123456", "590690123456", "GP", LineKind.MOBILE),
        ("0691123456", "590691123456", "GP", LineKind.MOBILE),
        ("0692123456", "262692123456", "RE", LineKind.MOBILE),
        ("0693123456", "262693123456", "RE", LineKind.MOBILE),
        ("0694123456", "594694123456", "GF", LineKind.MOBILE),
        ("0696123456", "596696123456", "MQ", LineKind.MOBILE),
        ("0697123456", "596697123456", "MQ", LineKind.MOBILE),
    ],
)
def test_the_overseas_departments_are_not_france_though_dialled_alike(
    dialled: str, digits: str, country: str, kind: LineKind
) -> None:
    assert parsed(dialled, FRANCE) == (digits, country, kind)
    assert parsed(f"0033{dialled[1:]}", UK) == (digits, country, kind)
    assert parsed(f"+{digits}", UK) == (digits, country, kind)


# --- networks of no country ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialled", "kind"),
    [
        ("+870773111632", LineKind.SATELLITE),
        ("+881612345678", LineKind.SATELLITE),
        ("+88213123456", LineKind.SATELLITE),
        ("+883510012345", LineKind.SATELLITE),
        ("+979123456789", LineKind.PREMIUM),
        ("+87810123456789", LineKind.PERSONAL),
        ("+80012345678", LineKind.TOLL_FREE),
        ("+80812345678", LineKind.SERVICE),
    ],
)
def test_numbers_of_no_country_are_known_for_what_they_are(dialled: str, kind: LineKind) -> None:
    _, country, found = parsed(dialled)
    assert (country, found) == ("001", kind)


# --- emergencies -----------------------------------------------------------------------------

UK_LIST = {"999", "112", "18000"}
FR_LIST = {
    *("15", "17", "18", "112", "114", "115", "119", "191", "196", "197"),
    *("116000", "116111", "116117"),
}


def test_the_emergency_lists_are_exact() -> None:
    for country in ("GB", "JE", "GG", "IM"):
        assert set(emergency_numbers(country)) == UK_LIST
    for country in ("FR", "RE", "YT", "GP", "GF", "MQ"):
        assert set(emergency_numbers(country)) == FR_LIST
    assert set(emergency_numbers("DE")) == {"110", "112"}
    assert "911" in emergency_numbers("US")


@pytest.mark.parametrize(
    ("site", "number"),
    [*((UK, number) for number in sorted(UK_LIST)), *((FRANCE, n) for n in sorted(FR_LIST))],
)
@pytest.mark.parametrize("prefix", ["", "0", "9"])
def test_an_emergency_number_is_one_with_and_without_the_outside_line(
    site: Site, number: str, prefix: str
) -> None:
    here = Site(country=site.country, outside_line_prefix=prefix)
    for dialled in {number, prefix + number}:
        found = parse_number(dialled, here)
        assert (found.kind, found.digits) == (LineKind.EMERGENCY, number)
        assert found.dial_string == dialled.removeprefix(prefix if dialled != number else "")


@pytest.mark.parametrize("dialled", ["18001999", "18002112"])
def test_an_emergency_call_through_the_relay_keeps_the_relay(dialled: str) -> None:
    found = parse_number(dialled, UK)
    assert (found.kind, found.dial_string) == (LineKind.EMERGENCY, dialled)


def test_every_number_that_is_in_no_list_is_no_emergency() -> None:
    for site, listed in ((UK, UK_LIST), (FRANCE, FR_LIST)):
        for number in (f"{n:0{width}d}" for width in (2, 3, 4, 5) for n in range(10**width)):
            if number in listed or number.removeprefix("18001").removeprefix("18002") in listed:
                continue
            try:
                found = parse_number(number, site)
            except InvalidNumber:
                continue
            assert found.kind is not LineKind.EMERGENCY, number


@pytest.mark.parametrize(
    ("dialled", "site"),
    [("15000", FRANCE), ("1122", FRANCE), ("9999", UK), ("9991", UK), ("1120", UK), ("0999", UK)],
)
def test_what_merely_begins_with_an_emergency_number_opens_nothing(
    dialled: str, site: Site
) -> None:
    assert is_invalid(dialled, site)


# --- how one dials here ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "dialled", "digits"),
    [
        (Site(country="GB", outside_line_prefix="9"), "902079460000", "442079460000"),
        (Site(country="GB", outside_line_prefix="9"), "02079460000", "442079460000"),
        (Site(country="GB", outside_line_prefix="9"), "90033142685300", "33142685300"),
        (Site(country="GB", outside_line_prefix="9"), "+33142685300", "33142685300"),
        (Site(country="GB", outside_line_prefix="9"), "9118118", "118118"),
        (
            Site(country="GB", outside_line_prefix="9"),
            "908431234567",
            "448431234567",
        ),
        (Site(country="FR", outside_line_prefix="0"), "00142685300", "33142685300"),
        (Site(country="FR", outside_line_prefix="0"), "0142685300", "33142685300"),
        (Site(country="FR", outside_line_prefix="0"), "000442079460000", "442079460000"),
        (Site(country="FR", outside_line_prefix="0"), "00442079460000", "442079460000"),
        (Site(country="FR", outside_line_prefix="0"), "03949", "3949"),
        (Site(country="FR", outside_line_prefix="0"), "3949", "3949"),
        (Site(country="US", international_prefix="011"), "01133142685300", "33142685300"),
        (Site(country="US", international_prefix="011"), "2025550123", "12025550123"),
        (Site(country="US", international_prefix="011"), "12025550123", "12025550123"),
        (Site(country="DE"), "030123456", "4930123456"),
    ],
)
def test_both_forms_reach_the_same_number(site: Site, dialled: str, digits: str) -> None:
    assert parse_number(dialled, site).digits == digits


# --- before a number -------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["141", "1470"])
def test_a_prefix_that_withholds_or_shows_the_caller_is_looked_through_and_dialled(
    prefix: str,
) -> None:
    number = parse_number(f"{prefix}02079460000", UK)
    assert (number.digits, number.kind) == ("442079460000", LineKind.LANDLINE)
    assert number.dial_string == f"{prefix}02079460000"
    assert kind_of(f"{prefix}09011234567") is LineKind.PREMIUM
    assert is_invalid(f"{prefix}02079460000", FRANCE)


@pytest.mark.parametrize("prefix", ["141", "1470"])
def test_nobody_withholds_a_number_from_a_rescuer(prefix: str) -> None:
    for emergency in emergency_numbers("GB"):
        number = parse_number(f"{prefix}{emergency}", UK)
        assert (number.kind, number.dial_string) == (LineKind.EMERGENCY, emergency)


@pytest.mark.parametrize(
    ("dialled", "kind"),
    [("159", LineKind.NATIONAL), ("1471", LineKind.SHORT), ("1571", LineKind.SHORT)],
)
def test_services_of_uk_lines_are_known(dialled: str, kind: LineKind) -> None:
    assert parse_number(dialled, UK).key == f"GB:{dialled}"
    assert kind_of(dialled) is kind
