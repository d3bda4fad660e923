"""Which numbers the dialplan may connect by itself, as Asterisk patterns.

Emergency and free numbers never need the application; included ones need it only because an
application that is there can say why. All of this is derived from the plan and the number tables,
so that dialplan and application never disagree. Only the site's own national numbers and short
codes appear here: anything else goes through the application.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, product, takewhile
from operator import contains

import phonenumbers

from charging import number_tables
from charging.kinds import LineKind
from charging.numbering import Number, Site, emergency_numbers, national_number, parse_number
from charging.plan import Category, Plan, classify

DIGITS = "0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectPattern:
    """Numbers that go to the trunk without the application, and how the trunk wants them.

    `strip` digits are taken off the front of what was dialled, and `prepend` put there instead.
    """

    pattern: str  # "_01[02-9]XXXXXXXX", or the digits of one number
    strip: int = 0
    prepend: str = ""


def emergency_dialled(sites: Iterable[Site]) -> tuple[tuple[str, str], ...]:
    """What may be dialled for help at any of these sites, exactly, and what goes to the trunk.

    With and without the outside-line prefix, through the text relay where there is one, and ended
    with # as on a mobile. One Asterisk may serve offices of several countries: none of their
    numbers is ever left out.
    """
    known: dict[str, str] = {}
    pairs = [pair for site in sites for pair in _emergency_of(site)]
    for dialled, number in sorted(pairs, key=lambda pair: pair[0] != pair[1]):
        known.setdefault(dialled, number)  # as it is, before after a prefix
    return tuple((dialled + end, number) for dialled, number in known.items() for end in ("", "#"))


def _emergency_of(site: Site) -> Iterator[tuple[str, str]]:
    relays = number_tables.RELAY_PREFIXES.get(site.country, ())
    caller_id = ("", *number_tables.CALLER_ID_PREFIXES.get(site.country, ()))  # never sent on
    for before in (prefix + shown for prefix in _prefixes(site) for shown in caller_id):
        for number in emergency_numbers(site.country):
            for relay in ("", *(relays if not number.startswith("18") else ())):
                yield before + relay + number, relay + number


def hidden_service(extension: str, country: str) -> str | None:
    """The number of a service that nobody there reaches any more who has a phone of this extension.

    As patterns write it: "101", or "118XXX", where the first digits already ring the phone.
    """
    for code, kind in number_tables.SHORT.get(country, ()):
        places = _places(code)
        named = all(len(place) == 1 for place in places)
        listed = named or kind in {LineKind.TOLL_FREE, LineKind.DIRECTORY}
        fixed = "".join(takewhile(lambda place: len(place) == 1, places))
        dialled = len(extension) == len(places) and all(map(contains, places, extension))
        begins = bool(fixed) and not named and extension == fixed
        if listed and (dialled or begins):
            return code
    return None


def free_patterns(plan: Plan, site: Site) -> tuple[DirectPattern, ...]:
    """What costs nobody anything of the site's own national numbers and short codes."""
    return _direct_patterns(plan, site, Category.FREE)


def included_patterns(plan: Plan, site: Site) -> tuple[DirectPattern, ...]:
    """What the plan includes of the site's own national numbers and short codes."""
    return _direct_patterns(plan, site, Category.INCLUDED)


def _direct_patterns(plan: Plan, site: Site, wanted: Category) -> tuple[DirectPattern, ...]:
    shorts = _short_patterns(plan, site.country, wanted)
    return _with_outside_prefix((*shorts, *_national_patterns(plan, site, wanted)), site)


def _prefixes(site: Site) -> tuple[str, ...]:
    return ("", site.outside_line_prefix) if site.outside_line_prefix else ("",)


def _with_outside_prefix(
    patterns: Iterable[DirectPattern], site: Site
) -> tuple[DirectPattern, ...]:
    return tuple(
        DirectPattern(
            pattern=_after(prefix, found.pattern),
            strip=found.strip + len(prefix),
            prepend=found.prepend,
        )
        for found in patterns
        for prefix in _prefixes(site)
    )


def _after(prefix: str, pattern: str) -> str:
    return f"_{prefix}{pattern[1:]}" if pattern.startswith("_") else prefix + pattern


def _pattern(code: str) -> str:
    return code if code.isdecimal() else f"_{code}"


# --- short codes -----------------------------------------------------------------------------


ShortCell = tuple[str, tuple[str, ...]]  # its first digits, and what may stand behind them


def _short_patterns(plan: Plan, country: str, wanted: Category) -> Iterator[DirectPattern]:
    boundaries = _short_boundaries(plan, country)
    cells = {
        cell
        for code, _ in number_tables.SHORT.get(country, ())
        for cell in _short_cells(_places(code), boundaries)
        if _is_short(cell, plan, country, wanted)
    }
    for (shared, places), group in groupby(sorted(cells), key=lambda c: (c[0][:-1], c[1])):
        last_digits = "".join(first[-1] for first, _ in group)
        written = shared + "".join(_written(place) for place in (last_digits, *places))
        yield DirectPattern(pattern=_pattern(written))


def _short_boundaries(plan: Plan, country: str) -> frozenset[str]:
    """Every beginning of a short code at which the answer may change."""
    home = f"{country}:"
    prefixes = (
        *plan.included_prefixes,
        *plan.excluded_prefixes,
        *plan.free_prefixes,
        *plan.barred_prefixes,
    )
    of_plan = {prefix.removeprefix(home) for prefix in prefixes if prefix.startswith(home)}
    named = {code for code, _ in number_tables.SHORT.get(country, ()) if code.isdecimal()}
    return frozenset(of_plan | named)


