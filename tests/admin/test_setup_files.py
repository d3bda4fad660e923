"""What `tollgate setup asterisk` writes, that it is repeatable, and taken back to the byte."""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from admin.__main__ import app
from admin.readable import write_readable
from admin.setup import carry_out, places
from admin.setup.conf import Conf, own_values
from admin.setup.found import ETC, Found, Kind, conf_of, look
from admin.setup.items import PutFile
from admin.setup.journal import FILE, Journal
from admin.setup.machine import Machine, SetupError
from admin.setup.plan import Wishes, make_plan
from dialplan.phones import load_phones
from dialplan.render import OUR_CONTEXTS
from settings import Settings, load_settings
from tests.admin.machines import (
    STOCK,
    DyingMachine,
    PowerFailure,
    manifest,
    stock_machine,
    text_of,
)

WISHES = Wishes(
    contexts={"phones": "main"}, trunks=("carrier",), program=Path("/opt/t/bin/tollgate")
)
EXTENSIONS = "/etc/asterisk/extensions.conf"


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of writes is what these tests are about: no disk has to be waited for."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def set_up(machine: Machine, wishes: Wishes = WISHES) -> int:
    """How many places were written."""
    journal = Journal(machine)
    plan = make_plan(machine, look(machine), wishes)
    assert plan.refused == ()
    carry_out.note_edited(machine, journal, plan)
    to_do = carry_out.changes(machine, journal, plan)
    journal.remember_options({"plan": wishes.plan})
    carry_out.write(machine, journal, to_do)
    return len(to_do)


def told(machine: Machine, wishes: Wishes = WISHES) -> str:
    return "\n".join(make_plan(machine, look(machine), wishes).told)


def taken_back(machine: Machine) -> carry_out.Undoing:
    journal = Journal(machine)
    plan = carry_out.undoing(machine, journal)
    carry_out.take_back(machine, journal, plan)
    return plan


def conf(machine: Machine, name: str) -> Conf:
    """As Asterisk reads it, with what was written."""
    return conf_of(machine, ETC, name)


# --- what is written ----------------------------------------------------------------------------


