"""What an office, or the operator, is told in writing. Words and addresses belong to `payments`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from charging.people import LinkPurpose, Role, User


class NoticeKind(StrEnum):
    LOW_BALANCE = "low_balance"
    REFILL_DONE = "refill_done"
    REFILL_DECLINED = "refill_declined"  # it will be tried again
    REFILL_PAUSED = "refill_paused"  # somebody has to do something
    REFILL_CEILING = "refill_ceiling"
    REFILL_BURST = "refill_burst"  # several within an hour, as when a phone is misused
    RECEIPT = "receipt"
    REFUND_DONE = "refund_done"
    REFUND_FAILED = "refund_failed"
    DISPUTE = "dispute"
    OPERATOR = "operator"  # for the operator: what no manager can mend
    INVITATION = "invitation"  # to one person, with a link
    ACCESS = "access"  # likewise, which offers a role: to somebody known, or to nobody yet
    NEW_PASSWORD = "new_password"  # noqa: S105 - the same; it is a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One mail to be sent, written in the transaction of what it is about.

    `key` is unique: what happened once is told once, whoever finds it out how often. Facts are
    text and whole numbers, so that a row holds them.
    """

    key: str
    office_id: str
    kind: NoticeKind
    at: datetime
    facts: Mapping[str, str | int] = field(default_factory=dict)


# To one person instead of the office's addresses. Their notice holds no link: whoever sends the
# mail makes one in that moment, so a row that is read by others lets nobody in.
WITH_LINK = {
    LinkPurpose.INVITATION: NoticeKind.INVITATION,
    LinkPurpose.RESET: NoticeKind.NEW_PASSWORD,
    LinkPurpose.ACCESS: NoticeKind.ACCESS,
}


def link_notice(  # noqa: PLR0913 - what a mail with a link is made of, by name
    user: User,
    purpose: LinkPurpose,
    *,
    office_id: str,
    page: str,
    language: str,
    at: datetime,
    role: Role | None = None,
) -> Notice:
    """Ask for a link to be mailed; `page` is the address that the link's token is put behind.

    `role`: what it offers in the office, if its purpose is access.
    """
    offered = {} if role is None else {"role": role.value}
    what = ":".join([purpose.value, *offered.values()])
    # One mail a minute for the same: after a double click the link of the first mail still works.
    return Notice(
        key=f"link:{user.user_id}:{office_id}:{what}:{at:%Y-%m-%dT%H:%M%z}",
        office_id=office_id,
        kind=WITH_LINK[purpose],
        at=at,
        facts={"user": user.user_id, "page": page, "language": language, **offered},
    )
