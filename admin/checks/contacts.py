"""Whether a leg to a phone can go anywhere else: docs/adr/0013-legs-to-phones.md.

A phone chooses its Contact. What is dialled, and what may be registered, is in Asterisk's hands.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from admin.checks.asked import OfRunning
from admin.checks.findings import Finding, listed, ok, problem
from admin.checks.pjsip import Endpoint
from admin.checks.running import Running, walker_of
from charging.plain_text import escaped
from dialplan.office_routes import PHONE_CONTACTS
from dialplan.phone_contacts import is_dialled
from dialplan.walk.lookup import Dialplan, Found
from dialplan.walk.reached import Leg, Start
from settings import Settings

DIAL_CONTACTS = (
    "Gosub(tollgate-phone-contacts,s,1(1001)), then Dial(${GOSUB_RETVAL},30,i) if it is not empty"
)
# PJSIP/1001 with nothing behind it: whatever the phone registered is dialled.
_PLAIN = re.compile(r"PJSIP/(?P<phone>[\w.-]+|\$\{EXTEN[^}]*\})(?=[&,)]|$)")
_ANY_CONTACT = re.compile(r"\$\{PJSIP_DIAL_CONTACTS\(")
WALKED_MAX = 20  # an office's phones are dialled alike
_DIALS = frozenset({"Dial", "Queue", "Page"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What Asterisk has of one phone."""

    limited: bool  # some addresses may not be in its Contacts
    redirect_method: str
    contacts: Sequence[str] = ()


@OfRunning
def check_contacts(settings: Settings, running: Running) -> Iterator[Finding]:
    phones = {
        each.name: registered(each)
        for each in running.endpoints
        if each.fields.get("aors") and not each.is_trunk
    }
    places = plain_dials(running.dialplan, phones) | walked_dials(running, settings, phones)
    found = [*judge_phones(phones), *judge_dials(places)]
    if phones:
        yield from found or [ok("a call to a phone goes nowhere but to that phone")]


# --- pure -----------------------------------------------------------------------------------------


def judge_phones(phones: Mapping[str, Registered]) -> Iterator[Finding]:
    unlimited = sorted(name for name, phone in phones.items() if not phone.limited)
    if unlimited:
        yield problem(
            f"a call to {listed(unlimited)} can go to the carrier, unpaid: the phone may register a"
            " Contact that has the carrier's address",
            "contact_deny = every address of your trunks, for each phone in pjsip.conf",
        )
    following = sorted(
        name for name, phone in phones.items() if phone.redirect_method not in {"user", ""}
    )
    if following:
        yield problem(
            f"a call to {listed(following)} goes wherever the phone forwards it (302), unpaid",
            "redirect_method = user for each phone in pjsip.conf",
        )
    for name, phone in sorted(phones.items()):
        for contact in phone.contacts:
            if not is_dialled(contact, name):
                yield problem(
                    f"the phone {name} has registered {escaped(contact)}, which could lead"
                    " elsewhere: [tollgate-phone-contacts] does not dial it",
                    "look at that phone's settings; if it is an honest one, its Contact must be"
                    f" an address alone: sip:{name}@ADDRESS:PORT",
                )


def judge_dials(places: Collection[str]) -> Iterator[Finding]:
    if places:
        yield problem(
            f"what a phone has registered is dialled as it is in {listed(sorted(places))}: that may"
            " be the carrier, unpaid",
            DIAL_CONTACTS,
        )


def plain_dials(dialplan: Dialplan, phones: Collection[str]) -> frozenset[str]:
    """Steps that dial whatever a phone has registered, as they are written."""
    return frozenset(
        f"[{name}] {extension.pattern}"
        for name, context in dialplan.contexts.items()
        for extension in context.extensions
        for step in extension.steps
        if step.application in _DIALS and _dials_any(step.data, phones)
    )


def walked_dials(running: Running, settings: Settings, phones: Collection[str]) -> frozenset[str]:
    """The same, where variables name the phone: what one phone reaches that dials another."""
    walker = walker_of(running, settings)
    contexts = {each.context for each in running.endpoints}
    walks = [
        walker.walk(Start(context=context, dialled=phone))
        for context in sorted(contexts)
        for phone in sorted(phones)[:WALKED_MAX]
    ]
    return frozenset(
        f"[{leg.place.context}] {leg.place.extension}"
        for walk in walks
        for leg in walk.legs
        if leg.technology == "PJSIP" and leg.endpoint in phones and not leg.number
        if not _dials_our_answer(leg, running.dialplan)
    )


def _dials_our_answer(leg: Leg, dialplan: Dialplan) -> bool:
    """What [tollgate-phone-contacts] returned, by whatever variable; not a phone as written."""
    asked = any(place.context == PHONE_CONTACTS for place in leg.way)
    steps = dialplan.find(leg.place.context, leg.place.extension, leg.place.priority)
    return asked and not any(isinstance(s, Found) and "PJSIP/" in s.step.data for s in steps)


def _dials_any(data: str, phones: Collection[str]) -> bool:
    named = [match["phone"] for match in _PLAIN.finditer(data)]
    plainly = any(name in phones or name.startswith("${EXTEN") for name in named)
    return plainly or _ANY_CONTACT.search(data) is not None


def registered(endpoint: Endpoint) -> Registered:
    return Registered(
        limited=bool(endpoint.fields.get("contact_acl")),
        redirect_method=endpoint.fields.get("redirect_method", ""),
        contacts=endpoint.contacts,
    )