def test_packaged_asterisk_gets_what_it_lacks(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    assert conf(machine, "http.conf").last("general", "enabled") == "yes"
    password = text_of(machine, str(places.ARI_PASSWORD)).strip()
    assert conf(machine, "ari.conf").last("tollgate", "password") == password
    assert conf(machine, "ari.conf").last("general", "websocket_write_timeout") == "5000"
    manager = conf(machine, "manager.conf")
    assert manager.last("tollgate", "secret") == text_of(machine, str(places.AMI_SECRET)).strip()
    assert manager.last("tollgate", "write") == "call,reporting"
    assert manager.last("tollgate", "read", "none") == ""
    assert manager.last("general", "webenabled") == "yes"
    cel = conf(machine, "cel.conf")
    assert cel.last("general", "enable") == "yes"
    assert cel.last("general", "apps") == "retrydial"
    custom = conf(machine, "cel_custom.conf")
    assert custom.last(str(places.LEGS_FILE), "format") == "json"
    assert "EventTime(%s.%q)" in custom.last(str(places.LEGS_FILE), "fields")


def test_every_secret_is_another_and_is_read_by_nobody_else(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    secrets = {text_of(machine, str(path)) for path in (places.ARI_PASSWORD, places.AMI_SECRET)}
    assert len(secrets) == 2
    for path, mode in {
        places.ARI_PASSWORD: 0o600,
        places.AMI_SECRET: 0o600,
        places.AGI_SECRET: 0o640,
        ETC / "tollgate/ari.conf": 0o640,
        ETC / "tollgate/manager.conf": 0o640,
        FILE: 0o600,
    }.items():
        assert stat.S_IMODE(machine.at(path).stat().st_mode) == mode, path


def test_settings_and_phones_can_be_used_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    phones = load_phones(machine.at(places.PHONES_FILE))
    assert [(each.endpoint, each.number, each.name) for each in phones] == [
        ("1001", "1001", "Reception"),
        ("workshop", "1002", "Workshop"),
    ]
    settings = Settings.model_validate(tomllib.loads(text_of(machine, str(places.SETTINGS_FILE))))
    assert settings.ari is not None
    assert settings.ari.base_url == "http://127.0.0.1:8088"
    assert settings.trunks.keys() == {"carrier"}
    assert settings.asterisk.cel_file == places.LEGS_FILE
    monkeypatch.setattr("settings.reading.SYSTEM_FILE", machine.at(places.SETTINGS_FILE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLGATE_SETTINGS", raising=False)
    text = text_of(machine, str(places.SETTINGS_FILE)).replace('"/etc', f'"{tmp_path}/etc')
    machine.at(places.SETTINGS_FILE).write_text(text)
    assert load_settings().file == machine.at(places.SETTINGS_FILE)


def test_emergency_numbers_come_first_in_the_phones_context_and_the_gate_last(
    tmp_path: Path,
) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    (phones,) = conf(machine, "extensions.conf").named("phones")
    assert own_values(phones)[0] == ("include", "tollgate-emergency.main")
    assert own_values(phones)[-1] == ("include", "tollgate.main")
    assert ("exten", "600,1,Answer()") in own_values(phones)
    names = {each.name for each in conf(machine, "extensions.conf").sections}
    assert {"tollgate.main", "tollgate-trunk", "from-carrier"} <= names
    assert "; the carrier's calls" in text_of(machine, EXTENSIONS)


def test_trunk_that_is_named_is_dialled_and_emergency_calls_have_their_own_endpoint(
    tmp_path: Path,
) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    trunks = text_of(machine, "/etc/asterisk/tollgate/tollgate-trunk.conf")
    assert "@carrier" in trunks
    assert "@trunk" not in trunks
    pjsip = conf(machine, "pjsip.conf")
    (emergency,) = pjsip.named("emergency")
    assert dict(pjsip.values(emergency))["rtp_timeout"] == "0"
    assert dict(pjsip.values(emergency))["context"] == "from-carrier"


@pytest.mark.parametrize(
    ("name", "text", "kept", "said"),
    [
        (
            "http.conf",
            "[general]\nenabled=yes\nbindaddr=0.0.0.0\nbindport=8089\n",
            'base_url = "http://127.0.0.1:8089"',
            "listens at 0.0.0.0",
        ),
        (
            "http.conf",
            "[general]\nenabled=yes\nbindaddr=192.0.2.1\n",
            'base_url = "http://192.0.2.1:8088"',
            "listens at 192.0.2.1",
        ),
        (
            "manager.conf",
            "[general]\nenabled=yes\nport=5039\nbindaddr=0.0.0.0\n[panel]\nsecret=x\nread=all\n",
            "port = 5039",
            "AMI listens at 0.0.0.0",
        ),
    ],
)
def test_server_that_is_there_keeps_its_address(
    tmp_path: Path, name: str, text: str, kept: str, said: str
) -> None:
    machine = stock_machine(tmp_path, {name: text})
    assert said in told(machine)
    set_up(machine)
    assert kept in text_of(machine, str(places.SETTINGS_FILE))
    assert text in text_of(machine, f"/etc/asterisk/{name}")
    assert conf(machine, name).last("general", "bindaddr") in text


def test_events_that_others_read_stay_enabled(tmp_path: Path) -> None:
    text = "[general]\nenabled=yes\nbindaddr=127.0.0.1\n[panel]\nsecret=x\nread=all\n"
    machine = stock_machine(tmp_path, {"manager.conf": text})
    set_up(machine)
    assert conf(machine, "manager.conf").last("general", "disabledevents", "none") == "none"


def test_server_that_is_off_is_opened_on_loopback_alone(tmp_path: Path) -> None:
    shut = dict.fromkeys(("http.conf", "manager.conf"), "[general]\nenabled=no\nbindaddr=0.0.0.0\n")
    machine = stock_machine(tmp_path, shut)
    set_up(machine)
    for name in shut:
        assert conf(machine, name).last("general", "enabled") == "yes"
        assert conf(machine, name).last("general", "bindaddr") == "127.0.0.1"


def test_global_section_of_pjsip_is_added_to_under_its_own_name(tmp_path: Path) -> None:
    text = STOCK["pjsip.conf"] + "[everything]\ntype=global\nuser_agent=mine\n"
    machine = stock_machine(tmp_path, {"pjsip.conf": text})
    set_up(machine)
    pjsip = conf(machine, "pjsip.conf")
    assert pjsip.last("everything", "taskprocessor_overload_trigger") == "pjsip_only"
    assert len({each.name for each in pjsip.sections if pjsip.kind(each) == "global"}) == 1


def test_modules_that_are_barred_or_not_loaded_are_named(tmp_path: Path) -> None:
    barred = "[modules]\nautoload=yes\nnoload => cel_custom.so\nnoload = app_stack\n"
    machine = stock_machine(tmp_path, {"modules.conf": barred})
    (said,) = [line for line in told(machine).splitlines() if "modules.conf" in line]
    assert "app_stack.so" in said
    assert "cel_custom.so" in said
    assert "app_dial.so" not in said
    by_hand = "[modules]\nautoload=no\nload = app_dial.so\n"
    machine = stock_machine(tmp_path / "other", {"modules.conf": by_hand})
    assert "func_timeout.so" in told(machine)
    assert "app_dial.so" not in told(machine)


def test_contexts_that_the_admin_includes_by_hand_get_no_second_include(tmp_path: Path) -> None:
    text = "[phones]\ninclude => tollgate-emergency\ninclude => mine\ninclude => tollgate\n"
    machine = stock_machine(tmp_path, {"extensions.conf": text})
    set_up(machine)
    (phones,) = conf(machine, "extensions.conf").named("phones")
    assert [value for _, value in own_values(phones)] == ["tollgate-emergency", "mine", "tollgate"]


def test_trunk_contexts_of_the_admins_own_stay_the_only_ones(tmp_path: Path) -> None:
    contexts = ("tollgate-trunk", "tollgate-emergency-trunk")
    own = "".join(f"\n[{name}]\nexten => s,1,Return()" for name in contexts)
    machine = stock_machine(tmp_path, {"extensions.conf": STOCK["extensions.conf"] + own})
    set_up(machine)
    assert len(conf(machine, "extensions.conf").named("tollgate-trunk")) == 1
    assert not machine.exists(ETC / "tollgate/tollgate-trunk.conf")


def test_without_contexts_the_admin_is_told_where_calls_begin(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    said = told(machine, Wishes())
    assert "the calls of 1001, workshop begin in [phones]" in said
    assert "list your phones" in said
    assert "no context [nowhere]" in told(machine, Wishes(contexts={"nowhere": "main"}))


@pytest.mark.parametrize(
    ("kind", "version", "said"),
    [
        (Kind.FREEPBX, (22, 10, 1), "docs/freepbx.md"),
        (Kind.PACKAGED, (22, 9, 0), "older than 22.10.1"),
        (Kind.BY_HAND, (20, 1, 0), "older than 22.10.1"),
    ],
)
def test_where_nothing_can_be_set_up_it_says_why(
    tmp_path: Path, kind: Kind, version: tuple[int, ...], said: str
) -> None:
    machine = stock_machine(tmp_path)
    found = Found(
        kind=kind,
        program=None,
        version=version,
        running=False,
        etc=ETC,
        data=Path("/usr/share/asterisk"),
        user="asterisk",
        group="asterisk",
    )
    plan = make_plan(machine, found, WISHES)
    assert plan.items == ()
    assert said in plan.refused[0]


def test_freepbx_is_known_by_its_own_file(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    assert look(machine).kind is Kind.BY_HAND
    (tmp_path / "var/lib/dpkg/info").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/info/asterisk.list").touch()
    assert look(machine).kind is Kind.PACKAGED
    (tmp_path / "etc/freepbx.conf").touch()
    assert look(machine).kind is Kind.FREEPBX


# --- again, interrupted, taken back -------------------------------------------------------------

ODD: Mapping[str, Mapping[str, str | bytes | None]] = {
    "as packaged": {},
    "nothing there": dict.fromkeys(STOCK),
    "no line end, and bytes that are no text": {"extensions.conf": b"[phones]\n; caf\xe9"},
    "carriage returns": {"extensions.conf": "[phones]\r\nexten => 1,1,Hangup()\r\n"},
}


@pytest.fixture(params=list(ODD.values()), ids=list(ODD))
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return stock_machine(tmp_path, request.param)


def test_second_run_changes_nothing(machine: Machine) -> None:
    assert set_up(machine) > 20
    before = manifest(machine)
    assert set_up(machine) == 0
    assert manifest(machine) == before


def test_all_of_it_is_taken_back_to_the_byte(machine: Machine) -> None:
    before = manifest(machine)
    set_up(machine)
    assert manifest(machine) != before
    taken_back(machine)
    assert manifest(machine) == before


def test_power_failure_at_any_moment_leaves_what_goes_on_and_what_can_be_undone(
    tmp_path: Path,
) -> None:
    whole = stock_machine(tmp_path / "whole")
    written = set_up(whole)
    for lives in range(written):
        root = tmp_path / f"{lives}"
        machine = stock_machine(root)
        before = manifest(machine)
        with pytest.raises(PowerFailure):
            set_up(DyingMachine(root, lives=lives))
        with (machine.root / FILE.relative_to("/")).open("a") as half:
            half.write('{"path": "/etc/half')
        undone = stock_machine(tmp_path / f"{lives}-undone")
        assert set_up(machine) == written - lives
        assert set_up(machine) == 0
        taken_back(machine)
        assert manifest(machine) == before
        with pytest.raises(PowerFailure):
            set_up(DyingMachine(undone.root, lives=lives))
        taken_back(undone)
        assert manifest(undone) == before


def test_power_failure_while_taking_back_is_gone_on_from(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    before = manifest(machine)
    set_up(machine)
    with pytest.raises(PowerFailure):
        taken_back(DyingMachine(tmp_path, lives=5))
    taken_back(machine)
    assert manifest(machine) == before


def test_file_that_somebody_changed_since_is_named(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    with machine.at(Path(EXTENSIONS)).open("a") as file:
        file.write("[mine]\n")
    assert carry_out.undoing(machine, Journal(machine)).changed == [Path(EXTENSIONS)]


def test_what_the_admin_edits_around_a_block_is_what_undoing_brings_back(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    file = machine.at(Path(EXTENSIONS))
    file.write_text(file.read_text().replace("exten => 600", "exten => 601") + "[mine]\n")
    set_up(machine)
    assert taken_back(machine).changed == []
    assert file.read_text() == STOCK["extensions.conf"].replace("600", "601") + "\n[mine]\n"


def test_what_was_handed_to_the_admin_stays_once_they_have_changed_it(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    with machine.at(places.PHONES_FILE).open("a") as file:
        file.write('[phones.1003]\nname = "New"\n')
    assert set_up(machine) == 1  # the contexts, which now have the third phone
    plan = taken_back(machine)
    assert plan.changed == []
    assert places.PHONES_FILE in plan.kept
    assert "1003" in text_of(machine, str(places.PHONES_FILE))
    assert not machine.exists(places.SETTINGS_FILE)


def test_contexts_that_were_rendered_anew_are_taken_back_too(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    before = manifest(machine)
    set_up(machine)
    write_readable(machine.at(ETC / "tollgate" / OUR_CONTEXTS), "; of another plan\n")
    assert taken_back(machine).changed == []
    assert manifest(machine) == before


def test_ledger_and_log_of_legs_stay(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    machine.at(places.LEDGER).write_bytes(b"money")
    machine.at(places.LEGS_FILE).write_bytes(b"{}")
    (machine.at(places.SOUNDS) / "en/tollgate").mkdir(parents=True)
    assert {places.LEDGER_FOLDER, places.LOG_FOLDER} <= set(taken_back(machine).kept)
    assert machine.exists(places.LEDGER)
    assert not machine.exists(places.SOUNDS)


@pytest.mark.parametrize("target", ["/srv/extensions.conf", "../../srv/extensions.conf"])
def test_file_that_is_a_link_is_written_through(tmp_path: Path, target: str) -> None:
    """Whoever keeps the dialplan in a repository finds the change there."""
    machine = stock_machine(tmp_path)
    kept = tmp_path / "srv"
    kept.mkdir()
    real = machine.at(Path(EXTENSIONS)).rename(kept / "extensions.conf")
    link = tmp_path / EXTENSIONS[1:]
    link.symlink_to(target)
    before = manifest(machine)
    set_up(machine)
    assert link.is_symlink()
    assert "tollgate" in real.read_text()
    taken_back(machine)
    assert manifest(machine) == before


@pytest.mark.parametrize("link", ["etc/asterisk/extensions.conf", "etc/asterisk"])
def test_link_that_leads_out_of_the_root_is_refused(tmp_path: Path, link: str) -> None:
    machine = stock_machine(tmp_path / "root")
    place = tmp_path / "root" / link
    place.rename(tmp_path / "outside")
    place.symlink_to(os.path.relpath(tmp_path / "outside", place.parent))
    with pytest.raises(SetupError, match="which is not in"):
        set_up(machine)


def test_link_to_itself_is_refused(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    machine.at(Path(EXTENSIONS)).unlink()
    (tmp_path / EXTENSIONS[1:]).symlink_to("extensions.conf")
    with pytest.raises(SetupError, match="without end"):
        set_up(machine)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_each_file_belongs_to_who_has_to_read_it(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    set_up(machine)
    assert machine.state(places.LEDGER_FOLDER).uid == machine.uid("tollgate")
    assert machine.state(places.LOG_FOLDER).mode == 0o2750
    assert machine.state(ETC / "tollgate/ari.conf").mode == 0o640
    assert machine.state(ETC / "tollgate/ari.conf").gid == machine.gid("asterisk")
    assert machine.state(Path(EXTENSIONS)).uid == 0


# --- the command --------------------------------------------------------------------------------


def run(machine: Machine, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["setup", "asterisk", "--root", str(machine.root), *arguments])
    return done.exit_code, done.output


CHOSEN = ("--phones-context", "phones", "--trunk", "carrier")


def test_dry_run_shows_every_file_and_no_secret_and_writes_nothing(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    before = manifest(machine)
    status, said = run(machine, *CHOSEN, "--dry-run", "--whole")
    assert (status, manifest(machine)) == (0, before)
    for name in ("http.conf", "ari.conf", "extensions.conf", "tollgate.service", "tollgate.toml"):
        assert name in said
    assert "+#tryinclude tollgate/tollgate.conf" in said
    assert "password =" not in said
    assert "secret =" not in said


def test_it_asks_and_no_means_no(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    before = manifest(machine)
    done = CliRunner().invoke(
        app, ["setup", "asterisk", "--root", str(tmp_path), *CHOSEN], input="n\n"
    )
    assert done.exit_code == 1
    assert manifest(machine) == before


def test_what_was_chosen_once_is_chosen_again(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    assert run(machine, *CHOSEN, "--yes")[0] == 0
    status, said = run(machine, "--yes")
    assert (status, "Every file is as it should be." in said) == (0, True)


def test_undo_refuses_as_a_whole_what_was_changed_since(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    assert run(machine, *CHOSEN, "--yes")[0] == 0
    with machine.at(ETC / "http.conf").open("a") as file:
        file.write("; mine\n")
    before = manifest(machine)
    status, said = run(machine, "--undo", "--yes")
    assert (status, manifest(machine)) == (1, before)
    assert "/etc/asterisk/http.conf: was changed since" in said
    status, said = run(machine, "--undo", "--yes", "--keep-changed")
    assert status == 0
    assert "; mine" in text_of(machine, "/etc/asterisk/http.conf")
    assert not machine.exists(places.SETTINGS_FILE)
    assert run(machine, "--undo", "--yes") == (0, "There is nothing to take back.\n")


@pytest.mark.parametrize(
    "wrong", [("--phones-context", "a b"), ("--trunk", "x]\n"), ("--phones-context", "a=B")]
)
def test_name_that_could_be_more_than_a_name_is_refused(
    tmp_path: Path, wrong: tuple[str, str]
) -> None:
    machine = stock_machine(tmp_path)
    assert run(machine, *wrong, "--yes")[0] == 2


def test_every_file_in_a_plan_says_why(tmp_path: Path) -> None:
    machine = stock_machine(tmp_path)
    plan = make_plan(machine, look(machine), WISHES)
    assert all(item.why for item in plan.items)
    assert all(not isinstance(item, PutFile) or item.content for item in plan.items)