def _short_cells(
    places: list[str], boundaries: frozenset[str], first: str = ""
) -> Iterator[ShortCell]:
    """Cut the numbers of a pattern into beginnings behind which nothing changes any more."""
    rest = places[len(first) :]
    goes_on = any(len(b) > len(first) and b.startswith(first) for b in boundaries)
    if rest and (goes_on or not first):
        for digit in rest[0]:
            yield from _short_cells(places, boundaries, first + digit)
    else:
        yield first, tuple(rest)


def _is_short(cell: ShortCell, plan: Plan, country: str, wanted: Category) -> bool:
    """Emergency numbers among them do not count: they stand exactly in a context before this."""
    first, places = cell
    every = ("".join(digits) for digits in product((first,), *places))
    one = next((digits for digits in every if digits not in emergency_numbers(country)), None)
    if one is None:
        return False
    return classify(parse_number(one, Site(country=country)), plan).category is wanted


def _places(code: str) -> list[str]:
    """The digits that may stand at each place of a pattern."""
    places, rest = [], code
    while rest:
        if rest[0] == "[":
            inside, _, rest = rest[1:].partition("]")
            first, _, last = inside.partition("-")
            places.append(_between(first, last) if last else inside)
        else:
            places.append(DIGITS if rest[0] == "X" else rest[0])
            rest = rest[1:]
    return places


def _between(first: str, last: str) -> str:
    return DIGITS[int(first) : int(last) + 1]


def _written(digits: str) -> str:
    """The shortest way to write a set of digits: 5, X, [02-4]."""
    if digits == DIGITS:
        return "X"
    if len(digits) == 1:
        return digits
    runs: list[str] = []
    for digit in digits:
        if runs and int(digit) == int(runs[-1][-1]) + 1:
            runs[-1] += digit
        else:
            runs.append(digit)
    return f"[{''.join(_run(run) for run in runs)}]"


def _run(run: str) -> str:
    return run if len(run) <= 2 else f"{run[0]}-{run[-1]}"  # noqa: PLR2004 - "12", not "1-2"


# --- national numbers ------------------------------------------------------------------------


def _national_patterns(plan: Plan, site: Site, wanted: Category) -> tuple[DirectPattern, ...]:
    code = str(phonenumbers.country_code_for_region(site.country))
    if code not in number_tables.LENGTHS:
        return ()
    cells = [
        cell for cell in _cells(code, _boundaries(code, plan)) if _is(cell, code, plan, wanted)
    ]
    shorter = [
        number for number in number_tables.SHORTER.get(code, ()) if _is(number, code, plan, wanted)
    ]
    return (
        *(DirectPattern(pattern=f"0{number}", strip=1, prepend=code) for number in shorter),
        *(pattern for cell in _merged(cells, code) for pattern in _patterns_of(cell, code)),
    )


def _boundaries(code: str, plan: Plan) -> frozenset[str]:
    """Every national prefix at which the answer may change."""
    prefixes = {
        *number_tables.BY_PREFIX,
        *plan.included_prefixes,
        *plan.excluded_prefixes,
        *plan.free_prefixes,
        *plan.barred_prefixes,
    }
    own = {prefix.removeprefix(code) for prefix in prefixes if prefix.startswith(code)}
    if code != "33":
        return frozenset(own)
    overseas = {
        prefix.removeprefix(abroad)
        for prefix in prefixes
        for abroad in set(number_tables.FRENCH_OVERSEAS.values())
        if prefix.startswith(abroad)
    }
    return frozenset(own | overseas | number_tables.FRENCH_OVERSEAS.keys())


def _cells(code: str, boundaries: frozenset[str], prefix: str = "") -> Iterator[str]:
    """Cut the national numbers into prefixes below which nothing changes any more."""
    if any(len(b) > len(prefix) and b.startswith(prefix) for b in boundaries):
        for digit in DIGITS:
            yield from _cells(code, boundaries, prefix + digit)
    else:
        yield prefix


def _is(national: str, code: str, plan: Plan, wanted: Category) -> bool:
    digits, country, kind = national_number(code, national)
    number = Number(
        dialled=digits,
        digits=digits,
        is_short=False,
        country=country,
        kind=kind,
        dial_string=digits,
    )
    known = kind is not LineKind.UNKNOWN
    return known and classify(number, plan).category is wanted


def _merged(cells: list[str], code: str) -> Iterator[tuple[str, str]]:
    """Cells that differ in their last digit only, as what they share and those digits."""

    def shared(cell: str) -> tuple[str, str, tuple[int, ...]]:
        return cell[:-1], _sent_as(cell), tuple(_lengths(cell, code))

    for (before, *_), group in groupby(sorted(cells), key=shared):
        yield before, "".join(cell[-1] for cell in group)


def _sent_as(cell: str) -> str:
    return number_tables.FRENCH_OVERSEAS.get(cell[:3], "")


def _patterns_of(cell: tuple[str, str], code: str) -> Iterator[DirectPattern]:
    shared, last_digits = cell
    for length in _lengths(shared + last_digits[0], code):
        free_places = length - len(shared) - 1
        yield DirectPattern(
            pattern=f"_0{shared}{_written(last_digits)}{'X' * free_places}",
            strip=1,
            prepend=national_number(code, shared + last_digits[0])[0].removesuffix(
                shared + last_digits[0]
            ),
        )


def _lengths(prefix: str, code: str) -> Iterator[int]:
    """How many digits national numbers of a prefix may have."""
    shape = number_tables.LENGTHS[code]
    for length in range(len(prefix), number_tables.NATIONAL_DIGITS_MAX + 1):
        filling = length - len(prefix)
        if all(shape.fullmatch(prefix + digit * filling) for digit in "09"):
            yield length
