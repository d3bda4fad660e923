"""The commands of docs/install.md, as a reader would type them."""

import re
from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/install.md"
COMMANDS_MAX = 6

_BLOCK = re.compile(r"^## (?P<title>.+)\n|^```sh\n(?P<code>(?:.*\n)*?)```$", re.MULTILINE)


def commands_of(title: str, *, document: str | None = None) -> Sequence[str]:
    """Every command below a heading, in order."""
    text = DOCUMENT.read_text(encoding="utf-8") if document is None else document
    found, current = [], ""
    for part in _BLOCK.finditer(text):
        current = part["title"] or current
        if part["code"] and current == title:
            found += [line for line in part["code"].splitlines() if line.strip()]
    if not found:
        raise LookupError(f"the document has no command below {title!r}")
    return found


def every_command() -> Sequence[str]:
    """All of them, for what looks at each."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return [
        line
        for part in _BLOCK.finditer(text)
        for line in (part["code"] or "").splitlines()
        if line.strip()
    ]
