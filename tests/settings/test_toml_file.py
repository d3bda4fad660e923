"""Whatever stands in a file's place, its reader goes on at once, with one sentence."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from settings.toml_file import (
    SENTENCE_MAX,
    SIZE_MAX,
    FileMissing,
    TomlFileError,
    parse_toml,
    read_text,
    sentence,
)


def read(file: Path) -> object:
    return parse_toml(read_text(file))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "not a regular file"),
        (lambda file: file.mkdir(), "not a regular file"),
        (lambda file: file.symlink_to("/dev/zero"), "not a regular file"),
        (lambda file: file.symlink_to(file), "Too many levels of symbolic links"),
        (lambda file: file.write_bytes(b"#" * (SIZE_MAX + 1)), "larger than 512 kB"),
        (lambda file: file.write_bytes(b"a = 1\n\xff"), "not UTF-8"),
        (lambda file: file.write_text("a = " + "[" * 100_000), "nested too deeply"),
        (lambda file: file.write_text("a = " + "{b=" * 100_000), "nested too deeply"),
        (lambda file: file.write_text("a." * 100_000 + "a = 1"), "more than 40 dots on a line"),
        (lambda file: file.write_text(f"[{'a.' * 100_000}a]"), "more than 40 dots on a line"),
        (lambda file: file.write_text("a = " + "9" * 10_000), "a value that cannot be read"),
        (lambda file: file.write_text("a = \x1b"), "not valid TOML"),
    ],
)
def test_what_nobody_should_write_is_refused(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    file = tmp_path / "file.toml"
    make(file)
    with pytest.raises(TomlFileError, match=said) as refused:
        read(file)
    assert len(str(refused.value)) <= SENTENCE_MAX + 1
    assert "\n" not in str(refused.value)


def test_a_missing_file_and_an_impossible_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read(tmp_path / "nowhere.toml")
    with pytest.raises(TomlFileError):
        read(tmp_path / "a\0b")


def test_a_file_that_is_just_large_enough_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file.toml"
    file.write_text("a = 1\n" + "#" * (SIZE_MAX - 6))
    assert read(file) == {"a": 1}
    file.write_text("# " + "." * 500 + '\naddress = "127.0.0.1"\n')
    assert read(file) == {"address": "127.0.0.1"}


def test_the_line_is_told_where_it_is_known(tmp_path: Path) -> None:
    file = tmp_path / "file.toml"
    for content, line in ((b"a = 1\nb = \n", 2), (b"a = 1\n\n\xff", 3), (b"\n\n\na." * 9, 4)):
        file.write_bytes(content)
        with pytest.raises(TomlFileError) as refused:
            read(file)
        assert refused.value.line == line


def test_a_sentence_is_short_and_has_no_orders_for_a_terminal() -> None:
    assert sentence("a\n  b\x1b") == r"a b\x1b"
    assert len(sentence("x" * 10_000)) == SENTENCE_MAX + 1
