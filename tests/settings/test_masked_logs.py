"""No line of the log says whom somebody called."""

import json
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from charging.errors import DestinationBarred, InvalidNumber, NoRateForDestination
from settings.logs import configure_logging, masked_in

NUMBER = "0033612345678"


Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def line(written: str) -> dict[str, str]:
    told: dict[str, str] = json.loads(written.splitlines()[-1])
    return told


@pytest.mark.parametrize(
    "refusal",
    [
        NoRateForDestination("33612345678"),
        DestinationBarred("33612345678", "satellite"),
        InvalidNumber(NUMBER, "too long"),
    ],
)
def test_a_refusal_that_names_the_number_is_logged_without_its_last_digits(
    capsys: Out, refusal: Exception
) -> None:
    configure_logging()
    structlog.get_logger().info("call_refused", reason=str(refusal))
    written = capsys.readouterr().out
    assert "5678" not in written
    assert "361234xxxx" in line(written)["reason"]


def test_a_traceback_that_names_the_number_is_logged_without_its_last_digits(
    capsys: Out,
) -> None:
    configure_logging()

    def refuse() -> None:
        raise InvalidNumber(NUMBER, "too long")

    try:
        refuse()
    except InvalidNumber:
        structlog.get_logger().exception("not_authorised")
    raised = [each for each in capsys.readouterr().out.split("\\n") if "InvalidNumber: " in each]
    assert raised
    assert all("0033612345678" not in each for each in raised)


def test_the_settings_may_show_numbers_while_a_fault_is_looked_for(capsys: Out) -> None:
    configure_logging(masks_numbers=False)
    structlog.get_logger().info("call_refused", reason=f"{NUMBER!r}: too long")
    assert NUMBER in line(capsys.readouterr().out)["reason"]


@pytest.mark.parametrize(
    "kept",
    [
        "PJSIP/trunk-00000012",
        "asterisk-1732612345.12",
        "1732612345.12",
        "the leg 18a1b2c3d4e5f60718a1b2c3d4e5f607 ended",
        "2026-11-21T09:30:00.123456Z",
        "available GBP 1234.567890, needed",
        "port 5038 of 127.0.0.1",
        "999",
        "118500",
    ],
)
def test_what_is_no_number_of_somebody_stays(kept: str) -> None:
    assert masked_in(kept) == kept


@pytest.mark.parametrize(
    ("written", "masked"),
    [
        ("PJSIP/0033612345678@trunk", "PJSIP/003361234xxxx@trunk"),
        ("sip:+33612345678@192.0.2.1", "sip:+3361234xxxx@192.0.2.1"),
        ("'0033612345678': too long", "'003361234xxxx': too long"),
        ("33612345678, 442079460101", "3361234xxxx, 44207946xxxx"),
    ],
)
def test_a_number_is_found_wherever_it_stands(written: str, masked: str) -> None:
    assert masked_in(written) == masked


@given(st.from_regex(r"\+?[0-9]{7,15}", fullmatch=True), st.sampled_from(" ,:;'\"/@()="))
def test_no_number_of_somebody_is_ever_written_whole(number: str, beside: str) -> None:
    assert number not in masked_in(f"{beside}{number}{beside}")


def test_a_watch_is_told_of_each_line_with_its_level(capsys: Out) -> None:
    seen: list[tuple[str, str]] = []
    configure_logging(watch=lambda entry: seen.append((entry["level"], entry["event"])))
    structlog.get_logger().info("call_settled", talk_s=1)
    structlog.get_logger().error("leg_ungated")
    assert seen == [("info", "call_settled"), ("error", "leg_ungated")]
    assert len(capsys.readouterr().out.splitlines()) == 2
