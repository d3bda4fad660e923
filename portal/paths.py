"""Where a page may lead on to: a path of our own, and nothing else."""

import re

_OWN = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~?=&%+:,@-]{0,500}")
HOME = "/"


def own_path(wanted: str | None) -> str:
    """The path if it is one of ours, or else the start: a link in a mail may hold anything."""
    return wanted if wanted and _OWN.fullmatch(wanted) else HOME
