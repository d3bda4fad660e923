"""Who is who in PJSIP, as the running Asterisk has it: its endpoints, and where they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from http import HTTPStatus

import aiohttp

from admin.checks.asterisk import AriError, ari_session, get_json
from dialplan.contexts import OUR_TRUNKS
from dialplan.phones import EXAMPLE, Phone, PhonesError, load_phones
from dialplan.walk.lookup import Dialplan
from dialplan.walk.targets import dialled_outward
from settings import Settings
from telephony.pjsip import aors_of, contacts_of, fields_of, path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Of PJSIP, as Asterisk has it now."""

    name: str
    context: str
    allow_transfer: bool
    is_trunk: bool
    variables: Mapping[str, str] = field(default_factory=dict)  # that its channels begin with
    # All that pjsip.conf says of it, defaults too; a name that is there twice has a line for each.
    fields: Mapping[str, str] = field(default_factory=dict)
    contacts: Sequence[str] = ()  # where it is called: registered, or written in pjsip.conf


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Endpoints of which settings or dialplan say what they are."""

    phones: frozenset[str]
    trunks: frozenset[str]

    def is_trunk(self, name: str, *, has_address: bool) -> bool:
        """`has_address`: written in pjsip.conf; whoever has one is no phone that registers."""
        return name in self.trunks or (has_address and name not in self.phones)


def named_in(settings: Settings, dialplan: Dialplan) -> Named:
    phones = frozenset(phone.endpoint for phone in phones_of(settings))
    said = frozenset(settings.trunks) | OUR_TRUNKS
    return Named(phones=phones, trunks=said | (dialled_outward(dialplan) - phones))


async def endpoints_of(settings: Settings, dialplan: Dialplan) -> Sequence[Endpoint]:
    """All that Asterisk lists, and those that the settings name.

    Raises:
        AriError: nobody answered, or no list.
    """
    named = named_in(settings, dialplan)
    async with ari_session(settings) as session:
        status, known = await get_json(session, "endpoints")
        if status != HTTPStatus.OK:
            raise AriError(f"it does not list its endpoints: status {status}")
        listed = {each["resource"] for each in known if each.get("technology") == "PJSIP"}
        names = sorted({*listed, *named.phones, *settings.trunks})
        found = [await _endpoint(session, name, named) for name in names]
    return [each for each in found if each is not None]


def phones_of(settings: Settings) -> Sequence[Phone]:
    try:
        return load_phones(settings.site.phones_file or EXAMPLE)
    except PhonesError:
        return ()  # said by check_phones


async def _endpoint(session: aiohttp.ClientSession, name: str, named: Named) -> Endpoint | None:
    fields = await _fields(session, "endpoint", name)
    if fields is None:
        return None
    contacts = [
        (aor, contact)
        for aor in aors_of(fields)
        for contact in contacts_of(await _fields(session, "aor", aor) or {})
    ]
    is_undecided = name not in named.phones | named.trunks
    has_address = is_undecided and not all(
        [await _is_registered(session, aor, contact) for aor, contact in contacts]
    )
    return Endpoint(
        name=name,
        context=fields.get("context", "default"),
        allow_transfer=fields.get("allow_transfer") in {"yes", "true"},
        is_trunk=named.is_trunk(name, has_address=has_address),
        variables=_assigned(fields.get("set_var", "")),
        fields=fields,
        contacts=tuple(contact for _, contact in contacts),
    )


async def _is_registered(session: aiohttp.ClientSession, aor: str, contact: str) -> bool:
    """What somebody registered is an object of its own, which Asterisk names after its hash."""
    hashed = md5(contact.encode(), usedforsecurity=False).hexdigest()
    return await _fields(session, "contact", f"{aor};@{hashed}") is not None


def _assigned(text: str) -> Mapping[str, str]:
    """`set_var` of an endpoint, one `name=value` a line."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, found, value in pairs if found}


async def _fields(session: aiohttp.ClientSession, kind: str, name: str) -> Mapping[str, str] | None:
    """An object of PJSIP's configuration; None: there is none of that name (any more)."""
    status, said = await get_json(session, path_of(kind, name))
    return fields_of(said) if status == HTTPStatus.OK else None
