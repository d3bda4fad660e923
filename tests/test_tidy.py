"""House rules that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions
from pathlib import Path

import pytest

from dialplan.render import sounds_played
from prompts.library import NO_SOUND
from settings import reference

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
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


def test_every_package_that_ships_says_that_it_is_typed() -> None:
    packages = PROJECT["tool"]["setuptools"]["packages"]
    for package in packages:
        assert (ROOT / package.partition(".")[0] / "py.typed").exists(), package


STAYS_HERE = {"bench", "demo", "docker", "lab", "studio", "tests", "trials"}


def shipped() -> set[str]:
    return {package.partition(".")[0] for package in PROJECT["tool"]["setuptools"]["packages"]}


def test_every_folder_of_code_ships_or_is_known_to_stay_here() -> None:
    folders = {file.relative_to(ROOT).parts[0] for file in tracked("**/*.py")}
    assert folders - shipped() == STAYS_HERE


def test_nothing_that_ships_imports_what_stays_here() -> None:
    """import-linter sees what it is told of; this sees every import that ships."""
    wrong = {
        f"{file.relative_to(ROOT)}: {module}"
        for package in shipped()
        for file in tracked(f"{package}/*.py")
        for module in _imported(ast.parse(file.read_text(encoding="utf-8")))
        if module in STAYS_HERE
    }
    assert not wrong


NOT_IMPORTED = {
    "python-multipart",  # Starlette reads forms with it
    "tzdata",  # zoneinfo reads it where the system has no time zones
}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    ships = shipped()
    declared = {_distribution(line) for line in PROJECT["project"]["dependencies"]}
    of_tests = {_distribution(line) for line in PROJECT["dependency-groups"]["dev"]}
    used = distributions_of(*(f"{package}/*.py" for package in ships))
    assert used <= declared
    assert declared - used == NOT_IMPORTED
    others = STAYS_HERE - {"studio"}
    patterns = [f"{each}/*.py" for each in others]
    assert distributions_of(*patterns, but_in="tests/studio") <= declared | of_tests
    of_studio = {_distribution(line) for line in PROJECT["dependency-groups"]["studio"]}
    of_all = declared | of_tests | of_studio
    assert distributions_of("studio/*.py", "tests/studio/*.py") <= of_all


def distributions_of(*patterns: str, but_in: str | None = None) -> set[str]:
    """What the files import that is neither Python's own nor ours, as packages are called."""
    known = packages_distributions()
    return {
        name.lower().replace("_", "-")
        for pattern in patterns
        for file in tracked(pattern)
        if but_in is None or not file.is_relative_to(ROOT / but_in)
        for module in _imported(ast.parse(file.read_text(encoding="utf-8")))
        for name in known.get(module, ())
        if module not in sys.stdlib_module_names and not (ROOT / module).exists()
    }


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower()


def test_one_index_names_every_document() -> None:
    index = ROOT / "docs" / "index.md"
    targets = re.findall(r"\]\(([^)]+)\)", index.read_text(encoding="utf-8"))
    named = {(index.parent / target).resolve() for target in targets}
    assert {file for file in named if not file.exists()} == set()
    assert set(tracked("*.md")) - named <= {index}


def test_every_setting_is_documented_as_the_model_has_it() -> None:
    """Red: `make docs`."""
    assert (ROOT / reference.EXAMPLE).read_text(encoding="utf-8") == reference.example_toml()
    assert (ROOT / reference.CONFIGURE).read_text(encoding="utf-8") == reference.configure_md()


def test_notice_names_every_package_whose_terms_ask_for_more_than_a_notice() -> None:
    """GPL and MPL families, by the metadata of what is installed at run time."""
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    lock = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    names = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    reciprocal = {name for name in names if re.search(r"\b[AL]?GPL|\bMPL", _terms_of(name))}
    assert {"psycopg", "certifi", "pyst2"} <= reciprocal
    for name in reciprocal:
        assert name in notice


def _terms_of(name: str) -> str:
    try:
        about = metadata(name)
    except PackageNotFoundError:  # of another system, such as colorama
        return ""
    return " ".join(about.get_all("License-Expression", []) + about.get_all("License", []))


def test_groups_of_errors_are_taken_apart_in_one_place() -> None:
    """What is raised inside `except*` comes out in a group in Debian 12's Python."""
    found = {
        str(file.relative_to(ROOT)) for file, node in nodes(".") if isinstance(node, ast.TryStar)
    }
    assert found == {"assembly/task_errors.py"}


def test_nothing_is_left_to_be_done_later() -> None:
    marks = "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"])
    for file in [*tracked("*.py"), *tracked("*.conf"), *tracked("*.sh")]:
        assert not re.search(rf"\b({marks})\b", file.read_text(encoding="utf-8")), file


# What docs/glossary.md has a word for, and must not be said otherwise: the pattern, and the word.
SAID_OTHERWISE = {
    r"\b(take|takes|taken|taking|took)[ _]up\b": "resume",
    r"\b(hand|hands|handed)( the caller)? back\b": "continue in the dialplan",
    r"\b(give|gives|given|gave|giving) back\b": "release, or correct",
    r"\bdeaf\b|\b(lose|loses|lost) sight\b|SightLost": "events lost",
    r"\bheard_late\b": "missed StasisStart",
    r"\bthe books\b|\bBooks\b": "ledger, or ledger snapshot",
    r"\bTill\b": "call billing",
    r"\bPace\b": "metering schedule",
    r"\b[Ii]ncrement_?([Rr]eserved|[Rr]efused|[Pp]ostponed|[Dd]ebited)\b": "interval",
    r"\bmood\b|\binto the ear\b|\bswallowed\b": "plain words",
}


@pytest.mark.parametrize(("pattern", "word"), SAID_OTHERWISE.items())
def test_one_idea_has_one_word(pattern: str, word: str) -> None:
    """The changelog tells what was, and this file what is not to be."""
    found = re.compile(pattern)
    kept = {ROOT / "CHANGELOG.md", Path(__file__)}
    said = [
        f"{file.relative_to(ROOT)}:{number}: say {word}: {line.strip()}"
        for ending in ("py", "md", "conf", "toml")
        for file in tracked(f"*.{ending}")
        if file not in kept
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if found.search(line)
    ]
    assert not said
