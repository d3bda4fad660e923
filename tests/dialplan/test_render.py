"""The configuration as written: what varies, what may not, and who may read it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from charging.numbering import Site
from dialplan.contexts import INCLUDED, PAID, REFUSED
from dialplan.office_routes import TONES, TONES_ELSEWHERE, OfficeRoutes
from dialplan.patterns import DirectPattern, emergency_dialled
from dialplan.phones import Phone
from dialplan.render import (
    TEMPLATES,
    AsteriskConfig,
    RenderError,
    Secrets,
    Trunk,
    render,
    rendered,
    rendered_dialplan,
    sounds_played,
)
from lab.office import rerouted
from prompts.library import NO_SOUND

HANDED_BACK = {PAID, INCLUDED, REFUSED}


def config(folder: Path = Path("/nowhere/instance")) -> AsteriskConfig:
    return AsteriskConfig(
        name="desk",
        folder=folder,
        run_folder=folder / "run",
        modules=Path("/modules"),
        sip_address="127.64.0.1",
        trunk_host="127.64.0.2",
        phones=(
            Phone(endpoint="1001", number="1001", name="Reception", incoming=("442079460101",)),
            Phone(endpoint="1002", number="1002", name="Atelier", language="fr"),
        ),
        secrets=Secrets(
            ari_password="ari-secret",  # noqa: S106 - a stand-in
            ami_password="ami-secret",  # noqa: S106 - a stand-in
            phones={"1001": "first-secret", "1002": "second-secret"},
        ),
        offices=(OfficeRoutes(name="main", emergency=(("112", "112"), ("999", "999"))),),
    )


def context(text: str, name: str) -> list[str]:
    """The lines of one dialplan context, without comments."""
    _, _, after = text.partition(f"\n[{name}]\n")
    lines = re.split(r"^\[", after, maxsplit=1, flags=re.MULTILINE)[0].splitlines()
    return [line for line in lines if line.strip() and not line.startswith(";")]


def test_every_file_is_written_and_its_owners_alone(tmp_path: Path) -> None:
    etc = render(config(tmp_path / "instance"))
    assert {file.name for file in etc.iterdir()} == {file.name for file in TEMPLATES.glob("*.conf")}
    assert etc.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in etc.iterdir()} == {0o600}


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    render(config(tmp_path))
    etc = render(replace(config(tmp_path), sip_port=5099))
    assert "bind = 127.64.0.1:5099" in (etc / "pjsip.conf").read_text()


def test_no_secret_stands_in_the_templates_or_shows_in_a_repr() -> None:
    shown = repr(config())
    for secret in ("ari-secret", "ami-secret", "first-secret", "second-secret"):
        assert secret not in shown
    for template in TEMPLATES.glob("*.conf"):
        for line in template.read_text().splitlines():
            if re.match(r"\s*(password|secret)\s*=", line):
                assert "{{ secrets." in line, f"{template.name}: {line}"


def test_a_phone_gets_its_endpoint_its_password_and_its_language() -> None:
    pjsip = rendered(config())["pjsip.conf"]
    assert endpoint(pjsip, "1002").items() >= {
        ("context", "office"),
        ("auth", "1002"),
        ("aors", "1002"),
        ("callerid", '"Atelier" <1002>'),
        ("language", "fr"),
        ("tone_zone", "uk"),
    }
    assert "[1002](phone-auth)\nusername = 1002\npassword = second-secret\n" in pjsip


def test_transfers_are_refused_unless_the_site_allows_them() -> None:
    refused = rendered(config())["pjsip.conf"]
    allowed = rendered(replace(config(), allow_transfer=True))["pjsip.conf"]
    assert "allow_transfer = yes" not in refused
    assert allowed.count("allow_transfer = yes") == 1  # the phones; never the trunk


def endpoint(text: str, name: str) -> dict[str, str]:
    """What an endpoint says, with what it takes over from another section."""
    found = re.search(
        rf"^\[{name}\](?:\((!|[\w-]+)\))?\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    taken = endpoint(text, found[1]) if found[1] not in {None, "!"} else {}
    return taken | dict(re.findall(r"^(\w+) = (.*)$", found[2], re.MULTILINE))


def test_no_session_is_refreshed_and_only_silence_of_a_paid_leg_is_short() -> None:
    pjsip = rendered(config())["pjsip.conf"]
    for name, silence_s in (("1001", "600"), ("trunk", "60"), ("emergency", "0")):
        assert endpoint(pjsip, name)["timers"] == "no"
        assert endpoint(pjsip, name)["rtp_timeout"] == silence_s


def test_whoever_shows_no_password_is_known_by_address_alone() -> None:
    """An endpoint's name is no secret: who calls himself so in a From must not be it."""
    pjsip = rendered(config())["pjsip.conf"]
    names = re.findall(r"^\[(\w+)\](?:\((?:phone|trunk)\))?$", pjsip, re.MULTILINE)
    endpoints = {name: endpoint(pjsip, name) for name in names}
    known = {name for name, fields in endpoints.items() if fields.get("type") == "endpoint"}
    assert known == {"1001", "1002", "trunk", "emergency"}
    for name in known:
        fields = endpoints[name]
        assert fields["identify_by"] == ("username" if "auth" in fields else "ip"), name


