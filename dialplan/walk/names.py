"""The names of variables that stand in a dialplan: which are set, for whom, and which are read."""

import re
from collections.abc import Iterator

from dialplan.walk.lookup import Dialplan
from dialplan.walk.values import is_known, split_arguments

# Read by every walk, whatever the dialplan says.
KEPT = frozenset({"DIALSTATUS", "STASISSTATUS", "TOLLGATE_PAYER"})

_GLOBAL = re.compile(r"GLOBAL\((?P<name>\w+)\)", re.IGNORECASE)
_READ = re.compile(r"[A-Za-z_~][\w~]*")
_PUT_TOGETHER = re.compile(r"\$\{(\w*)(?=\$)")  # of `${OUT_${N}}`: OUT_
_SET_INSIDE = re.compile(r"\bM?Set\(((?:GLOBAL|LOCAL)?\(?\w+\)?)=", re.IGNORECASE)


def bare_name(name: str) -> str:
    """The variable that `__NAME` or `LOCAL(NAME)` sets; empty for any other function."""
    stripped = name.strip().removeprefix("LOCAL(").removesuffix(")").lstrip("_")
    return "" if "(" in stripped or not is_known(stripped) else stripped


def names_set(dialplan: Dialplan) -> frozenset[str]:
    """Every variable that some priority sets for its own channel."""
    return frozenset(bare_name(name) for name in _assigned_names(dialplan))


def names_read(dialplan: Dialplan) -> tuple[frozenset[str], tuple[str, ...]]:
    """Every word that may name a variable, and how names begin that are put together."""
    texts = {
        step.data
        for context in dialplan.contexts.values()
        for extension in context.extensions
        for step in extension.steps
        if "$" in step.data
    }
    read = {name for text in texts for name in _READ.findall(text)}
    beginnings = {begin for text in texts for begin in _PUT_TOGETHER.findall(text)}
    return frozenset(read) | KEPT, tuple(beginnings)


def globals_set(dialplan: Dialplan) -> frozenset[str]:
    """Every variable that some priority sets for all channels: `Set(GLOBAL(NIGHT)=1)`."""
    found = (_GLOBAL.fullmatch(name) for name in _assigned_names(dialplan))
    return frozenset(each["name"] for each in found if each is not None)


def _assigned_names(dialplan: Dialplan) -> Iterator[str]:
    for context in dialplan.contexts.values():
        for extension in context.extensions:
            for step in extension.steps:
                text = step.data
                match step.application.lower():
                    case "exec" | "tryexec" | "execif":
                        for inside in _SET_INSIDE.findall(text):
                            yield inside.strip()
                    case "set":
                        yield text.partition("=")[0].strip()
                    case "mset":
                        yield from (
                            each.partition("=")[0].strip() for each in split_arguments(text)
                        )
