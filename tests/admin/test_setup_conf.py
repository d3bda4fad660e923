"""Asterisk's configuration files as set-up reads them, and blocks of ours in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.setup.blocks import (
    block,
    has_block,
    with_block_at_end,
    with_blocks_at,
    without_blocks,
)
from admin.setup.conf import Conf, own_values, read_conf
from dialplan.config_text import is_true

ETC = Path("/etc/asterisk")


def conf_of(**files: str) -> Conf:
    """The file `main`, which may include the others."""
    texts = {ETC / f"{name}.conf": text for name, text in files.items()}
    return read_conf(
        ETC / "main.conf",
        folder=ETC,
        read=texts.get,
        matching=lambda pattern: sorted(path for path in texts if path.match(str(pattern))),
    )


def test_sections_values_and_comments_are_read_as_asterisk_does() -> None:
    conf = conf_of(
        main="[general] ; the first\nenabled=yes ; on\nname => a \\; b\n;enabled=no\n"
        ";-- enabled = no\n[other]\n--;\nport = 1\n"
    )
    assert [each.name for each in conf.sections] == ["general"]
    (general,) = conf.sections
    assert own_values(general) == [("enabled", "yes"), ("name", "a ; b"), ("port", "1")]


def test_last_value_counts_and_names_know_no_case() -> None:
    conf = conf_of(main="[General]\nPort=1\nport=2\n[general](+)\nport=3\n")
    assert conf.last("general", "port") == "3"
    assert conf.last("general", "host", "none") == "none"


def test_templates_are_inherited_and_are_no_sections_themselves() -> None:
    conf = conf_of(main="[base](!)\ntype=endpoint\ncontext=a\n[1001](base)\ncontext=b\n")
    (phone,) = conf.named("1001")
    assert dict(conf.values(phone)) == {"type": "endpoint", "context": "b"}
    assert not conf.has("base")
    assert conf.has("1001")


def test_section_that_inherits_from_itself_ends() -> None:
    conf = conf_of(main="[a](a)\nx=1\n")
    assert conf.last("a", "x") == "1"


def test_what_is_included_counts_where_it_stands() -> None:
    conf = conf_of(
        main='[a]\n#include "one.conf"\n#tryinclude none.conf\n[b]\n', one="x=1\n[c]\ny=2\n"
    )
    assert [each.name for each in conf.sections] == ["a", "c", "b"]
    assert conf.last("a", "x") == "1"
    files = [Path(each.line.file).name for each in conf.sections]
    assert files == ["main.conf", "one.conf", "main.conf"]


def test_file_that_includes_itself_is_read_to_an_end() -> None:
    assert conf_of(main="[a]\nx=1\n#include main.conf\n").last("a", "x") == "1"


@pytest.mark.parametrize(("said", "so"), [("yes", True), ("On", True), ("no", False), ("", False)])
def test_what_asterisk_takes_for_true(said: str, so: bool) -> None:  # noqa: FBT001 - a table
    assert is_true(said) is so


LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=80)


@given(text=LINES.filter(lambda text: ">>> tollgate" not in text))
def test_taking_blocks_out_leaves_the_admins_text(text: str) -> None:
    there = with_block_at_end(text, ["#tryinclude tollgate/x.conf"], why="a reason")
    own = without_blocks(there)
    assert has_block(there)
    assert own in {text, f"{text}\n"}
    assert with_block_at_end(own, ["#tryinclude tollgate/x.conf"], why="a reason") == there


@given(
    lines=st.lists(st.text("ab;[] ", max_size=8), min_size=1, max_size=6),
    places=st.sets(st.integers(0, 5), max_size=3),
)
def test_blocks_between_lines_can_be_taken_out_again(lines: list[str], places: set[int]) -> None:
    text = "\n".join([*lines, ""])
    blocks = [(min(place, len(lines)), block(["x"], why=str(place))) for place in places]
    assert without_blocks(with_blocks_at(text, blocks)) == text


def test_block_that_was_cut_off_is_none() -> None:
    cut = block(["a", "b"], why="x").partition("b\n")[0]
    assert without_blocks(f"mine\n{cut}") == f"mine\n{cut}"