def test_a_trunks_limits_are_settings_and_never_the_emergency_endpoints() -> None:
    trunk = Trunk(rtp_timeout_s=7, timers="yes")
    pjsip = rendered(replace(config(), trunk=trunk, phone_rtp_timeout_s=30))["pjsip.conf"]
    assert endpoint(pjsip, "trunk")["timers"] == "yes"
    assert endpoint(pjsip, "trunk")["rtp_timeout"] == "7"
    assert endpoint(pjsip, "1001")["rtp_timeout"] == "30"
    own = endpoint(pjsip, "emergency")
    assert {own["rtp_timeout"], own["rtp_timeout_hold"], own["timers"]} == {"0", "no"}
    assert own["aors"] == endpoint(pjsip, "trunk")["aors"]


def test_emergency_numbers_are_exact_and_never_meet_the_application() -> None:
    emergency = emergency_dialled([Site(country="GB", outside_line_prefix="9")])
    text = rendered(rerouted(config(), emergency=emergency))["extensions.conf"]
    lines = context(text, "tollgate-emergency.main")
    dialled = [line.split(",")[0].removeprefix("exten => ") for line in lines if "exten" in line]
    assert {"112", "9112", "999", "9999", "18000", "18001999"} <= set(dialled)
    assert dialled == [number for number, _ in emergency]
    sent = [line.removesuffix(",1)").rpartition(",")[2] for line in lines]
    assert sent == [number for _, number in emergency]
    whole = [*lines, *context(text, "tollgate-emergency-call.main")]
    whole += context(text, "tollgate-emergency-trunk")
    assert not any(word in line for line in whole for word in ("Stasis", "TIMEOUT", "U(", "FILTER"))


def test_emergency_comes_first_wherever_the_application_can_be_reached() -> None:
    text = rendered(config())["extensions.conf"]
    assert context(text, "office") == ["include => tollgate.main"]
    assert context(text, "tollgate.main")[0] == "include => tollgate-emergency.main"
    assert context(text, "tollgate")[0] == "include => tollgate-emergency"


def test_the_carrier_reaches_phones_and_nothing_else() -> None:
    assert context(rendered(config())["extensions.conf"], "from-trunk") == [
        "exten => 1001,1,Goto(tollgate-ring.main,1001,1)",
        "exten => 442079460101,1,Goto(tollgate-ring.main,1001,1)",
        "exten => 1002,1,Goto(tollgate-ring.main,1002,1)",
    ]


