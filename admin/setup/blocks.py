"""Marked blocks of ours in files of the admin's: put in, found again, taken out."""

import re
from collections.abc import Sequence

BEGIN = "; >>> tollgate:"
END = "; <<< tollgate"

_BLOCK = re.compile(
    rf"^{re.escape(BEGIN)}.*\n(?:.*\n)*?{re.escape(END)}[^\n]*(?:\n|\Z)", re.MULTILINE
)


def without_blocks(text: str) -> str:
    """The admin's own text."""
    return _BLOCK.sub("", text)


def has_block(text: str) -> bool:
    return _BLOCK.search(text) is not None


def block(lines: Sequence[str], *, why: str) -> str:
    head = f"{BEGIN} {why}; written by `tollgate setup asterisk`, edit nothing in here"
    return "\n".join([head, *lines, END, ""])


def with_block_at_end(text: str, lines: Sequence[str], *, why: str) -> str:
    """`text` has no block of ours there yet; a last line without an end gets one."""
    whole = text if not text or text.endswith("\n") else f"{text}\n"
    return whole + block(lines, why=why)


def with_blocks_at(text: str, blocks: Sequence[tuple[int, str]]) -> str:
    """Each block in front of the line of that number, counted from 0 in `text` as it is."""
    lines = text.split("\n")
    for number, put in sorted(blocks, reverse=True):
        lines[number:number] = put.removesuffix("\n").split("\n")
    return "\n".join(lines)
