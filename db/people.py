"""Users, their sessions and their links, as rows, each in the caller's transaction."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, delete, exists, func, insert, or_, select, text, update

from charging.people import (
    ATTEMPTS_COUNT_FOR,
    ATTEMPTS_PER_ACCOUNT,
    ATTEMPTS_PER_ADDRESS,
    LINK_LASTS,
    SESSION_LASTS,
    SUPPORT_CODE_LASTS,
    Client,
    LinkPurpose,
    Offered,
    Role,
    Session,
    User,
)
from db.people_tables import (
    office_users,
    sign_in_attempts,
    support_codes,
    user_links,
    user_sessions,
    users,
)

TOKEN_BYTES = 32
BROWSER_MAX = 200
SEEN_EVERY = timedelta(minutes=1)  # a page that is looked at is not a write each time


class AddressTakenError(Exception):
    """A user has this mail address already."""


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def add_user(
    writer: Connection, *, address: str, name: str, at: datetime, language: str | None = None
) -> int:
    """Add somebody who can do nothing yet, in no office.

    Raises:
        AddressTakenError: nothing was changed.
    """
    if find_user(writer, address) is not None:
        raise AddressTakenError(address)
    row = {"address": address, "name": name, "language": language, "created_at": at}
    added: int = writer.execute(insert(users).values(row).returning(users.c.user_id)).scalar_one()
    return added


def give_role(writer: Connection, user_id: int, office_id: str, role: Role) -> None:
    take_role(writer, user_id, office_id)
    writer.execute(
        insert(office_users).values(office_id=office_id, user_id=user_id, role=role.value)
    )


def take_role(writer: Connection, user_id: int, office_id: str) -> None:
    """A session of theirs in that office is not found any more."""
    writer.execute(
        delete(office_users).where(
            office_users.c.user_id == user_id, office_users.c.office_id == office_id
        )
    )


def set_password(writer: Connection, user_id: int, password_hash: str) -> None:
    writer.execute(
        update(users).where(users.c.user_id == user_id).values(password_hash=password_hash)
    )


def set_language(writer: Connection, user_id: int, language: str) -> None:
    writer.execute(update(users).where(users.c.user_id == user_id).values(language=language))


def disable(writer: Connection, user_id: int, at: datetime) -> None:
    """Nobody signs in as them again, and nobody stays signed in."""
    writer.execute(update(users).where(users.c.user_id == user_id).values(disabled_at=at))
    end_sessions(writer, user_id, at)


def enable(writer: Connection, user_id: int) -> None:
    writer.execute(update(users).where(users.c.user_id == user_id).values(disabled_at=None))


def find_user(reader: Connection, address: str) -> User | None:
    return _user(reader, reader.execute(select(users).where(users.c.address == address)).first())


def user_of(reader: Connection, user_id: int) -> User | None:
    return _user(reader, reader.execute(select(users).where(users.c.user_id == user_id)).first())


def users_of(
    reader: Connection, office_id: str | None = None, *, places: slice | None = None
) -> Sequence[User]:
    """Of one office, or of all, by their address; with `places`, those of so many of them."""
    query = select(users).order_by(users.c.address)
    if places is not None:
        query = query.offset(places.start).limit(places.stop - places.start)
    if office_id is not None:
        of_office = select(office_users.c.user_id).where(office_users.c.office_id == office_id)
        query = query.where(users.c.user_id.in_(of_office))
    rows = reader.execute(query).all()
    return [user for row in rows if (user := _user(reader, row)) is not None]


def _user(reader: Connection, row: Row[tuple[object, ...]] | None) -> User | None:
    if row is None:
        return None
    roles = reader.execute(
        select(office_users.c.office_id, office_users.c.role)
        .where(office_users.c.user_id == row.user_id)
        .order_by(office_users.c.office_id)
    )
    return User(
        user_id=row.user_id,
        address=row.address,
        name=row.name,
        language=row.language,
        password_hash=row.password_hash,
        disabled=row.disabled_at is not None,
        roles={each.office_id: Role(each.role) for each in roles},
    )


def begin_session(
    writer: Connection, user: User, office_id: str, *, at: datetime, client: Client
) -> str:
    """The new session's token, which is nowhere else."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    writer.execute(
        insert(user_sessions).values(
            token_sha256=sha256(token),
            user_id=user.user_id,
            office_id=office_id,
            created_at=at,
            seen_at=at,
            proved_at=at,
            client_address=client.address[:64],
            browser=client.browser[:BROWSER_MAX],
        )
    )
    return token