def test_what_a_phone_sent_is_filtered_before_anything_uses_it() -> None:
    site = rerouted(
        config(),
        free=(DirectPattern(pattern="_0800!", strip=1, prepend="44"),),
        fallback=(DirectPattern(pattern="_020XXXXXXXX", strip=1, prepend="44"),),
    )
    text = rendered(site)["extensions.conf"]
    dialled = [
        line
        for name in set(re.findall(r"^\[(.+)\]$", text, re.MULTILINE)) - HANDED_BACK
        for line in context(text, name)
    ]
    uses = [line for line in dialled if "${EXTEN" in line]
    filtered = "${FILTER(+0-9,${EXTEN})}"
    kept = r"${SET(TOLLGATE_WRITTEN=${REPLACE(EXTEN,./ -(),_)})}"
    compared = re.compile(
        re.escape(
            f"GotoIf($[${{LEN({kept})}} > 0 & "
            r"${FIELDQTY(EXTEN,\x28)}${FIELDQTY(EXTEN,\x29)} = 11 & "
            f"${{LEN({filtered})}} = ${{LEN(${{EXTEN}})}}]?"
        )
        + r"(?P<context>tollgate-(free|outbound)-call(?P<suffix>(\.main)?)),"
        + re.escape(f"{filtered},1:tollgate-outbound-call")
        + r"(?P=suffix),written,1\)"
    )
    # From [tollgate-outbound-call], which is one of these.
    entered_filtered = {"tollgate-gate", "tollgate-away", "tollgate-forwarded"}
    entered_filtered |= {"tollgate-fallback", "tollgate-fallback.main"}
    for line in uses:
        if match := compared.search(line):
            entered_filtered.add(match["context"])
    assert entered_filtered == {
        "tollgate-away",
        "tollgate-fallback",
        "tollgate-fallback.main",
        "tollgate-forwarded",
        "tollgate-free-call",
        "tollgate-free-call.main",
        "tollgate-gate",
        "tollgate-outbound-call",
        "tollgate-outbound-call.main",
    }
    allowed = {line for name in entered_filtered for line in context(text, name)}
    assert all(compared.search(line) or line in allowed for line in uses), uses
    hook = context(text, "tollgate-freepbx")
    for name in entered_filtered:
        ways_in = [line for line in dialled if entered_by(line, name) and line not in hook]
        assert ways_in
        assert all(compared.search(line) or line in allowed for line in ways_in), ways_in
    assert "Dial(PJSIP/${EXTEN" not in text
    assert "TOLLGATE_WRITTEN" not in "".join(
        set(dialled) - set(uses) - set(context(text, "tollgate-written"))
    )


def test_hook_of_freepbx_asks_for_nothing_but_digits() -> None:
    """Compared before it is used, and filtered all the same."""
    lines = context(rendered(config())["extensions.conf"], "tollgate-freepbx")
    used = [n for n, line in enumerate(lines) if "${number}" in line and "DIALPLAN" in line]
    compared = [
        n for n, line in enumerate(lines) if "{LEN(${number})}]?:tollgate-not-valid" in line
    ]
    parted = [n for n, line in enumerate(lines) if r"FIELDQTY(number,\x28)" in line]
    assert parted[0] < compared[0] < used[0]
    (asks,) = [line for line in lines if "tollgate-outbound-call" in line]
    assert "${FILTER(+0-9,${number})},1)" in asks


def entered_by(line: str, name: str) -> bool:
    """Whether a line leads into a context, also where the office's name is put in when it runs."""
    part = name.partition(".")[0]
    return re.search(rf"(?<![\w-])({re.escape(name)}|{part}\$\{{.+\}}),", line) is not None


def test_what_the_application_decides_cannot_be_dialled() -> None:
    text = rendered(config())["extensions.conf"]
    assert all(context(text, name) for name in HANDED_BACK)
    entered = "|".join(HANDED_BACK)
    assert re.findall(rf"(?:include => |Goto.*[(?:])(?:{entered})", text) == []


