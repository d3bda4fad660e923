"""A manager of the laboratory's office, who may use its portal."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from charging.people import Client, Role
from db import people
from db.engine import open_engine
from db.writing import write_to
from lab.errors import LabError
from lab.paid_office import OFFICE_ID

MAIL_ADDRESS = "manager@example.com"


def signed_in(url: str) -> str:
    """Let one in, to the ledger at `url`; the token of their session, as its cookie has it."""
    now = datetime.now(UTC)

    def add(writer: Connection) -> str:
        user_id = people.add_user(writer, address=MAIL_ADDRESS, name="Anna", at=now)
        people.give_role(writer, user_id, OFFICE_ID, Role.MANAGER)
        user = people.user_of(writer, user_id)
        if user is None:
            raise LabError("who was just added is not there")
        client = Client(address="127.0.0.1")
        return people.begin_session(writer, user, OFFICE_ID, at=now, client=client)

    engine = open_engine(url)
    try:
        return write_to(engine, add)
    finally:
        engine.dispose()