def find_session(reader: Connection, token: str, now: datetime) -> Session | None:
    """The session of a token while it lives and its user has a role in its office."""
    row = reader.execute(
        select(user_sessions).where(user_sessions.c.token_sha256 == sha256(token))
    ).first()
    user = None if row is None else user_of(reader, row.user_id)
    if row is None or user is None or row.office_id not in user.roles:
        return None
    session = Session(
        token_sha256=row.token_sha256,
        user=user,
        office_id=row.office_id,
        role=user.roles[row.office_id],
        created_at=row.created_at,
        seen_at=row.seen_at,
        proved_at=row.proved_at,
        revoked=row.revoked_at is not None,
    )
    return session if session.is_alive(now) else None


def wants_seen(session: Session, now: datetime) -> bool:
    return now >= session.seen_at + SEEN_EVERY


def seen(writer: Connection, session: Session, now: datetime) -> None:
    _change_session(writer, session, seen_at=now)


def proved(writer: Connection, session: Session, now: datetime) -> None:
    _change_session(writer, session, proved_at=now, seen_at=now)


def move_session(writer: Connection, session: Session, office_id: str) -> None:
    """Go on in another office, in which the user has a role.

    Raises:
        ValueError: they have none there.
    """
    if office_id not in session.user.roles:
        raise ValueError(office_id)
    _change_session(writer, session, office_id=office_id)


def end_session(writer: Connection, session: Session, now: datetime) -> None:
    _change_session(writer, session, revoked_at=now)


def end_sessions(
    writer: Connection, user_id: int, now: datetime, *, but: Session | None = None
) -> None:
    ended = update(user_sessions).where(
        user_sessions.c.user_id == user_id, user_sessions.c.revoked_at.is_(None)
    )
    if but is not None:
        ended = ended.where(user_sessions.c.token_sha256 != but.token_sha256)
    writer.execute(ended.values(revoked_at=now))


def _change_session(writer: Connection, session: Session, **values: object) -> None:
    writer.execute(
        update(user_sessions)
        .where(user_sessions.c.token_sha256 == session.token_sha256)
        .values(values)
    )


def make_link(
    writer: Connection,
    user_id: int,
    purpose: LinkPurpose,
    at: datetime,
    *,
    offered: Offered | None = None,
) -> str:
    """The token of a new link; links made before for the same person no longer work."""
    writer.execute(
        update(user_links)
        .where(user_links.c.user_id == user_id, user_links.c.used_at.is_(None))
        .values(used_at=at)
    )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    writer.execute(
        insert(user_links).values(
            token_sha256=sha256(token),
            user_id=user_id,
            purpose=purpose.value,
            created_at=at,
            expires_at=at + LINK_LASTS,
            **({} if offered is None else offered._asdict()),
        )
    )
    return token


def offered_by(reader: Connection, token: str) -> Offered | None:
    """What a link offers, beyond a password."""
    row = reader.execute(
        select(user_links.c.office_id, user_links.c.role).where(
            user_links.c.token_sha256 == sha256(token), user_links.c.office_id.is_not(None)
        )
    ).first()
    return None if row is None else Offered(row.office_id, Role(row.role))


def user_of_link(reader: Connection, token: str, now: datetime) -> User | None:
    """Whose link it is, if it still works."""
    row = reader.execute(
        select(user_links.c.user_id).where(
            user_links.c.token_sha256 == sha256(token),
            user_links.c.used_at.is_(None),
            user_links.c.expires_at > now,
        )
    ).first()
    user = None if row is None else user_of(reader, row.user_id)
    return None if user is None or user.disabled else user


