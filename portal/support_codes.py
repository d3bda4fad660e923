"""The code that an office reads out to customer care: for pages and API, guessed by nobody."""

from enum import Enum, auto

from sqlalchemy import Connection

from db import people
from db.audit_trail import Change, record
from portal.parts import Parts


class Redeemed(Enum):
    YES = auto()
    WRONG = auto()
    TOO_OFTEN = auto()


async def make_code(parts: Parts, *, office_id: str, by: str, client_address: str) -> str:
    """A new code; the one before works no more."""
    at = parts.now()

    def make(writer: Connection) -> str:
        change = Change(
            office_id=office_id,
            at=at,
            actor=by,
            action="support.code",
            client_address=client_address,
        )
        record(writer, change)
        return people.make_support_code(writer, office_id=office_id, by=by, at=at)

    return await parts.store.write(make)


async def redeem_code(parts: Parts, *, office_id: str, code: str, client_address: str) -> Redeemed:
    """Whether it is the code that works now; then it works no more. Guesses are counted first."""
    now = parts.now()
    account = f"code:{office_id}"

    def redeem(writer: Connection) -> Redeemed:
        if not people.may_attempt(writer, account=account, client_address=client_address, now=now):
            return Redeemed.TOO_OFTEN
        typed = code.replace(" ", "")
        if not people.use_support_code(writer, office_id=office_id, code=typed, now=now):
            return Redeemed.WRONG
        people.forget_attempts(writer, account)
        return Redeemed.YES

    return await parts.store.write(redeem)
