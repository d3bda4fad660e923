"""Variables, functions and expressions of a dialplan, as far as they can be known without a call.

A text may hold `UNKNOWN` in the place of what only a call decides. `PJSIP/UNKNOWN@trunk` still says
which trunk is dialled.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

UNKNOWN = "\uffff"
DEPTH_MAX = 20
CACHED = 20_000  # what is read once is not read again: a walk meets the same texts all the time

Variable = Callable[[str], str]
Function = Callable[[Sequence[str]], str]
Called = Callable[[str, Sequence[str]], str]  # a function's name in capitals, and its arguments

_OPENING = re.compile(r"\$[{\[]")
_BRACKETS = {"{": re.compile(r"[{}]"), "[": re.compile(r"[\[\]]")}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_RANGE = re.compile(r"(.)-(.)|(.)", re.DOTALL)
_TOKEN = re.compile(
    r'\s*("[^"]*"|\|\||&&|=~|~~|::|>=|<=|!=|==|[|&=<>+*/%?:()!,-]|[^\s|&=<>+*/%?:()!,"-]+)'
)


def is_not_known(_name: str, _arguments: Sequence[str]) -> str:
    """Where no function is known."""
    return UNKNOWN


def expand(text: str, variable: Variable, called: Called = is_not_known) -> str:
    """What Asterisk puts in for `${NAME}`, `${NAME:1:2}`, `${FUNCTION(a,b)}` and `$[1 + 1]`."""
    return _put_in(_parts(text, DEPTH_MAX), variable, called)


def is_known(text: str) -> bool:
    return UNKNOWN not in text


@lru_cache(CACHED)
def truth(condition: str) -> bool | None:
    """Whether GotoIf and its like take the first branch; None: only a call decides."""
    stripped = condition.strip()
    if not is_known(stripped):
        return None
    if _NUMBER.fullmatch(stripped):
        return float(stripped) != 0
    return bool(stripped)


@lru_cache(CACHED)
def split_arguments(text: str, separator: str = ",") -> tuple[str, ...]:
    """At separators outside quotes and parentheses, as Asterisk's applications do."""
    if '"' not in text and "(" not in text:
        return tuple(text.split(separator))
    parts, depth, quoted = [""], 0, False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif character == "(" and not quoted:
            depth += 1
        elif character == ")" and not quoted:
            depth = max(0, depth - 1)
        if character == separator and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(parts)


class _Reference(NamedTuple):
    """`${NAME:1:2}`, or `${FUNCTION(a,b):1:2}`."""

    name: str
    function: str  # in capitals; empty: a variable
    arguments: tuple[str, ...]
    substring: str


class _Nested(NamedTuple):
    """`${…}` or `$[…]` with more of them in it."""

    opening: str
    inside: "_Parts"


_Parts = tuple[str | _Reference | _Nested, ...]


@lru_cache(CACHED)
def _parts(text: str, depth: int) -> _Parts:
    """What can be read of a text before anything is put in."""
    if depth == 0:
        return (UNKNOWN,)
    parts: list[str | _Reference | _Nested] = []
    rest = text
    while begin := _OPENING.search(rest):
        parts.append(rest[: begin.start()])
        opening = rest[begin.end() - 1]
        inside, rest = _enclosed(rest[begin.end() :], opening)
        if _OPENING.search(inside):
            parts.append(_Nested(opening, _parts(inside, depth - 1)))
        elif depth == 1:
            parts.append(UNKNOWN)
        else:
            parts.append(evaluate(inside) if opening == "[" else _reference(inside))
    return tuple(part for part in (*parts, rest) if part)


def _put_in(parts: _Parts, variable: Variable, called: Called) -> str:
    out = ""
    for part in parts:
        if isinstance(part, str):
            out += part
        elif isinstance(part, _Reference):
            out += _value(part, variable, called)
        else:
            inside = _put_in(part.inside, variable, called)
            if part.opening == "[":
                out += evaluate(inside)
            else:
                out += _value(_reference(inside), variable, called)
    return out


def _enclosed(text: str, opening: str) -> tuple[str, str]:
    """What stands before the bracket that closes, and what comes after it."""
    depth = 1
    for bracket in _BRACKETS[opening].finditer(text):
        depth += 1 if bracket[0] == opening else -1
        if depth == 0:
            return text[: bracket.start()], text[bracket.end() :]
    return text, ""


