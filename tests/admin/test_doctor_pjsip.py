"""Who is a phone and who a carrier, as the doctor reads it from Asterisk."""

import asyncio
from pathlib import Path

import pytest

from admin.checks.pjsip import Endpoint, endpoints_of
from dialplan.walk.lookup import Dialplan
from settings import load_settings
from tests.admin.asterisk_stand_in import SOUND, AsteriskStandIn, running
from tests.dialplan.walk.text import dialplan

PHONE = SOUND["1001"]
HOSTILE, HONEST = "sip:1001@192.0.2.7;maddr=198.51.100.1", "sip:1001@192.0.2.7:5060"


def told(
    asterisk: AsteriskStandIn, folder: Path, found: Dialplan | None = None
) -> dict[str, Endpoint]:
    async def ask() -> dict[str, Endpoint]:
        async with running(asterisk):
            file = folder / "tollgate.toml"
            file.write_text(asterisk.settings, encoding="utf-8")
            read = await endpoints_of(load_settings(file), found or Dialplan(contexts={}))
            return {each.name: each for each in read}

    return asyncio.run(ask())


def test_every_contact_is_read_however_asterisk_lists_them(tmp_path: Path) -> None:
    asterisk = AsteriskStandIn(
        endpoints=SOUND, registered={"1001": [HOSTILE, f"{HONEST},sip:a,b@192.0.2.8:5060"]}
    )
    endpoints = told(asterisk, tmp_path)
    assert endpoints["1001"].contacts == (HOSTILE, HONEST, "sip:a,b@192.0.2.8:5060")
    assert endpoints["trunk"].contacts == ("sip:192.0.2.1",)


@pytest.mark.parametrize("registered", [[], ["sip:porch@192.0.2.9:5060"]])
def test_phone_that_the_settings_do_not_name_is_one_whether_or_not_it_is_registered(
    tmp_path: Path, registered: list[str]
) -> None:
    """Else nobody looks whether it can call for help."""
    asterisk = AsteriskStandIn(
        endpoints={**SOUND, "porch": {**PHONE, "aors": "porch"}}, registered={"porch": registered}
    )
    assert not told(asterisk, tmp_path)["porch"].is_trunk


def test_one_that_has_an_address_in_pjsip_conf_is_a_trunk(tmp_path: Path) -> None:
    asterisk = AsteriskStandIn(
        endpoints={"carrier": {"aors": "a, b"}},
        written={"b": ["sip:192.0.2.3"]},
        registered={"a": ["sip:x@192.0.2.9"]},
    )
    assert told(asterisk, tmp_path)["carrier"].is_trunk


@pytest.mark.parametrize(
    ("dial", "is_trunk"),
    [
        ("Dial(PJSIP/1002&PJSIP/${EXTEN}@gateway,30)", True),
        ("Dial(PJSIP/gateway/sip:${EXTEN}@192.0.2.9)", True),
        ("Dial(PJSIP/gateway,30)", False),
        ("NoOp(PJSIP/${EXTEN}@gateway)", False),
    ],
)
def test_gateway_that_registers_is_a_trunk_where_the_dialplan_dials_numbers_there(
    tmp_path: Path, dial: str, *, is_trunk: bool
) -> None:
    endpoints = {"gateway": {**PHONE, "aors": "gateway"}}
    asterisk = AsteriskStandIn(endpoints=endpoints, registered={"gateway": ["sip:x@192.0.2.9"]})
    found = dialplan(f"[out]\nexten => _0X.,1,{dial}\n")
    assert told(asterisk, tmp_path, found)["gateway"].is_trunk is is_trunk


def test_phone_of_the_settings_stays_one_where_a_number_is_dialled_at_it(tmp_path: Path) -> None:
    found = dialplan("[out]\nexten => _0X.,1,Dial(PJSIP/${EXTEN}@1001)\n")
    assert not told(AsteriskStandIn(endpoints=SOUND), tmp_path, found)["1001"].is_trunk
