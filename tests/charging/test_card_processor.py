"""What a request to a card processor, and what is kept of a card, cannot say."""

from datetime import date

import pytest

from charging.card_processor import CardOnFile, ChargeRequest, ConfirmRequest, RefundRequest
from tests.fakes.charging import gbp


def card(
    *, brand: str = "visa", last_four: str = "4242", month: int = 2, year: int = 2030
) -> CardOnFile:
    return CardOnFile(
        customer_id="cus_1",
        method_id="pm_1",
        brand=brand,
        last_four=last_four,
        expiry_month=month,
        expiry_year=year,
    )


@pytest.mark.parametrize("written", ["4242424242424242", "", "424", "٤٢٤٢", "4242\n"])
def test_the_number_of_a_card_cannot_be_kept(written: str) -> None:
    with pytest.raises(ValueError, match="last four digits"):
        card(last_four=written)


@pytest.mark.parametrize("brand", ["4242424242424242", "", "VISA", "visa\n", "v" * 40])
def test_a_brand_is_a_word(brand: str) -> None:
    with pytest.raises(ValueError, match="brand"):
        card(brand=brand)


@pytest.mark.parametrize(("month", "year"), [(0, 2030), (13, 2030), (1, 0), (1, 9999)])
def test_a_card_expires_in_a_month_that_there_is(month: int, year: int) -> None:
    with pytest.raises(ValueError, match="no card expires in"):
        card(month=month, year=year)


def test_a_card_is_good_until_the_end_of_its_month() -> None:
    assert not card(month=2, year=2030).expired_on(date(2030, 2, 28))
    assert card(month=2, year=2030).expired_on(date(2030, 3, 1))
    assert card(month=12, year=2029).expired_on(date(2030, 1, 1))


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_only_a_positive_amount_is_charged_or_refunded(amount: str) -> None:
    assert RefundRequest(
        key="k", intent_id="i", payment_id="p", office_id="main", amount=gbp("0.01")
    ).amount
    with pytest.raises(ValueError, match="positive amount"):
        charge(amount)
    with pytest.raises(ValueError, match="positive amount"):
        RefundRequest(key="k", intent_id="i", payment_id="p", office_id="main", amount=gbp(amount))


@pytest.mark.parametrize(("off_session", "url"), [(True, "https://p"), (False, "")])
def test_whoever_is_there_is_sent_back_to_the_portal_and_nobody_else(
    *, off_session: bool, url: str
) -> None:
    with pytest.raises(ValueError, match="page to return to"):
        charge("10", off_session=off_session, url=url)
    with pytest.raises(ValueError, match="page to return to"):
        ConfirmRequest(
            key="k", intent_id="i", method_id="pm_1", off_session=off_session, return_url=url
        )
    assert charge("10", off_session=not off_session, url=url).amount == gbp("10")


def charge(amount: str, *, off_session: bool = True, url: str = "") -> ChargeRequest:
    return ChargeRequest(
        key="k",
        payment_id="p",
        office_id="main",
        amount=gbp(amount),
        customer_id="cus_1",
        method_id="pm_1",
        off_session=off_session,
        return_url=url,
    )