def _value(wanted: _Reference, variable: Variable, called: Called) -> str:
    name, function, arguments, substring = wanted
    if function:
        value = called(function, arguments)
    else:
        value = variable(name) if is_known(name) else UNKNOWN
    return _substring(value, substring) if substring else value


@lru_cache(CACHED)
def _reference(inside: str) -> _Reference:
    name, substring = _name_and_substring(inside)
    function, is_called, arguments = name.partition("(")
    if not is_called:
        return _Reference(name, "", (), substring)
    arguments = arguments.rpartition(")")[0] if ")" in arguments else arguments
    called = function.strip().upper()
    return _Reference(name, called, split_arguments(arguments), substring)


def _name_and_substring(inside: str) -> tuple[str, str]:
    if ":" not in inside:
        return inside, ""
    depth = 0
    for index, character in enumerate(inside):
        depth += (character == "(") - (character == ")")
        if character == ":" and depth == 0:
            return inside[:index], inside[index + 1 :]
    return inside, ""


def _substring(value: str, wanted: str) -> str:
    offset_text, _, length_text = wanted.partition(":")
    if not is_known(value) or not is_known(wanted):
        return UNKNOWN
    offset = _integer(offset_text)
    begin = max(0, len(value) + offset) if offset < 0 else offset
    if not length_text:
        return value[begin:]
    length = _integer(length_text)
    return value[begin : len(value) + length] if length < 0 else value[begin : begin + length]


def _integer(text: str) -> int:
    found = re.match(r"\s*-?[0-9]+", text)
    return int(found[0]) if found else 0


# --- functions ------------------------------------------------------------------------------------


def known_only(function: Function) -> Function:
    """Of what cannot be known nothing follows."""
    return lambda arguments: function(arguments) if all(map(is_known, arguments)) else UNKNOWN


def length_of(arguments: Sequence[str]) -> str:
    return str(len(",".join(arguments)))


def filtered(arguments: Sequence[str]) -> str:
    """FILTER(allowed,text)."""
    allowed: set[str] = set()
    for first, last, single in _RANGE.findall(arguments[0]):
        allowed |= {single} if single else set(map(chr, range(ord(first), ord(last) + 1)))
    return "".join(character for character in ",".join(arguments[1:]) if character in allowed)


def chosen(arguments: Sequence[str]) -> str:
    """IF(condition?then:else)."""
    condition, _, branches = ",".join(arguments).partition("?")
    then, _, otherwise = branches.partition(":")
    match truth(condition):
        case None:
            return then if then == otherwise else UNKNOWN
        case decided:
            return (then if decided else otherwise).strip()


def cut(text: str, delimiter: str, fields: str) -> str:
    """CUT(variable,delimiter,field) of the variable's text; one field, which is all that is met."""
    if not is_known(text) or not fields.isdigit():
        return UNKNOWN
    parts = text.split(delimiter or "-")
    index = int(fields) - 1
    return parts[index] if 0 <= index < len(parts) else ""


def field_count(text: str, delimiter: str) -> str:
    r"""FIELDQTY(variable,delimiter) of the variable's text; the delimiter may be `\x28`."""
    if not is_known(text) or not is_known(delimiter):
        return UNKNOWN
    escaped = re.fullmatch(r"\\x([0-9a-fA-F]{2})", delimiter)
    parting = chr(int(escaped[1], 16)) if escaped else delimiter or "-"
    return str(len(text.split(parting)) if text else 0)


def replaced(text: str, arguments: Sequence[str]) -> str:
    """REPLACE(variable,characters,by) of the variable's text: each of these characters."""
    characters, by = (*arguments, "", "")[:2]
    if not is_known(text + characters + by):
        return UNKNOWN
    return "".join(by[:1] if character in characters else character for character in text)


def string_replaced(text: str, arguments: Sequence[str]) -> str:
    """STRREPLACE(variable,what,by) of the variable's text, everywhere."""
    what, by = (*arguments, "", "")[:2]
    return text.replace(what, by) if what and is_known(text + what + by) else UNKNOWN


def matches(arguments: Sequence[str]) -> str:
    """REGEX("expression" text), of the expressions that POSIX and Python read alike."""
    found = re.fullmatch(r'\s*"([\w^$\[\]+*.\-]*)" ?(.*)', ",".join(arguments), re.DOTALL)
    if found is None:
        return UNKNOWN
    try:
        return str(int(re.search(found[1], found[2]) is not None))
    except re.error:
        return UNKNOWN


# --- expressions ----------------------------------------------------------------------------------


