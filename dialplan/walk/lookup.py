"""Which priority Asterisk takes next: its own rule of looking up, over contexts as it lists them.

The rule is that of `pbx_find_extension`, `_extension_match_core` and `ext_cmp` in `main/pbx.c` of
Asterisk 22, with `extenpatternmatchnew = no`, the default. What surprises: every priority is looked
up afresh, across extensions and includes, so that an extension that ends early goes on in the next
priority of whatever else matches.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

STACK_MAX = 128  # AST_PBX_MAX_STACK: contexts that one lookup may go through
_ANY, _ANY_OR_NONE, _END, _BROKEN = 0x18000, 0x28000, 0x30000, 0x40000
_CLASSES = {"X": "0123456789", "Z": "123456789", "N": "23456789"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One priority: an application and what it is given, before variables are put in."""

    number: int
    application: str
    data: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Extension:
    """As written: `101`, `_9X.`, `_0X./1001` where only one caller ID matches."""

    name: str
    steps: tuple[Step, ...]

    @property
    def pattern(self) -> str:
        return self.name.partition("/")[0]

    @property
    def wants_caller_id(self) -> bool:
        return "/" in self.name

    @cached_property
    def _expression(self) -> re.Pattern[str] | None:
        return compiled(self.pattern)

    @cached_property
    def _by_number(self) -> Mapping[int, Step]:
        return {step.number: step for step in self.steps}

    @cached_property
    def _by_label(self) -> Mapping[str, Step]:
        return {step.label: step for step in self.steps if step.label}

    def matches(self, dialled: str) -> bool:
        return self.takes(undashed(dialled))

    def takes(self, digits: str) -> bool:
        """As `matches`, of what is undashed already."""
        expression = self._expression
        return expression is not None and expression.fullmatch(digits) is not None

    def step(self, wanted: int | str) -> Step | None:
        """The priority of that number, or of that label."""
        if isinstance(wanted, int):
            return self._by_number.get(wanted)
        return self._by_label.get(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    context: str
    timed: bool = False  # in force at some hours only


@dataclass(frozen=True, kw_only=True)
class Context:
    """`extensions` in Asterisk's order: see `in_order`."""

    name: str
    extensions: tuple[Extension, ...] = ()
    includes: tuple[Include, ...] = ()
    switches: tuple[str, ...] = ()  # another engine answers: realtime, Lua, another Asterisk

    @cached_property
    def _exact(self) -> Mapping[str, Sequence[Extension]]:
        exact: dict[str, list[Extension]] = {}
        for extension in self.extensions:
            if not extension.name.startswith("_"):
                exact.setdefault(undashed(extension.pattern), []).append(extension)
        return exact

    @cached_property
    def _patterns(self) -> Sequence[Extension]:
        return [extension for extension in self.extensions if extension.name.startswith("_")]

    def matching(self, dialled: str) -> Iterator[Extension]:
        """In the order in which Asterisk tries them."""
        digits = undashed(dialled)
        yield from self._exact.get(digits, ())
        yield from (extension for extension in self._patterns if extension.takes(digits))


class Found(NamedTuple):
    context: str  # where it is written; the channel stays in the context that was looked up
    extension: Extension
    step: Step


@dataclass(frozen=True, slots=True)
class Switched:
    """A switch may answer, and only it knows what."""

    context: str
    switch: str


Outcome = Found | Switched


@dataclass(frozen=True, slots=True)
class _Written:
    """An extension that matches, whatever priorities it has."""

    context: str
    extension: Extension


@dataclass(frozen=True, slots=True)
class _Timed:
    """What is asked behind an include that is in force at some hours only."""

    asked: tuple["_Asked", ...]


_Asked = _Written | Switched | _Timed


class _Search:
    """What a lookup goes through: found as far as some priority wants it, and then kept."""

    def __init__(self, asked: Iterator[_Asked]) -> None:
        self._more = asked
        first = next(asked, None)
        self._known: list[_Asked] = [] if first is None else [first]
        # Most often the one that has all the priorities.
        self._first = first if isinstance(first, _Written) else None

    def outcomes(self, wanted: int | str) -> tuple[Outcome, ...]:
        first = self._first
        step = None if first is None else first.extension.step(wanted)
        if first is None or step is None or first.extension.wants_caller_id:
            return tuple(_outcomes(self, wanted))
        return (Found(first.context, first.extension, step),)

    def __iter__(self) -> Iterator[_Asked]:
        yield from self._known
        for each in self._more:
            self._known.append(each)
            yield each


@dataclass(frozen=True, slots=True)
class Dialplan:
    contexts: Mapping[str, Context] = field(default_factory=dict)
    # A number is looked up once for every priority that it takes, and a subroutine by every number.
    _found: dict[tuple[str, str, int | str], tuple[Outcome, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _searches: dict[tuple[str, str], _Search] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def find(self, context: str, dialled: str, wanted: int | str) -> Sequence[Outcome]:
        """Every outcome that one lookup may have; several where the hour or the caller ID decides.

        Nothing, where there certainly is no such priority.
        """
        key = (context, dialled, wanted)
        found = self._found.get(key)
        if found is None:
            search = self._searches.get((context, dialled))
            if search is None:
                search = _Search(self._asked(context, dialled, set()))
                self._searches[context, dialled] = search
            found = self._found[key] = search.outcomes(wanted)
        return found

    def exists(self, context: str, dialled: str, wanted: int | str = 1) -> bool:
        return bool(self.find(context, dialled, wanted))

    def _asked(self, name: str, dialled: str, seen: set[str]) -> Iterator[_Asked]:
        """Whatever a lookup goes through, in its order, as if nothing ended it."""
        context = self.contexts.get(name)
        if context is None or name.lower() in seen or len(seen) >= STACK_MAX:
            return
        yield from (_Written(name, extension) for extension in context.matching(dialled))
        yield from (Switched(name, switch) for switch in context.switches)
        seen.add(name.lower())  # never forgotten again in this lookup, as in Asterisk
        for include in context.includes:
            if include.timed:
                yield _Timed(tuple(self._asked(include.context, dialled, set(seen))))
            else:
                yield from self._asked(include.context, dialled, seen)


def _outcomes(asked: Iterable[_Asked], wanted: int | str) -> Iterator[Outcome]:
    """Until one is met that certainly ends the lookup."""
    for each in asked:
        match each:
            case Switched():
                yield each
            case _Timed(behind):
                yield from _outcomes(behind, wanted)
            case _Written(context, extension):
                step = extension.step(wanted)
                if step is not None:
                    yield Found(context, extension, step)
                    if not extension.wants_caller_id:
                        return


def undashed(text: str) -> str:
    """Asterisk reads a dash in an extension as decoration."""
    return text.replace("-", "")


def compiled(pattern: str) -> re.Pattern[str] | None:
    """What an extension's name matches; None: nothing, for its set of characters never ends."""
    if not pattern.startswith("_"):
        return re.compile(re.escape(undashed(pattern)))
    parts = []
    for allowed in places_of(pattern[1:]):
        if allowed is None:
            return None
        if allowed in {".", "!"}:
            parts.append(".+" if allowed == "." else ".*")
            break
        parts.append(f"[{re.escape(allowed)}]")
    return re.compile("".join(parts), re.DOTALL)


def in_order(extensions: Iterable[Extension]) -> tuple[Extension, ...]:
    """As Asterisk sorts the extensions of one context: exact ones, then the narrower pattern."""
    return tuple(sorted(extensions, key=lambda extension: _rank(extension.pattern)))


def _rank(pattern: str) -> tuple[bool, Sequence[tuple[int, int]]]:
    if not pattern.startswith("_"):
        return False, [(ord(character), 0) for character in undashed(pattern)]
    return True, [*(_width(allowed) for allowed in places_of(pattern[1:])), (_END, 0)]


def _width(allowed: str | None) -> tuple[int, int]:
    """A smaller set first, then the one with the lower characters."""
    match allowed:
        case None:
            return _BROKEN, 0
        case ".":
            return _ANY, 0
        case "!":
            return _ANY_OR_NONE, 0
    characters = frozenset(map(ord, allowed))
    lowest_first = sum(1 << (255 - character) for character in characters)
    return len(characters) << 8 | min(characters), -lowest_first


def places_of(pattern: str) -> Iterator[str | None]:
    """The characters that each place of a pattern allows; `.`, `!`, or None for a broken set."""
    rest = pattern
    while rest:
        character, rest = rest[0], rest[1:]
        if character == "[":
            inside, end, rest = rest.partition("]")
            if not end:
                yield None
                return
            if inside:
                yield _set(inside)
        elif character != "-":
            yield _CLASSES.get(character.upper(), character)


def _set(inside: str) -> str:
    characters = ""
    while inside:
        if len(inside) > 2 and inside[1] == "-":  # noqa: PLR2004 - first, dash, last
            characters += "".join(map(chr, range(ord(inside[0]), ord(inside[2]) + 1)))
            inside = inside[3:]
        else:
            characters += inside[0]
            inside = inside[1:]
    return characters
