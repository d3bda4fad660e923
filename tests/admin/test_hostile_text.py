"""What files and people write reaches a terminal as text, never as orders to it."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from charging.plain_text import is_plain
from db.engine import open_engine
from plans.files import SHIPPED_PLANS
from tests.admin.conftest import Site

HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e00.1£\u2066"
TYPER_ECHO = re.compile(r"typer\.echo\((?!\"\"\.join\(files)")


def plain_lines(output: str) -> bool:
    return all(is_plain(line) for line in output.split("\n"))


def test_a_note_that_cannot_be_shown_is_refused(site: Site) -> None:
    site.make_ledger(top_up=None)
    for arguments in (["topup", "5", "--key", "k1"], ["ledger", "cancel-topup", "k1"]):
        done = site.run(*arguments, "--note", HOSTILE)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "the reason holds a character that cannot be shown" in done.stderr
        assert plain_lines(done.stderr)


def test_what_an_earlier_version_stored_is_written_out(site: Site) -> None:
    site.make_ledger()
    engine = open_engine(site.settings.database.url)
    with engine.begin() as writer:
        writer.execute(text("DROP TRIGGER entries_refuse_update"))
        writer.execute(text("UPDATE entries SET reason = :reason"), {"reason": HOSTILE})
    engine.dispose()
    shown = site.run("ledger", "show").stdout
    assert r"\x1b]0;owned\x07\x9b2J\u202e00.1£\u2066" in shown
    assert plain_lines(shown)
    told = site.run("ledger", "show", "--json").stdout
    assert plain_lines(told)
    assert json.loads(told)["entries"][0]["reason"] == HOSTILE


def test_names_of_files_and_settings_are_written_out(site: Site) -> None:
    folder = site.folder / f"plans{HOSTILE}".replace("/", "")
    folder.mkdir()
    quoted = json.dumps(folder.name)
    site.file.write_text(f"[site]\nplans_folder = {quoted}\nphones_file = 'phones.toml'\n")
    for arguments in (
        ["balance"],
        ["doctor", "--no-asterisk"],
        ["doctor", "--no-asterisk", "--json"],
    ):
        done = site.run(*arguments)
        assert done.exit_code == 1
        assert "plans" in done.output
        assert plain_lines(done.output)


def test_a_plan_with_a_title_that_cannot_be_shown_is_refused(site: Site) -> None:
    plans = site.folder / "plans"
    plans.mkdir()
    plan = (SHIPPED_PLANS / "uk.toml").read_text()
    (plans / "uk.toml").write_text(re.sub('title = ".*"', r'title = "UK\\u001b[2J"', plan))
    site.file.write_text("[site]\nplans_folder = 'plans'\nphones_file = 'phones.toml'\n")
    done = site.run("explain", "999")
    assert done.exit_code == 1
    assert "title: it holds a character that cannot be shown" in done.stderr
    assert plain_lines(done.stderr)


@pytest.mark.parametrize(
    "module", sorted((Path(__file__).parents[2] / "admin").glob("*.py")), ids=lambda file: file.name
)
def test_only_one_module_writes_to_the_terminal(module: Path) -> None:
    if module.name in {"output.py", "__main__.py"}:
        return
    assert not TYPER_ECHO.search(module.read_text(encoding="utf-8"))
