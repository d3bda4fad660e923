"""`tollgate dialplan check` and `trace`, as an admin runs them over files and over Asterisk."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from admin.__main__ import app
from assembly.routes import own_asterisk
from dialplan.render import rendered_dialplan
from dialplan.walk.rules import RULES
from settings import Settings
from tests.admin.asterisk_stand_in import SOUND, AsteriskStandIn, running
from tests.admin.conftest import Site
from tests.dialplan.walk.text import listed

OUT = "[out]\nexten => _00X.,1,Set(N=${FILTER(0-9,${EXTEN})})\n same => n,Dial(PJSIP/${N}@trunk)\n"
PJSIP = """
[phone](!)
type = endpoint
context = office
allow_transfer = no
[1001](phone)
aors = 1001
[1001]
type = aor
max_contacts = 1
[trunk]
type = endpoint
context = from-trunk
aors = trunk
[trunk]
type = aor
contact = sip:192.0.2.1
"""
OURS = rendered_dialplan(own_asterisk(Settings()))


@pytest.fixture(autouse=True)
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLGATE_SETTINGS", raising=False)
    folder = tmp_path / "asterisk"
    folder.mkdir()
    for name, text in OURS.items():
        (folder / name).write_text(text)
    (folder / "pjsip.conf").write_text(PJSIP)
    return folder


def write(etc: Path, text: str) -> None:
    lines = "#tryinclude tollgate*.conf\n"
    (etc / "extensions.conf").write_text(f"{text}\n{lines}")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dialplan", *arguments])


def check(etc: Path, *arguments: str) -> Result:
    return run("check", "--files", str(etc), *arguments)


def test_gated_dialplan_is_said_to_be_so(etc: Path) -> None:
    write(etc, "[office]\ninclude => tollgate")
    found = check(etc)
    assert found.exit_code == 0
    assert "[office] 1001: gated" in found.stdout
    assert "2 gated, 0 ungated, 0 cannot tell" in found.stdout  # and who calls from outside


def test_ungated_number_has_a_witness_a_place_and_its_file_and_line(etc: Path) -> None:
    write(etc, f"[office]\ninclude => out\ninclude => tollgate\n{OUT}")
    found = check(etc)
    assert found.exit_code == 1
    assert "error ungated: nobody pays when 1001 dials 00" in found.stdout
    assert "(extensions.conf:6)" in found.stdout
    report = json.loads(check(etc, "--json").stdout)
    (context,) = [each for each in report["contexts"] if each["context"] == "office"]
    (finding,) = context["findings"]
    assert context["result"] == "ungated"
    assert finding["line"] == "extensions.conf:6"
    assert finding["dial"].startswith("00")
    assert finding["way"][-1].startswith("[office] 00")
    assert report["status"] == 1


def test_what_cannot_be_told_has_an_exit_status_of_its_own(etc: Path) -> None:
    write(etc, "[office]\ninclude => tollgate\nexten => 600,1,Queue(sales)")
    found = check(etc)
    assert found.exit_code == 3
    assert "[office] 1001: cannot tell" in found.stdout
    assert "the members of the queue sales are not known ([office] 600,1)" in found.stdout


def test_sarif_names_every_rule_and_each_finding_s_place(etc: Path) -> None:
    write(etc, f"[office]\ninclude => out\ninclude => tollgate\n{OUT}")
    document = json.loads(check(etc, "--format", "sarif").stdout)
    assert document["version"] == "2.1.0"
    (sarif_run,) = document["runs"]
    driver = sarif_run["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == [rule.name for rule in RULES]
    for result in sarif_run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
    (ungated,) = [each for each in sarif_run["results"] if each["ruleId"] == "ungated"]
    place = ungated["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "extensions.conf"},
        "region": {"startLine": 6},
    }


@pytest.mark.parametrize(
    ("file", "language"), [("extensions.ael", "AEL"), ("extensions.lua", "Lua")]
)
def test_other_languages_are_told_as_what_only_asterisk_knows(
    etc: Path, file: str, language: str
) -> None:
    write(etc, "[office]\ninclude => tollgate")
    (etc / file).write_text("context office {};")
    found = check(etc)
    assert found.exit_code == 3
    assert f"what is written in {language} only Asterisk can tell" in found.stdout


def test_context_of_another_technology_is_looked_at_by_its_name(etc: Path) -> None:
    write(etc, f"[office]\ninclude => tollgate\n{OUT}")
    assert check(etc).exit_code == 0
    assert check(etc, "--context", "out").exit_code == 1


def test_what_cannot_be_looked_at_is_no_finding(etc: Path) -> None:
    for found in (check(etc / "nowhere"), run("check")):
        assert found.exit_code == 2
        assert found.stderr


def test_variable_that_an_endpoint_sets_is_known_on_its_channels(etc: Path) -> None:
    write(
        etc,
        '[office]\nexten => _00X.,1,GotoIf($["${LINE}" = "open"]?out,${EXTEN},1)\n'
        f" same => n,Set(LINE=shut)\n same => n,Hangup()\ninclude => tollgate\n{OUT}",
    )
    assert check(etc).exit_code == 0
    opened = PJSIP.replace("[1001](phone)\n", "[1001](phone)\nset_var = LINE=open\n")
    (etc / "pjsip.conf").write_text(opened)
    assert check(etc).exit_code == 1


def test_trace_shows_the_way_as_a_tree_with_files_and_lines(etc: Path) -> None:
    write(etc, "[office]\nexten => _9X.,1,Goto(tollgate,${FILTER(+0-9,${EXTEN:1})},1)")
    traced = run("trace", "90033142685300", "--phone", "1001", "--files", str(etc))
    assert traced.exit_code == 0
    assert (
        "[office] 90033142685300,1 as _9X.  Goto(tollgate,0033142685300,1)  extensions.conf:2"
        in (traced.stdout)
    )
    assert "asks the application" in traced.stdout
    assert "tollgate.conf:" in traced.stdout
    allowed = run(
        "trace", "0033142685300", "--context", "tollgate", "--files", str(etc), "--allowed"
    )
    assert "dials PJSIP/" in allowed.stdout
    document = json.loads(
        run("trace", "0033142685300", "--phone", "1001", "--files", str(etc), "--json").stdout
    )
    assert document["ends"] == ["there is no [office] 0033142685300,1: the call ends"]


def test_phone_that_is_not_there_is_named(etc: Path) -> None:
    write(etc, "[office]\ninclude => tollgate")
    traced = run("trace", "1", "--phone", "2001", "--files", str(etc))
    assert traced.exit_code == 2
    assert "there is no phone '2001'" in traced.stderr


async def test_running_asterisk_is_looked_at_with_the_rights_that_there_are(site: Site) -> None:
    ours = "".join(OURS.values())
    office = f"{ours}[office]\ninclude => out\ninclude => tollgate\n{OUT}"
    async with running(AsteriskStandIn(listing=listed(office), endpoints=SOUND)) as asterisk:
        site.add(asterisk.settings)
        shown = site.folder / "shown.txt"
        shown.write_text(
            "[ Context 'out' created by 'pbx_config' ]\n"
            "  '_00X.' => 1. Set(N=1)  [extensions.conf:4]\n"
            "     2. Dial(PJSIP/1@trunk)  [extensions.conf:5]\n"
        )
        found = await asyncio.to_thread(run, "check", "--lines", str(shown), "--json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    (context,) = [each for each in report["contexts"] if each["context"] == "office"]
    assert [(each["rule"], each["line"]) for each in context["findings"]] == [
        ("ungated", "extensions.conf:5")
    ]
