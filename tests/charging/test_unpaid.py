"""Which legs to a carrier need no payment, told by the number that the carrier was sent."""

import pytest

from charging.numbering import Site
from charging.unpaid import costs_nothing, number_sent
from plans.files import SHIPPED_PLANS, read_plan
from tests.fakes.charging import office_on

UK, FRANCE = (read_plan(SHIPPED_PLANS / f"{name}.toml") for name in ("uk", "france"))


@pytest.mark.parametrize(
    ("sent", "unpaid"),
    [
        ("999", True),
        ("112", True),
        ("18001999", True),  # through the text relay; as E.164 it would be a number in America
        ("442079460000", True),
        ("+442079460000", True),
        ("02079460000", True),
        ("08081570192", True),
        ("33142685300", False),
        ("0033142685300", False),
        ("00882123456789", False),
        ("0900123456", False),
        ("901", False),
        ("", False),
        ("h", False),
        ("500&PJSIP/1", False),
        ("9999", False),
    ],
)
def test_number_as_the_trunk_was_told_it(sent: str, unpaid: bool) -> None:  # noqa: FBT001 - a table
    assert costs_nothing(sent, [office_on(UK)]) is unpaid


def test_what_one_office_need_not_pay_for_is_explained() -> None:
    offices = [office_on(UK), office_on(FRANCE, "paris")]
    assert costs_nothing("33142685300", offices)
    assert not costs_nothing("33142685300", offices[:1])


@pytest.mark.parametrize("sent", ["999", "15", "112"])
def test_help_costs_nothing_where_an_office_stands_and_where_its_plan_is_sold(sent: str) -> None:
    abroad = office_on(UK, site=Site(country="FR"))
    assert costs_nothing(sent, [abroad])


@pytest.mark.parametrize(
    ("sent", "digits"), [("999", "999"), ("442079460000", "442079460000"), ("h", None)]
)
def test_what_the_trunk_was_told_is_a_number_or_none(sent: str, digits: str | None) -> None:
    number = number_sent(sent, Site(country="GB"))
    assert (None if number is None else number.digits) == digits
