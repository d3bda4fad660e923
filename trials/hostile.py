"""What a hostile phone sends: Contacts to register and INVITEs to place, drawn at random. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

# One of every kind: paid, included, free, emergency, barred, a phone, feature codes, nobody's, and
# what is a phone, or a call for help, in the other office alone.
NUMBERS = (
    *("0033142685300", "0033612345678", "+33142685301", "02079460000", "08081570192"),
    *("999", "112", "00881612345678", "1001", "*80", "*8", "0000"),
    *("1101", "lyon-1101", "1101@tollgate.lyon", "15"),
)
MOBILE = "0033612345678"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where everybody is."""

    server: str
    phone: str
    carrier: str
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    uri: str
    lines: tuple[str, ...] = ()
    contact: str | None = None


Draw = Callable[[Random], str]


def escaped(text: str, random: Random) -> str:
    """Some of its characters as %hh."""
    return "".join(
        f"%{ord(c):02{random.choice('xX')}}" if random.random() < 0.4 and ord(c) < 128 else c  # noqa: PLR2004 - ASCII
        for c in text
    )


def draw_contacts(random: Random, place: Place) -> list[str]:
    """The Contact headers of one registration."""
    own = f"<sip:{place.extension}@{place.phone}>"
    made = [_contact(random, place) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    match random.randrange(6):
        case 0:
            return [own, *made]
        case 1:
            return [f"{own};expires=0", *made]
        case 2:
            return [", ".join([own, *made])]
        case 3:
            return [f"<tel:{MOBILE}>", *made]
        case _:
            return made


def _contact(random: Random, place: Place) -> str:
    user = random.choice(
        (
            *(MOBILE, "+33612345678", place.extension, "", f"{place.extension}:{MOBILE}"),
            *(f"{place.extension};phone-context=+33", escaped(MOBILE, random), "x" * 200),
            *("x&PJSIP/0033612345678@trunk", "x&Local/0033612345678", "a):0:1", "é", "1002-0x5"),
        )
    )
    host = random.choice(
        (
            *(place.phone,) * 12,
            *(place.carrier, place.carrier, place.server, "localhost", "trunk"),
            *(_octal(place.carrier), _one_number(place.carrier), f"[::ffff:{place.carrier}]"),
            *(f"{place.carrier}.", "[::1]", "emergency", "0.0.0.0"),  # noqa: S104 - a wrong one
        )
    )
    port = random.choice(("", "", "", ":5060", ":5060", ":5061", ":0", ":65536"))
    parameters = "".join(
        f";{_parameter(random, place)}" for _ in range(random.choice((0, 1, 1, 2, 4)))
    )
    headers = random.choice(
        (
            *(
                "",
                "",
                "",
                f"?Route=%3Csip:{place.carrier}%3Blr%3E",
                f"?Route=<sip:{place.carrier}>",
            ),
            f"?To=sip:{MOBILE}%40{place.carrier}&Route=%3Csip:{place.carrier}%3Blr%3E",
            f"?X-Route=1&Contact=%3Csip:{place.carrier}%3E",
        )
    )
    scheme = random.choice((*("sip",) * 12, "sips", "SIP", "tel"))
    at = f"{user}@" if user else ""
    tail = random.choice(("", "", ";q=1.0", ";expires=60", ";+sip.instance=x"))
    return f"<{scheme}:{at}{host}{port}{parameters}{headers}>{tail}"


def _parameter(random: Random, place: Place) -> str:
    name = random.choice(("maddr", "MADDR", "mAdDr", "%6daddr", "m%61ddr", "maddr "))
    return random.choice(
        (
            *(
                f"{name}={place.carrier}",
                f"{name}={place.carrier}",
                f"{name}={_octal(place.carrier)}",
            ),
            *(f"{name}=localhost", "lr", "ttl=1", "method=INVITE", "user=phone", "transport=tcp"),
            *("transport=udp", "transport=ws", "transport=x", "ob", "line=a):0:1", "line=abc"),
            *(f"x-ast-orig-host={place.carrier}:5060", f"x-ast-orig-host={place.carrier}"),
            *(f"line=a;maddr={place.carrier}", "rinstance=%22", "alias=1.2.3.4~5060~1"),
            f"received={place.carrier}",
        )
    )


def _octal(address: str) -> str:
    return ".".join(f"0{int(part):o}" for part in address.split("."))


def _one_number(address: str) -> str:
    one, two, three, four = map(int, address.split("."))
    return str(((one * 256 + two) * 256 + three) * 256 + four)


def draw_invite(random: Random, place: Place) -> Invite:
    """One call from a registered phone: a number in some disguise, with some lie about itself."""
    return Invite(
        uri=_uri(random, place),
        lines=tuple(_line(random, place) for _ in range(random.choice((0, 0, 1, 2)))),
        contact=_contact(random, place) if random.random() < 0.15 else None,  # noqa: PLR2004
    )


def _uri(random: Random, place: Place) -> str:
    number = random.choice(NUMBERS)
    user = random.choice(_DISGUISES)(number, random)
    tail = random.choice(
        (
            *("", "", "", "", ";user=phone", ";transport=udp", f";maddr={place.carrier}", ";lr"),
            f"?Route=%3Csip:{place.carrier}%3Blr%3E",
        )
    )
    host = random.choice((place.server, place.server, place.server, place.carrier, "x.invalid"))
    if random.random() < 0.05:  # noqa: PLR2004
        return f"tel:{number};phone-context=+44"
    return f"sip:{user}@{host}{tail}"


_DISGUISES: tuple[Callable[[str, Random], str], ...] = (
    lambda number, _: number,
    lambda number, _: number,
    escaped,
    lambda number, _: f"{number}&PJSIP/{MOBILE}@trunk",
    lambda number, _: f"{number}%26PJSIP%2F{MOBILE}%40trunk",
    lambda number, _: f"{number},1",
    lambda number, _: f"{number}%2C1%2Cx",
    lambda number, _: f"{number}%22",
    lambda number, _: f"%22{number}%22",
    lambda number, _: f"{number}%20",
    lambda number, _: f"{number[:2]}%20{number[2:]}",
    lambda number, _: f"{number[:3]}-{number[3:]}",
    lambda number, _: f"{number[:2]}.({number[2:4]}){number[4:]}",
    lambda number, _: f"{number}%23",
    lambda number, _: f"{number};phone-context=+33",
    lambda number, _: f"{number};ext=5",
    lambda number, _: f"{number}:secret",
    lambda number, random: number + "".join(random.choices("0123456789", k=random.randrange(300))),
    lambda number, _: number * 40,
    lambda number, _: f"%C2%A0{number}",
    lambda _number, _: "%D9%A0%D9%A0%D9%A3%D9%A3",
    lambda number, _: f"{number}é",
    lambda number, _: f"{number}%00",
    lambda number, _: f"{number}%0D%0A",
    lambda number, _: f"{number}%5C",
    lambda number, _: f"$%7BEXTEN%7D{number}",
    lambda number, _: f"{number}$%5B1+1%5D",
    lambda _number, random: f"0{'a' * random.randrange(20)}):{random.randrange(9)}",
    lambda number, random: f"{number}):{random.randrange(9)}:{random.randrange(9)}",
    lambda number, _: f"*80*{number}",
    lambda number, _: f"#{number}",
    lambda number, _: f"**{number}",
    lambda number, _: f"60000*{number.lstrip('+0')}",
    lambda number, _: f"Local%2F{number}%40tollgate-included",
    lambda number, _: f"tollgate-included%2C{number}%2C1",
    lambda _number, random: random.choice(("s", "h", "i", "t", "T", "o", "fax", "leg", "balance")),
    lambda _number, random: "".join(random.choices("()*#+,;:%40&=$-_.!~'\"/?<>", k=12)),
)


def _line(random: Random, place: Place) -> str:
    return random.choice(
        (
            f"Route: <sip:{place.carrier};lr>",
            f"Record-Route: <sip:{place.carrier};lr>",
            f"P-Asserted-Identity: <sip:trunk@{place.carrier}>",
            f"Remote-Party-ID: <sip:1001@{place.server}>;party=calling",
            f"Diversion: <sip:1001@{place.server}>;reason=unconditional",
            f"Referred-By: <sip:{place.carrier}>",
            "Replaces: nothing;to-tag=1;from-tag=2",
            "Require: replaces",
            "X-TOLLGATE_PAID_MS: included",
            "TOLLGATE_PAYER: 1001",
            "Alert-Info: <http://127.0.0.1/>;info=x",
            "Subject: ${SHELL(id)}",
            "Call-Info: <sip:x>;answer-after=0",
            "Session-Expires: 1",
            "Privacy: id",
        )
    )


def draw_referral(random: Random, place: Place) -> str:
    """Where a phone asks the other party of its call to be sent."""
    number = random.choice(_DISGUISES)(random.choice(NUMBERS), random)
    host = random.choice((place.server, place.server, place.carrier))
    tail = random.choice(
        ("", "", f";maddr={place.carrier}", "?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz")
    )
    return f"<sip:{number}@{host}{tail}>"
