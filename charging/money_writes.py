"""What a command about money in writes beside its change: who made it, and what is told of it."""

from datetime import datetime
from typing import Protocol

from charging.changes import Change
from charging.money_state import Record, Tell
from charging.notices import Notice, NoticeKind


class BySomebody(Protocol):
    """What every command of a person says."""

    @property
    def office_id(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str: ...


def recorded(
    command: BySomebody, action: str, subject: str = "", *, before: str = "", after: str = ""
) -> Record:
    return Record(
        Change(
            office_id=command.office_id,
            at=command.at,
            actor=command.by,
            action=action,
            subject=subject,
            before=before,
            after=after,
            reason=command.reason,
        )
    )


def told(
    office_id: str, kind: NoticeKind, what: str, at: datetime, facts: dict[str, str | int]
) -> Tell:
    """`what` tells one occasion of a kind from the next: each is told once."""
    key = f"{kind}:{office_id}:{what}"
    return Tell(Notice(key=key, office_id=office_id, kind=kind, at=at, facts=facts))
