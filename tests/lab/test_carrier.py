"""The simulated carrier and the callers: the oracle must itself be right."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dialplan.patterns import DirectPattern
from dialplan.render import AsteriskConfig
from lab.addresses import AddressBlock
from lab.caller import Calls, place_calls
from lab.carrier import ANSWERS_AT_ONCE, BUSY, Carrier, Rule
from lab.errors import LabError
from lab.office import Office, rerouted
from telephony.tools import Telephony

pytestmark = pytest.mark.live

MakeOffice = Callable[..., Office]


def with_free_landlines(config: AsteriskConfig) -> AsteriskConfig:
    landlines = DirectPattern(pattern="_020XXXXXXXX", strip=1, prepend="44")
    return rerouted(config, free=(landlines,))


async def test_a_hundred_calls_are_placed_and_every_one_is_in_both_logs(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    async with make_office(
        adapt=with_free_landlines, media=False, default=ANSWERS_AT_ONCE
    ) as office:
        placed = await place_calls(
            office.telephony,
            tmp_path / "load",
            Calls(
                number="02079460123",
                user="1001",
                password=office.config.secrets.phones["1001"],
                calls=100,
                rate_per_s=100,
                talk_ms=1000,
            ),
            address=office.addresses.next(),
            server=office.config.sip_address,
        )
        await office.carrier.wait_for(lambda _: all(c.ended for c in office.carrier.calls()))
        seen = office.carrier.calls()
    assert len(placed) == len(seen) == 100
    assert all(call.set_up_s < 2 for call in placed)
    assert all(call.dialled == "442079460123" for call in seen)
    assert all(0.9 < call.talk_s < 3 for call in seen)


@pytest.mark.parametrize(
    "stranger",
    [
        Calls(number="112", user="1001", password="guessed"),  # noqa: S106 - it is not one
        Calls(number="112", user="1001"),
        Calls(number="112", user="anonymous"),
        Calls(number="112", user="trunk"),
        Calls(number="112", user="emergency"),
    ],
    ids=[
        "a wrong password",
        "no password",
        "an unknown user",
        "the trunk's name",
        "the emergency trunk's name",
    ],
)
async def test_a_stranger_is_refused(
    make_office: MakeOffice, tmp_path: Path, stranger: Calls
) -> None:
    async with make_office() as office:
        (placed,) = await place_calls(
            office.telephony,
            tmp_path / "load",
            stranger,
            address=office.addresses.next(),
            server=office.config.sip_address,
        )
        assert office.carrier.calls() == []
    assert placed.refused_with == 401


async def test_a_refusal_is_told_with_its_status(make_office: MakeOffice, tmp_path: Path) -> None:
    rules = [Rule("442079460486", BUSY)]
    async with make_office(adapt=with_free_landlines, rules=rules) as office:
        (placed,) = await place_calls(
            office.telephony,
            tmp_path / "load",
            Calls(number="02079460486", user="1001", password=office.config.secrets.phones["1001"]),
            address=office.addresses.next(),
            server=office.config.sip_address,
        )
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert placed.refused_with == 486
    assert call.rejected_with == 486
    assert call.talk_s == 0
    with pytest.raises(LabError, match="was not answered"):
        _ = placed.set_up_s


async def test_waiting_for_a_call_that_never_comes_says_which_calls_there_were(
    telephony: Telephony, tmp_path: Path
) -> None:
    with AddressBlock() as addresses:
        async with Carrier(telephony, tmp_path, address=addresses.carrier) as carrier:
            with pytest.raises(LabError, match=r"no such call at the carrier; it had \[\]"):
                await carrier.wait_for(lambda call: call.ended, timeout_s=0.1)


async def test_a_taken_port_is_told_in_one_sentence(telephony: Telephony, tmp_path: Path) -> None:
    with AddressBlock() as addresses, socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind((addresses.carrier, 5060))
        with pytest.raises(LabError, match=r"the carrier needs UDP port 5060 of"):
            await Carrier(telephony, tmp_path, address=addresses.carrier).start()


async def test_a_half_written_line_is_not_believed(telephony: Telephony, tmp_path: Path) -> None:
    carrier = Carrier(telephony, tmp_path, address="127.64.255.2")
    whole = "ready;.\ninvited;c1;100.000000;250000.000000;112;.\nansw"
    carrier.log_file.write_text(whole)
    (call,) = carrier.calls()
    assert call.dialled == "112"
    assert call.invited_at_s == 100.25
    assert not call.answered
