"""Who has access to an office, and changes of it: the same for pages and for programs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from charging.changes import Change
from charging.people import LinkPurpose, Role, User
from db import people
from db.audit_trail import record
from portal.languages import marked
from portal.parts import Parts

MAILED = "invited"  # a link is on its way
LAST_MANAGER = "last_manager"
OF_CUSTOMER_CARE = "of_customer_care"
WHY_NOT = {
    LAST_MANAGER: marked("An office keeps at least one manager."),
    OF_CUSTOMER_CARE: marked("Customer care is given access by the operator."),
}


class NotPossibleError(Exception):
    """The code of why: `WHY_NOT` has the sentence."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NoSuchUserError(Exception):
    """A user of another office is nobody here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changer:
    """Who changes access to which office."""

    office_id: str
    actor: str
    at: datetime
    client_address: str
    language: str  # of mails to somebody who has chosen none

    def change(self, action: str, user: User, *, before: str = "", after: str = "") -> Change:
        return Change(
            office_id=self.office_id,
            at=self.at,
            actor=self.actor,
            action=action,
            subject=user.address,
            before=before,
            after=after,
            client_address=self.client_address,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    address: str  # of require_mail_address
    name: str
    role: Role


async def invite(parts: Parts, by: Changer, invitation: Invitation) -> str:
    """Offer access: whose address it is accepts by a mailed link, and is listed from then on.

    Nothing that is answered or shown depends on whether anybody knows the address elsewhere: a
    manager of one office learns nothing of who uses others. So without a mail server nobody is
    invited here.

    Returns:
        What became of it, by a name of portal.pages.NOTICES.

    Raises:
        NotPossibleError: nothing was changed.
    """
    user = await parts.store.write(
        lambda writer: _invited(writer, by, invitation, is_mailed=parts.mail.is_sent)
    )
    if user is None:
        return "not_invited"
    if by.office_id not in user.roles:
        return await _send(parts, by, user, LinkPurpose.ACCESS, invitation.role)
    if user.password_hash is None:
        return await _send(parts, by, user, LinkPurpose.INVITATION)
    return "role_changed"


def _invited(
    writer: Connection, by: Changer, invitation: Invitation, *, is_mailed: bool
) -> User | None:
    """Whoever is of this office has the role at once; None: nobody can be invited."""
    user = people.find_user(writer, invitation.address)
    is_of_office = user is not None and by.office_id in user.roles
    if not is_of_office and not is_mailed:
        return None
    user = user or _added(writer, by, invitation)
    record(writer, by.change("user.invite", user, after=invitation.role.value))
    if is_of_office:
        _require_changeable(writer, user, by.office_id, invitation.role)
        people.give_role(writer, user.user_id, by.office_id, invitation.role)
    return user


def _added(writer: Connection, by: Changer, invitation: Invitation) -> User:
    user_id = people.add_user(writer, address=invitation.address, name=invitation.name, at=by.at)
    return _found(people.user_of(writer, user_id))


async def send_link(parts: Parts, by: Changer, user_id: int) -> str:
    """Once more, to somebody who has no password yet or has forgotten it.

    Raises:
        NoSuchUserError: nobody of this office.
    """

    def change(writer: Connection) -> User:
        user = _of_office(writer, user_id, by.office_id)
        record(writer, by.change("user.link", user))
        return user

    user = await parts.store.write(change)
    purpose = LinkPurpose.INVITATION if user.password_hash is None else LinkPurpose.RESET
    return await _send(parts, by, user, purpose)


async def _send(
    parts: Parts, by: Changer, user: User, purpose: LinkPurpose, role: Role | None = None
) -> str:
    """Or say who can make one, where no mail is sent."""
    if not parts.mail.is_sent:
        return "not_mailed"
    await parts.mail.send_link(
        user, purpose, office_id=by.office_id, language=by.language, role=role
    )
    return MAILED


async def change_role(parts: Parts, by: Changer, user_id: int, role: Role) -> None:
    """Raises NoSuchUserError and NotPossibleError: nothing was changed."""

    def change(writer: Connection) -> None:
        user = _of_office(writer, user_id, by.office_id)
        _require_changeable(writer, user, by.office_id, role)
        before = user.roles[by.office_id].value
        people.give_role(writer, user_id, by.office_id, role)
        record(writer, by.change("user.role", user, before=before, after=role.value))

    await parts.store.write(change)


async def end_access(parts: Parts, by: Changer, user_id: int) -> None:
    """Raises NoSuchUserError and NotPossibleError: nothing was changed."""

    def change(writer: Connection) -> None:
        user = _of_office(writer, user_id, by.office_id)
        _require_changeable(writer, user, by.office_id, None)
        before = user.roles[by.office_id].value
        people.take_role(writer, user_id, by.office_id)
        record(writer, by.change("user.end", user, before=before))

    await parts.store.write(change)


def _of_office(reader: Connection, user_id: int, office_id: str) -> User:
    user = _found(people.user_of(reader, user_id))
    if office_id not in user.roles:
        raise NoSuchUserError
    return user


def _found(user: User | None) -> User:
    if user is None:
        raise NoSuchUserError
    return user


def _require_changeable(reader: Connection, user: User, office_id: str, role: Role | None) -> None:
    if user.roles.get(office_id) is Role.CUSTOMER_CARE:
        raise NotPossibleError(OF_CUSTOMER_CARE)
    managers = [
        each.user_id
        for each in people.users_of(reader, office_id)
        if each.roles[office_id] is Role.MANAGER and not each.disabled
    ]
    if role is not Role.MANAGER and managers == [user.user_id]:
        raise NotPossibleError(LAST_MANAGER)
