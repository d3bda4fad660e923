"""Which Contacts are dialled: those of real phones, and nothing that leads elsewhere."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplan.phone_contacts import is_dialled

PHONE = "192.168.1.20"
CARRIER = "198.51.100.7"


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:1002@{PHONE}:5060",
        f"sip:1002@{PHONE}",
        f"sip:{PHONE}:5062",
        f"sip:1002@{PHONE}:49152;ob",
        f"sip:1002@{PHONE}:5060;transport=UDP",
        f"sip:1002@{PHONE}:5060;transport=tcp;rinstance=8d1f0a2b",
        f"sip:1002@{PHONE}:2048;line=q3x7hd1k",
        f"sip:1002-0x55d0c9a7b2e0@{PHONE}:5060",
        f"sip:1002@{PHONE}:1024;x-ast-orig-host=10.0.0.4:5060",
        f"sip:k8fja2@{PHONE}:5060;transport=ws",
        f"sip:7c1d2b0a-9f3e-4d5c-8b7a-0123456789ab@{PHONE}:5060;transport=tls;user=phone",
        f"sip:1002@{PHONE}:5060;transport=udp;registering_acc=office_example",
    ],
)
def test_contact_as_phones_send_it_is_dialled(uri: str) -> None:
    assert is_dialled(uri, "1002")


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:1002@{PHONE};maddr={CARRIER}",
        f"sip:1002@{PHONE};MaDdR={CARRIER}",
        f"sip:1002@{PHONE};%6daddr={CARRIER}",
        f"sip:1002@{PHONE};line=a;maddr={CARRIER}",
        f"sip:1002@{PHONE}?Route=%3Csip:{CARRIER}%3Blr%3E",
        f"sip:1002@{PHONE};lr",
        f"sip:1002@{PHONE};method=INVITE",
        f"sip:1002@{PHONE};ttl=1",
        f"sip:0033612345678@{PHONE}:5060",
        f"sip:+33612345678@{PHONE}:5060",
        f"sip:10020033612345678@{PHONE}:5060",
        f"sip:1003@{PHONE}:5060",
        f"sip:1002:secret@{PHONE}",
        f"sip:1002;phone-context=+33@{PHONE}",
        f"sip:1002@{PHONE}:5060&PJSIP/0033612345678@trunk",
        "sip:x&PJSIP/0033612345678@trunk",
        f"sip:1002@{PHONE},5060",
        f"sip:1002@{PHONE};line=a):0:1;maddr={CARRIER}",
        f'sip:1002@{PHONE}" x',
        "sip:1002@phone.example",
        "sip:1002@localhost",
        "sip:1002@127.1",
        "sip:1002@0177.0.0.1",
        "sip:1002@2130706433",
        "sip:1002@256.1.1.1",
        "sip:1002@192.168.1.20.example",
        "sip:1002@[::1]:5060",
        f"sip:1002@[::ffff:{CARRIER}]",
        f"sip:1002@{PHONE}:0",
        f"sip:1002@{PHONE}:5060:5061",
        f"sip:1002@{PHONE}\n;maddr={CARRIER}",
        f"tel:1002@{PHONE}",
        "",
    ],
)
def test_contact_that_could_lead_elsewhere_is_not_dialled(uri: str) -> None:
    assert not is_dialled(uri, "1002")


@given(st.text(alphabet=string.printable + "é٣\u202e", max_size=80))
def test_whatever_is_appended_to_a_contact_leads_nowhere_else(tail: str) -> None:
    uri = f"sip:1002@{PHONE}:5060;{tail}"
    if is_dialled(uri, "1002"):
        assert set(tail) <= set(string.ascii_letters + string.digits + "._:-=;")
        assert "maddr" not in {part.partition("=")[0].lower() for part in tail.split(";")}
        assert "@" not in tail