def use_link(writer: Connection, token: str, now: datetime) -> User | None:
    """Whose link it was, if it worked; it works no more, and what it offered is theirs."""
    user = user_of_link(writer, token, now)
    if user is None:
        return None
    used = writer.execute(
        update(user_links)
        .where(user_links.c.token_sha256 == sha256(token), user_links.c.used_at.is_(None))
        .values(used_at=now)
    )
    if used.rowcount != 1:
        return None
    offered = offered_by(writer, token)
    if offered is None or offered.office_id in user.roles:
        return user
    give_role(writer, user.user_id, *offered)
    return user_of(writer, user.user_id)


def may_attempt(writer: Connection, *, account: str, client_address: str, now: datetime) -> bool:
    """Count an attempt to sign in before its password is looked at; whether it may go on.

    Attempts that arrive together are each counted, so none of them can outrun the count.
    """
    if writer.dialect.name == "postgresql":  # SQLite's writers are alone anyway
        writer.execute(text("LOCK TABLE sign_in_attempts IN SHARE ROW EXCLUSIVE MODE"))
    since = now - ATTEMPTS_COUNT_FOR
    table = sign_in_attempts.c
    row = writer.execute(
        select(
            func.count().filter(table.account == account).label("account"),
            func.count().filter(table.client_address == client_address).label("client_address"),
        ).where(
            table.attempted_at > since,
            or_(table.account == account, table.client_address == client_address),
        )
    ).one()
    if row.account >= ATTEMPTS_PER_ACCOUNT or row.client_address >= ATTEMPTS_PER_ADDRESS:
        return False
    writer.execute(
        insert(sign_in_attempts).values(
            attempted_at=now, account=account, client_address=client_address
        )
    )
    return True


def forget_attempts(writer: Connection, account: str) -> None:
    writer.execute(delete(sign_in_attempts).where(sign_in_attempts.c.account == account))


def make_support_code(writer: Connection, *, office_id: str, by: str, at: datetime) -> str:
    """What the office reads out to customer care; an earlier one no longer works."""
    writer.execute(
        update(support_codes)
        .where(support_codes.c.office_id == office_id, support_codes.c.used_at.is_(None))
        .values(used_at=at)
    )
    code = f"{secrets.randbelow(10**8):08d}"
    writer.execute(
        insert(support_codes).values(
            code_sha256=sha256(f"{office_id}:{at.isoformat()}:{code}"),
            office_id=office_id,
            made_by=by,
            created_at=at,
            expires_at=at + SUPPORT_CODE_LASTS,
        )
    )
    return code


def use_support_code(writer: Connection, *, office_id: str, code: str, now: datetime) -> bool:
    """Whether it is the code that works now for this office; it works once."""
    row = writer.execute(
        select(support_codes.c.code_sha256, support_codes.c.created_at).where(
            support_codes.c.office_id == office_id,
            support_codes.c.used_at.is_(None),
            support_codes.c.expires_at > now,
        )
    ).first()
    if row is None or row.code_sha256 != sha256(f"{office_id}:{row.created_at.isoformat()}:{code}"):
        return False
    used = writer.execute(
        update(support_codes)
        .where(support_codes.c.code_sha256 == row.code_sha256, support_codes.c.used_at.is_(None))
        .values(used_at=now)
    )
    return used.rowcount == 1


def purge(writer: Connection, now: datetime) -> None:
    """Remove what nobody can use any more."""
    long_ago = now - timedelta(days=30)
    old = sign_in_attempts.c.attempted_at < now - ATTEMPTS_COUNT_FOR
    writer.execute(delete(sign_in_attempts).where(old))
    ended = user_sessions.c.created_at < now - SESSION_LASTS
    writer.execute(delete(user_sessions).where(ended))
    writer.execute(delete(user_links).where(user_links.c.expires_at < long_ago))
    _forget_invited(writer, long_ago)
    writer.execute(delete(support_codes).where(support_codes.c.expires_at < long_ago))


def _forget_invited(writer: Connection, long_ago: datetime) -> None:
    """Remove who was invited once, and never accepted or had access to anything."""
    known = (office_users.c.user_id, user_links.c.user_id, user_sessions.c.user_id)
    writer.execute(
        delete(users).where(
            users.c.created_at < long_ago,
            users.c.password_hash.is_(None),
            *(~exists().where(each == users.c.user_id) for each in known),
        )
    )
