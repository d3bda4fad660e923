"""Who may tell us that a payment succeeded."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.card_processor import WebhookRefused
from payments.signatures import TOLERANCE, require_signed, signature
from tests.fakes.clock import START

BODY = b'{"id": "evt_1", "object": "event"}'
OLD, NEW = "whsec_old", "whsec_new"


def accepted(header: str, *, secrets: tuple[str, ...] = (NEW,), now: datetime = START) -> bool:
    try:
        require_signed(BODY, header, secrets, now=now)
    except WebhookRefused:
        return False
    return True


def test_what_is_signed_with_our_secret_is_accepted() -> None:
    assert accepted(signature(BODY, NEW, at=START))


def test_another_body_is_refused() -> None:
    with pytest.raises(WebhookRefused, match="another secret"):
        require_signed(BODY + b" ", signature(BODY, NEW, at=START), (NEW,), now=START)


def test_while_a_secret_is_changed_both_are_good_on_either_side() -> None:
    assert accepted(signature(BODY, OLD, at=START), secrets=(NEW, OLD))
    two = signature(BODY, "whsec_x", at=START) + "," + signature(BODY, NEW, at=START).split(",")[1]
    assert accepted(two)


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_no_secret_accepts_nothing(secrets: tuple[str, ...]) -> None:
    assert not accepted(signature(BODY, "", at=START), secrets=secrets)


@pytest.mark.parametrize("away", [TOLERANCE, -TOLERANCE])
def test_what_is_older_or_newer_than_the_tolerance_is_refused(away: timedelta) -> None:
    header = signature(BODY, NEW, at=START)
    assert accepted(header, now=START + away)
    assert not accepted(header, now=START + away * 1.01)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        "t=1",
        "v1=00",
        "t=1,v1=",
        "t=x,v1=00",
        "t=-1,v1=00",
        "t=1,t=2,v1=00",
        "t=٣,v1=00",
        "t=" + "9" * 400 + ",v1=00",
        "v1,t",
        "=,=,=",
        "," * 10_000,
        "t=1,v1=\udcff\u20ac",
    ],
)
def test_a_header_that_is_none_is_refused(header: str) -> None:
    assert not accepted(header)


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_signature(header: str) -> None:
    assert not accepted(header)
