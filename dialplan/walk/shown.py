"""`asterisk -rx 'dialplan show'`, which alone says in which file and line a priority stands."""

import re
from collections.abc import Mapping

from dialplan.config_text import Line

_CONTEXT = re.compile(r"\[ (?:Included )?[Cc]ontext '(?P<name>[^']*)' created by ")
_EXTENSION = re.compile(r"\s*'(?P<name>[^']*)'(?: \(CID match '(?P<caller_id>[^']*)'\))? =>")
_STEP = re.compile(
    r"(?:^|\s)(?P<priority>\d+)\. .*\[(?P<file>[^\[\]:]+):(?P<line>\d+)\]\s*$", re.DOTALL
)


def lines_shown(text: str) -> Mapping[tuple[str, str, int], Line]:
    """By context, extension and priority; what was not read from a file has none."""
    found: dict[tuple[str, str, int], Line] = {}
    context = extension = ""
    for row in text.splitlines():
        header = _CONTEXT.match(row)
        if header:
            context, extension = header["name"], ""
            continue
        named = _EXTENSION.match(row)
        if named:
            caller_id = named["caller_id"]
            extension = f"{named['name']}/{caller_id}" if caller_id else named["name"]
            row = row[named.end() :]  # noqa: PLW2901 - the rest of the row is its first priority
        step = _STEP.search(row)
        if step and context and extension:
            line = Line(step["file"], int(step["line"]))
            found[context, extension, int(step["priority"])] = line
    return found