def test_every_application_that_dials_is_given_a_rendered_or_a_filtered_number() -> None:
    text = rendered(config())["extensions.conf"]
    dials = re.findall(r"Dial\(([^,)]*)", text)
    assert set(dials) == {
        "PJSIP/${TOLLGATE_DIAL}@trunk",
        "PJSIP/${ARG1}@emergency",
        "PJSIP/${ARG1}@trunk",  # where the former fails
        "${GOSUB_RETVAL}",  # of tollgate-phone-contacts, below
    }
    for line in context(text, "tollgate-ring.main"):
        if "Dial(" in line:
            assert line == " same => n,Dial(${GOSUB_RETVAL},60,i)"


def test_no_contact_of_a_phone_may_be_at_the_trunk() -> None:
    text = rendered(config())["pjsip.conf"]
    phone, _, trunk = text.partition("\n[trunk]\n")
    assert "contact_deny = 127.64.0.2\n" in phone
    assert "redirect_method = user\n" in phone
    assert "contact_deny" not in trunk


def test_feature_codes_ask_by_endpoint_and_never_by_caller_id() -> None:
    site = replace(config(), features=(("*80", "balance"), ("*81", "price")))
    text = rendered(site)["extensions.conf"]
    assert context(text, "tollgate-features") == [
        "exten => *80,1,Goto(tollgate-feature,balance,1)",
        "exten => *81,1,Goto(tollgate-feature,price,1)",
    ]
    asked = [line for line in context(text, "tollgate-feature") if "AGI(" in line]
    assert asked == [
        (
            " same => n,AGI(agi://127.0.0.1:4573/${TOLLGATE_FEATURE},"
            "${CHANNEL(endpoint)},${TOLLGATE_LANGUAGE})"
        )
    ]


def test_feature_codes_come_before_what_the_application_decides() -> None:
    lines = context(rendered(config())["extensions.conf"], "tollgate.main")
    features = lines.index("include => tollgate-features")
    assert features < lines.index("include => tollgate-outbound.main")
    assert features < lines.index("include => tollgate-unknown")


def test_script_for_the_balance_is_run_only_where_the_server_did_not_tell_it() -> None:
    site = replace(config(), balance_script=Path("/opt/tollgate/agi/balance_script.py"))
    lines = context(rendered(site)["extensions.conf"], "tollgate-feature")
    run = next(n for n, line in enumerate(lines) if "balance_script.py" in line)
    assert 'GotoIf($["${TOLLGATE_FEATURE}${TOLLGATE_TOLD}" = "balance"]?:told)' in lines[run - 1]


def test_a_direct_number_is_sent_as_the_trunk_wants_it() -> None:
    site = rerouted(config(), free=(DirectPattern(pattern="_0800!", strip=1, prepend="44"),))
    text = rendered(site)["extensions.conf"]
    assert context(text, "tollgate-free.main")[0].startswith("exten => _0800!,1,GotoIf(")
    (first, second, *_) = context(text, "tollgate-free-call.main")
    assert first == "exten => _0800!,1,Set(TOLLGATE_OFFICE=main)"
    assert second == " same => n,Set(TOLLGATE_DIAL=44${EXTEN:1})"


def test_an_asterisk_of_ones_own_gets_our_contexts_and_no_other() -> None:
    whole = rendered(config())["extensions.conf"]
    files = rendered_dialplan(config())
    of_file = {name: re.findall(r"^\[(.+)\]$", text, re.MULTILINE) for name, text in files.items()}
    assert of_file["tollgate-trunk.conf"] == ["tollgate-trunk", "tollgate-emergency-trunk"]
    assert of_file["tollgate.conf"][:2] == ["tollgate.main", "tollgate"]
    left_out = {"general", "office", "from-trunk"}
    every = set(re.findall(r"^\[(.+)\]$", whole, re.MULTILINE))
    assert {name for names in of_file.values() for name in names} == every - left_out
    for file, names in of_file.items():
        for name in names:
            assert context("\n" + files[file], name) == context(whole, name)
    with pytest.raises(RenderError, match="no emergency number"):
        rendered_dialplan(rerouted(config(), emergency=()))


