"""What of the dialplan depends on the office, and what its contexts are called.

`extensions.conf` has each such context once for every office, with the office's name behind a dot,
which no such name can hold, and once without: for phones of which only the endpoint says whose they
are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dialplan.patterns import DirectPattern

CONTEXTS = "tollgate"  # what the names of our contexts begin with
# Parts of which each office has its own; "" is the whole, which an admin includes.
OWN_PARTS = frozenset(
    {
        *("", "emergency", "phones", "free", "outbound", "exit"),  # to include
        *("emergency-call", "ring", "free-call", "outbound-call", "number", "fallback"),
    }
)
PHONES_CONTEXT = "office"  # of pjsip.conf; where there are several offices, one for each
PHONE_CONTACTS = "tollgate-phone-contacts"  # says what to dial for a phone, by its endpoint
TONES = {"GB": "uk", "FR": "fr"}  # zones of indications.conf, by country
TONES_ELSEWHERE = "itu"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeRoutes:
    """What one office's phones reach without the application, and what they speak and sound like.

    Of several offices together the name is empty: nobody's office.
    """

    name: str
    # As dialled, and as sent to the trunk: dialplan.patterns.emergency_dialled.
    emergency: tuple[tuple[str, str], ...]
    free: tuple[DirectPattern, ...] = ()
    fallback: tuple[DirectPattern, ...] = ()  # included calls while the application is away
    language: str = "en"  # of a phone whose entry names none
    tones: str = "uk"  # a zone of indications.conf

    @property
    def suffix(self) -> str:
        """What its contexts' names end with."""
        return f".{self.name}" if self.name else ""


def of_all(offices: Sequence[OfficeRoutes]) -> OfficeRoutes:
    """For phones whose context does not say whose they are.

    Nobody's emergency number is left out, and nothing connects without the application that is not
    free, or included, for every office.
    """
    first, *others = offices
    return OfficeRoutes(
        name="",
        emergency=_emergency_of(offices),
        free=tuple(p for p in first.free if all(p in other.free for other in others)),
        fallback=tuple(p for p in first.fallback if all(p in other.fallback for other in others)),
        language=first.language,
        tones=first.tones,
    )


def _emergency_of(offices: Iterable[OfficeRoutes]) -> tuple[tuple[str, str], ...]:
    """As it is, before after a prefix: what two offices mean by one number is the number itself."""
    pairs = [pair for office in offices for pair in office.emergency]
    known: dict[str, str] = {}
    for dialled, number in sorted(pairs, key=lambda pair: pair[0].rstrip("#") != pair[1]):
        known.setdefault(dialled, number)
    return tuple(known.items())


def context_of(part: str, office: str) -> str:
    """`tollgate-free.lyon`, for the part `free`; `tollgate.lyon` for the whole, which is ``."""
    name = f"{CONTEXTS}-{part}" if part else CONTEXTS
    return f"{name}.{office}" if office else name


def is_ours(context: str) -> bool:
    """Whether a context is written by Tollgate."""
    return context == CONTEXTS or context.startswith((f"{CONTEXTS}-", f"{CONTEXTS}."))


def office_of(context: str) -> str | None:
    """Whose a context is; empty: of no office in particular.

    None where that is no question: it is common to all offices, or none of ours.
    """
    if not is_ours(context):
        return None
    name, _, office = context.partition(".")
    return office if name.removeprefix(CONTEXTS).removeprefix("-") in OWN_PARTS else None
