"""Whether Asterisk and the settings speak of the same phones and carriers."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from admin.checks.endpoints import judge_names, judge_strangers
from admin.checks.findings import Status
from admin.checks.pjsip import Endpoint
from admin.checks.running import Running
from assembly.routes import own_asterisk
from dialplan.phones import Phone
from dialplan.render import rendered_dialplan
from settings import Settings
from tests.dialplan.walk.text import dialplan

OURS = "".join(rendered_dialplan(own_asterisk(Settings())).values())
OFFICE = f"{OURS}\n[office]\ninclude => tollgate\n[door]\nexten => 1001,1,Dial(PJSIP/1001)\n"
PHONES = (
    Phone(endpoint="1001", number="1001", name="One"),
    Phone(endpoint="1002", number="1002", name="Two", enabled=False),
)


def running(*names: str, context: str = "office") -> Running:
    endpoints = [
        Endpoint(name=name, context=context, allow_transfer=False, is_trunk=name == "trunk")
        for name in names
    ]
    return Running(dialplan=dialplan(OFFICE), variables={}, endpoints=endpoints)


def said(found: Running, settings: Settings | None = None) -> Sequence[str]:
    asked = settings or Settings.model_validate({"site": {"phones_file": Path("phones.toml")}})
    findings = [*judge_names(found, PHONES, asked), *judge_strangers(found, PHONES, asked)]
    assert {each.status for each in findings} <= {Status.WARNING}
    assert all(each.remedy for each in findings)
    return [each.message for each in findings]


def test_the_same_names_are_sound() -> None:
    assert said(running("1001", "trunk")) == []


def test_a_phone_without_an_endpoint_is_named_and_one_that_is_switched_off_is_not() -> None:
    assert said(running("trunk")) == ["Asterisk knows no phone 1001: it cannot register"]


@pytest.mark.parametrize("name", ["1002", "1003"])
def test_an_endpoint_that_no_phone_has_and_that_reaches_the_gate_is_named(name: str) -> None:
    (message,) = said(running("1001", name, "trunk"))
    assert message.startswith(f"{name} may dial, and is no phone of")


def test_an_endpoint_that_cannot_dial_out_needs_no_entry() -> None:
    assert said(running("1001", "9000", context="door")) == []


def test_a_trunk_that_the_settings_name_wrongly_is_told_with_the_names_that_there_are() -> None:
    wrong = Settings.model_validate({"trunks": {"bakcup": {}}, "site": {"phones_file": "x"}})
    (message,) = said(running("1001", "trunk"), wrong)
    assert "[trunks.bakcup], and Asterisk has no such endpoint" in message
    unset = Settings.model_validate({"site": {"phones_file": "x"}})
    assert said(running("1001", "provider-x", context="door"), unset) == []
