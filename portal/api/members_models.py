"""Users of an office, as the API shows them and takes them."""

from enum import StrEnum

from pydantic import Field

from charging.people import MAIL_ADDRESS_MAX, PERSON_NAME_MAX, Role
from portal.api.values import Answer, Wanted


class UserState(StrEnum):
    ACTIVE = "active"
    INVITED = "invited"  # has chosen no password yet
    DISABLED = "disabled"


class GivenRole(StrEnum):
    """Customer care is given access by the operator."""

    VIEWER = "viewer"
    MANAGER = "manager"


class UserShown(Answer):
    id: int
    address: str
    name: str
    role: Role
    state: UserState


class Users(Answer):
    users: list[UserShown]


class InvitationWanted(Wanted):
    address: str = Field(min_length=1, max_length=MAIL_ADDRESS_MAX, examples=["anna@example.com"])
    name: str = Field(min_length=1, max_length=PERSON_NAME_MAX, examples=["Anna Ames"])
    role: GivenRole


class RoleWanted(Wanted):
    role: GivenRole


class Invited(Answer):
    address: str
    mailed: bool = Field(description="Whether a link is on its way; the operator makes it if not.")


class LinkSent(Answer):
    mailed: bool = Field(description="Whether a link is on its way; the operator makes it if not.")