def test_what_asterisk_plays_by_itself_is_known() -> None:
    said = {"funds-exhausted", "service-unavailable", "number-not-valid"}
    assert sounds_played() == {NO_SOUND, *said}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "a\nb"}, "cannot stand in an Asterisk configuration file"),
        ({"app_name": "a;x"}, "cannot stand in an Asterisk configuration file"),
        ({"features": (("80", "balance"),)}, "feature code '80' .balance. is not"),
        ({"features": (("*8,1,System(x)", "balance"),)}, "is not \\* or # and digits"),
        ({"features": (("*80", "a/../b"),)}, "is not \\* or # and digits"),
        ({"agi_address": "192.0.2.1"}, "agi_address 192.0.2.1 is not of this machine"),
        ({"balance_script": Path("/x,y")}, "balance_script /x,y cannot stand"),
        ({"sip_address": "0.0.0.0"}, "sip_address 0.0.0.0 is every address"),  # noqa: S104 - refused
        ({"sip_address": "tollgate.example"}, "is not an IP address"),
        ({"trunk_host": "sip.example"}, "trunk_host 'sip.example' is not an IP address"),
        ({"control_address": "192.0.2.1"}, "control_address 192.0.2.1 is not of this machine"),
        ({"rtp_last_port": 10002}, "hold no call"),
        ({"rtp_last_port": 70000}, "hold no call"),
        (
            {"phones": (Phone(endpoint="1003", number="1003", name="New"),)},
            "phone 1003 has no password",
        ),
        ({"offices": ()}, "there is no office"),
        (
            {"phones": (Phone(endpoint="1001", number="1001", name="Ici", office="lyon"),)},
            "phone 1001 is of the office lyon, which is none",
        ),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    site = replace(config(tmp_path / "instance"), **changes)  # type: ignore[arg-type]
    with pytest.raises(RenderError, match=reason):
        render(site)
    assert not (tmp_path / "instance" / "etc" / "extensions.conf").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "Nice!"}, "'Nice!' is no name of an office"),
        ({"name": ""}, "'' is no name of an office"),
        ({"emergency": ()}, "the office main has no emergency number"),
        ({"emergency": (("9x9", "999"),)}, "'9x9' is not digits"),
        ({"emergency": (("999", "9&9"),)}, "'999' is not digits"),
        ({"emergency": (("1001", "001"),)}, "extension 1001 is an emergency number"),
        ({"free": (DirectPattern(pattern="_."),)}, "pattern '_.' is not"),
        ({"free": (DirectPattern(pattern="_0X,1,System(x)"),)}, "pattern .* is not"),
        ({"fallback": (DirectPattern(pattern="_0X", prepend="${X}"),)}, "cannot be put in front"),
    ],
)
def test_a_wrong_value_of_an_office_is_refused(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    phones = () if "name" in changes else config().phones
    with pytest.raises(RenderError, match=reason):
        render(rerouted(replace(config(tmp_path / "instance"), phones=phones), **changes))


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "instance").write_text("a file in the folder's place")
    with pytest.raises(RenderError, match="etc cannot be written: Not a directory"):
        render(config(tmp_path / "instance"))


def test_whatever_asterisk_says_is_said_after_no_sound() -> None:
    """Else a channel that has just left a bridge may drop all of it: docs/adr/0008."""
    lines = (TEMPLATES / "extensions.conf").read_text(encoding="utf-8").splitlines()
    said = [line for line in lines if "Playback(" in line]
    assert len(said) == 5
    assert all("Playback(tollgate/no-sound" in line for line in said)


def test_the_ringing_that_callers_hear_is_that_of_the_country() -> None:
    for tones in {*TONES.values(), TONES_ELSEWHERE}:
        indications = rendered(rerouted(config(), tones=tones))["indications.conf"]
        assert f"\ncountry = {tones}\n" in indications
        zone = indications.partition(f"\n[{tones}]\n")[2].partition("\n[")[0]
        assert re.search(r"^ring = [0-9+/,]+$", zone, flags=re.MULTILINE)
