"""House rules that no linter knows."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialplan.render import sounds_played
from prompts.library import NO_SOUND

ROOT = Path(__file__).parents[1]
FUNCTION_LINES_MAX = 70


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", pattern],  # noqa: S607 - whichever git the developer uses
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = (ROOT / line for line in listed.stdout.splitlines())
    return [file for file in files if file.exists()]  # a removed one is still listed


def nodes(folder: str) -> Iterator[tuple[Path, ast.AST]]:
    for file in tracked(f"{folder}/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield file, node


def test_functions_can_be_held_in_the_head() -> None:
    long = [
        f"{file.name}:{node.name}"
        for file, node in nodes(".")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not long


def test_test_files_have_names_of_their_own() -> None:
    """Test folders are not packages, so pytest takes two files of one name for one, and fails."""
    names = [file.name for file in tracked("tests/**/test_*.py")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("folder", ["charging", "db"])
def test_money_never_meets_a_float(folder: str) -> None:
    """Seconds may be fractions at the edges; what is written to the ledger may not."""
    floats = [
        f"{file.name}:{node.lineno}"
        for file, node in nodes(folder)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id in {"float", "Float", "Numeric"})
    ]
    assert not floats


def test_what_was_dialled_is_filtered_before_it_is_dialled_on() -> None:
    for file in tracked("dialplan/*.conf"):
        for line in file.read_text(encoding="utf-8").splitlines():
            code = line.partition(";")[0]
            if "Dial(" in code:
                assert "${EXTEN" not in code, f"{file.name}: {line}"


def test_every_language_has_every_text() -> None:
    keys = {
        file.stem: {
            (section, key)
            for section, texts in tomllib.loads(file.read_text(encoding="utf-8")).items()
            for key in texts
        }
        for file in tracked("prompts/??.toml")
    }
    assert keys.keys() == {"en", "fr"}
    assert keys["en"] == keys["fr"]


def test_every_sound_that_the_dialplan_plays_has_a_text() -> None:
    english = tomllib.loads((ROOT / "prompts/en.toml").read_text(encoding="utf-8"))
    clips = {key for texts in english.values() for key in texts}
    played = sounds_played()
    assert played
    assert played <= clips | {NO_SOUND}


def test_lock_files_hold_hashes_and_no_address() -> None:
    for file in tracked("requirements/*.txt"):
        text = file.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_sqlite_is_opened_in_the_form_that_python_keeps() -> None:
    """From Python 3.12 on, every argument behind the database is named or warned of."""
    positional = [
        f"{file}:{node.lineno}"
        for file in tracked("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for arguments in [_of_connect(node)]
        if len(arguments) > 1
    ]
    assert not positional


def _of_connect(call: ast.Call) -> list[ast.expr]:
    """What is handed to sqlite3.connect, directly or through asyncio.to_thread."""
    names = [ast.unparse(each) for each in (call.func, *call.args)]
    place = names.index("sqlite3.connect") if "sqlite3.connect" in names else len(names)
    return call.args[place:]


def test_nothing_is_left_to_be_done_later() -> None:
    marks = "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"])
    for file in [*tracked("*.py"), *tracked("*.conf"), *tracked("*.sh")]:
        assert not re.search(rf"\b({marks})\b", file.read_text(encoding="utf-8")), file