@lru_cache(CACHED)
def evaluate(expression: str) -> str:
    """`$[...]`; UNKNOWN where that depends on a call, or where it is not understood."""
    tokens = _TOKEN.findall(expression)
    if "".join(tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", expression):
        return UNKNOWN
    parser = _Parser(tokens)
    value = parser.ternary()
    return UNKNOWN if parser.broken or parser.tokens else value


class _Parser:
    """The operators in their order, the loosest first (`main/ast_expr2.y`)."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self.broken = False

    def ternary(self) -> str:
        condition = self._either()
        if not self._take("?"):
            return condition
        then = self.ternary()
        if not self._take("::"):
            self.broken = True
        otherwise = self.ternary()
        match truth(condition):
            case None:
                return then if then == otherwise else UNKNOWN
            case decided:
                return then if decided else otherwise

    def _either(self) -> str:
        left = self._both()
        while self._take("|", "||"):
            left = _or(left, self._both())
        return left

    def _both(self) -> str:
        left = self._comparison()
        while self._take("&", "&&"):
            left = _and(left, self._comparison())
        return left

    def _comparison(self) -> str:
        left = self._sum()
        while operator := self._take("=", "==", "!=", "<", ">", "<=", ">="):
            left = _compared(left, operator, self._sum())
        return left

    def _sum(self) -> str:
        left = self._product()
        while operator := self._take("+", "-"):
            left = _calculated(left, operator, self._product())
        return left

    def _product(self) -> str:
        left = self._unary()
        while operator := self._take("*", "/", "%"):
            left = _calculated(left, operator, self._unary())
        return left

    def _unary(self) -> str:
        if self._take("!"):
            value = truth(self._unary())
            return UNKNOWN if value is None else str(int(not value))
        if self._take("-"):
            return _calculated("0", "-", self._unary())
        left = self._operand()
        while self._take(":", "=~", "~~"):
            self._operand()
            left = UNKNOWN  # a POSIX expression
        return left

    def _operand(self) -> str:
        if self._take("("):
            value = self.ternary()
            if not self._take(")"):
                self.broken = True
            return value
        if not self.tokens or re.fullmatch(r"[|&=<>+*/%?:)!,-]+", self.tokens[0]):
            return ""  # "$[ = 1]": Asterisk complains and says nothing
        token = self.tokens.pop(0)
        return token[1:-1] if token.startswith('"') else token

    def _take(self, *wanted: str) -> str:
        if self.tokens and self.tokens[0] in wanted:
            return self.tokens.pop(0)
        return ""


def _or(left: str, right: str) -> str:
    if truth(left):
        return left
    if truth(left) is None:
        return "1" if truth(right) else UNKNOWN
    return right


def _and(left: str, right: str) -> str:
    if truth(left) is False or truth(right) is False:
        return "0"
    return UNKNOWN if None in {truth(left), truth(right)} else left


def _compared(left: str, operator: str, right: str) -> str:
    if not is_known(left) or not is_known(right):
        if operator in {"=", "==", "!="} and _cannot_be_equal(left, right):
            return str(int(operator == "!="))
        return UNKNOWN
    both_numbers = _NUMBER.fullmatch(left) and _NUMBER.fullmatch(right)
    a, b = (float(left), float(right)) if both_numbers else (left, right)
    results = {
        "=": a == b, "==": a == b, "!=": a != b,
        "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b,  # type: ignore[operator]
    }  # fmt: skip
    return str(int(results[operator]))


def _cannot_be_equal(left: str, right: str) -> bool:
    """Whatever the unknown parts are, the known beginnings differ."""
    left_begin, right_begin = left.partition(UNKNOWN)[0], right.partition(UNKNOWN)[0]
    common = min(len(left_begin), len(right_begin))
    if is_known(left) or is_known(right):
        known, begin = (left, right_begin) if is_known(left) else (right, left_begin)
        return not known.startswith(begin)
    return left_begin[:common] != right_begin[:common]


def _calculated(left: str, operator: str, right: str) -> str:
    if not (_NUMBER.fullmatch(left or "0") and _NUMBER.fullmatch(right or "0")):
        return UNKNOWN
    a, b = float(left or 0), float(right or 0)
    if operator in {"/", "%"} and b == 0:
        return UNKNOWN
    value = {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a / b,
        "%": lambda: float(int(a) % int(b)),
    }[operator]()
    return str(int(value)) if value == int(value) else UNKNOWN
