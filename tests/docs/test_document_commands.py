"""Every `tollgate …` that a document names is a command that exists, with options that it has.

Lines of a document's examples are also parsed as the command line would parse them: an argument
that is missing, or one too many, is found.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from admin.__main__ import COMMANDS, app, load
from tests.test_tidy import ROOT, tracked
from trials.chaos import KINDS

DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *tracked("docs/**/*.md"), *tracked("docs/*.md")]
)
_SPAN = re.compile(r"`(?:[A-Z_]+=\S+ +)*tollgate +([^`]+)`")
_EXAMPLE = re.compile(r"^(?: {4,}|)(?:\$ )?(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?tollgate +(.+)$")
_REMARK = re.compile(r"\s{2,}#.*$|\s+# .*$")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z-]*$")
# What was a command once; only the CHANGELOG speaks of it.
GONE = frozenset({"demo", "prompts pack"})


def spans() -> Iterator[Any]:
    """In the text: `tollgate refill status|set|now`, `tollgate topup AMOUNT`."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8").replace("\n", " ")
        for found in _SPAN.finditer(text):
            if not found[1].startswith(tuple(GONE)):
                yield pytest.param(found[1], id=f"{document.name}: {found[1][:60]}")


def examples() -> Iterator[Any]:
    """Lines of their own, as a reader would copy them."""
    for document in DOCUMENTS:
        for line in document.read_text(encoding="utf-8").splitlines():
            found = _EXAMPLE.match(line)
            if found and (line.startswith(("    ", "$ "))):
                words = _REMARK.sub("", found[1])
                yield pytest.param(words, id=f"{document.name}: {words[:60]}")


def words_of(text: str) -> list[str]:
    return [word for word in shlex.split(text.replace("…", ""), comments=False) if word]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words that are left.

    Raises:
        AssertionError: there is no such command.
    """
    first, *rest = words
    names = first.split("|")
    for name in names:
        assert name in COMMANDS or name.startswith("-"), f"no command {name!r}"
    if first.startswith("-"):
        return typer.main.get_command(app), words
    found = load(names[0])
    while rest and hasattr(found, "commands") and not rest[0].startswith("-"):
        alternatives = rest[0].strip(",").split("|")
        known = [name for name in alternatives if name in found.commands]
        if not known:  # `tollgate backup FOLDER`: a group that does something by itself
            assert getattr(type(found), "invoked_by_itself", False), f"no command {rest[0]!r}"
            found = found.commands[found.invoked_by_itself]
            break
        assert known == alternatives, f"no commands {set(alternatives) - set(known)}"
        found, rest = found.commands[known[0]], rest[1:]
    if getattr(type(found), "without_arguments", False):  # `tollgate backup --keep 14`
        found = found.commands[found.invoked_by_itself]
    return found, rest


def options_of(command: Any) -> set[str]:
    named = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return {*named, "--help", "-h", "--version", "-V"}


EXAMPLES = [*examples()]


@pytest.mark.parametrize("text", [*spans(), *EXAMPLES])
def test_the_command_exists_and_has_these_options(text: str) -> None:
    command, rest = command_of(words_of(text))
    options = [word.partition("=")[0].rstrip(",.;") for word in rest if re.match(r"--?[a-z]", word)]
    assert set(options) <= options_of(command)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_can_be_typed_as_it_stands(text: str) -> None:
    command, rest = command_of(words_of(text))
    if hasattr(command, "commands"):
        assert rest == [] or rest[0].startswith("-")
        return
    context = command.make_context("tollgate", [*map(_filled_in, rest)])  # or says what is wrong
    assert context.params is not None


def _filled_in(word: str) -> str:
    """A number for a word in capitals, which is whatever the reader puts there."""
    return "7" if _PLACEHOLDER.fullmatch(word) else word


def test_there_is_something_to_look_at() -> None:
    assert len(list(spans())) > 40
    assert len(list(examples())) > 15


def test_a_command_that_is_gone_would_be_found() -> None:
    with pytest.raises(AssertionError, match="no command"):
        command_of(words_of("frobnicate FILE"))
    with pytest.raises(AssertionError, match="no command"):
        command_of(words_of("rates frobnicate"))
    command, _ = command_of(words_of("topup 20"))
    assert "--gift" not in options_of(command)


def test_every_command_is_in_some_document() -> None:
    everything = " ".join(Path(each).read_text(encoding="utf-8") for each in DOCUMENTS)
    unknown = [
        name for name in COMMANDS if not re.search(rf"tollgate {name}\b|`{name}\b", everything)
    ]
    assert not unknown


def test_every_test_and_trial_that_a_document_names_is_there() -> None:
    """`tests/…` are files, `make …` are targets, and ONLY= is a kind of breakage."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        files = re.findall(r"`(tests/[A-Za-z0-9_/.-]+\.py)`", text)
        assert [name for name in files if not (ROOT / name).is_file()] == [], document
        if document.name != "CHANGELOG.md":  # which may speak of what is gone
            named = set(re.findall(r"`make ([a-z-]+)", text))
            assert named <= targets, document
        only = set(re.findall(r"ONLY=([a-z-]+)", text)) - {"production"}
        assert only <= {*KINDS, "kind"}, document
