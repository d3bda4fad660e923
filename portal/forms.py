"""Forms: what a browser sent becomes one frozen order, or keeps what was typed and says why not."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from wtforms import Form, PasswordField, SelectField, StringField, ValidationError
from wtforms.fields import Field
from wtforms.form import BaseForm
from wtforms.validators import InputRequired, Length

from charging.people import (
    MAIL_ADDRESS_MAX,
    PASSWORD_MAX,
    PASSWORD_MIN,
    PERSON_NAME_MAX,
    Role,
    require_mail_address,
    require_person_name,
)
from portal.languages import marked

ROLE_NAMES: Final[Mapping[str, str]] = {
    Role.VIEWER: marked("Viewer: sees everything, changes nothing"),
    Role.MANAGER: marked("Manager: buys, sets and invites"),
}

MISSING_ADDRESS = marked("Enter a mail address.")
WRONG_ADDRESS = marked("This is not a mail address, such as anna@example.com.")
MISSING_PASSWORD = marked("Enter your password.")
SHORT_PASSWORD = marked("A password has 12 to 256 characters.")
UNEQUAL_PASSWORDS = marked("The two passwords are not the same.")
WRONG_NAME = marked("A name has 1 to 80 characters.")
NOT_IN_LIST = marked("Choose one of the list.")


class PortalForm(Form):
    """What every form of ours has: a list of its problems, and messages that are translated."""

    def fields(self) -> Iterator[Field]:
        return iter(self)

    def problems(self) -> list[tuple[str, str]]:
        """The id of a field, and what is wrong with it; in the order of the page."""
        found = [(field.id, str(said)) for field in self for said in field.errors]
        return found + [("", str(said)) for said in self.form_errors]

    def refuse(self, field: Field, message: str) -> None:
        """Say beside a field what only the use case could know."""
        field.errors = [*field.errors, message]


def mail_address(_: Form, field: Field) -> None:
    try:
        field.data = require_mail_address(field.data or "")
    except ValueError:
        raise ValidationError(WRONG_ADDRESS if field.data else MISSING_ADDRESS) from None


def person_name(_: Form, field: Field) -> None:
    try:
        field.data = require_person_name(field.data or "")
    except ValueError:
        raise ValidationError(WRONG_NAME) from None


class Choice(SelectField):
    """A drop-down; whatever is not in it is refused with our own words."""

    def __init__(self, choices: Iterable[tuple[str, str]] = (), **options: Any) -> None:
        super().__init__(validate_choice=False, **options)
        self.offer(choices)

    def offer(self, choices: Iterable[tuple[str, str]]) -> None:
        offered = dict(choices)
        self.choices = list(offered.items())
        self._offered = frozenset(offered)

    def pre_validate(self, form: BaseForm) -> None:
        del form
        if self.data not in self._offered:
            raise ValidationError(NOT_IN_LIST)


class Several(Field):
    """Boxes to tick: the values of those that are."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = list(valuelist)


class SignInForm(PortalForm):
    address = StringField(validators=[mail_address, Length(max=MAIL_ADDRESS_MAX)])
    password = PasswordField(validators=[InputRequired(MISSING_PASSWORD), Length(max=PASSWORD_MAX)])


class ProveForm(PortalForm):
    password = PasswordField(validators=[InputRequired(MISSING_PASSWORD), Length(max=PASSWORD_MAX)])


class ForgottenForm(PortalForm):
    address = StringField(validators=[mail_address])


class NewPasswordForm(PortalForm):
    password = PasswordField(
        validators=[Length(min=PASSWORD_MIN, max=PASSWORD_MAX, message=SHORT_PASSWORD)]
    )
    again = PasswordField()

    def validate_again(self, field: Field) -> None:
        if field.data != self.password.data:
            raise ValidationError(UNEQUAL_PASSWORDS)


class InviteForm(PortalForm):
    name = StringField(validators=[person_name, Length(max=PERSON_NAME_MAX)])
    address = StringField(validators=[mail_address])
    role = Choice(ROLE_NAMES.items(), default=Role.VIEWER.value)


class RoleForm(PortalForm):
    role = Choice(ROLE_NAMES.items())
