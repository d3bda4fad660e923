"""Forms about money in. Each becomes one frozen order, or says what is wrong with it."""

import re
import secrets
from collections.abc import Sequence
from typing import Final

from wtforms import HiddenField, StringField, TextAreaField, ValidationError
from wtforms.fields import Field
from wtforms.form import BaseForm
from wtforms.validators import InputRequired, Length

from charging.adjustments import ADJUSTED_MAX_UNITS, REASON_MAX, Adjustment, require_reason
from charging.card_processor import CardOnFile
from charging.errors import AmountNotOffered
from charging.money import MICROS_PER_UNIT, Money, parse_money
from charging.orders import Offer, RefillRule, TopUpOrder, presets
from charging.plain_text import is_plain
from charging.receipts import Party
from portal.forms import Choice, PortalForm, mail_address
from portal.languages import NAMES, marked
from portal.words import Words

OFF: Final = "off"
ADJUSTMENTS: Final = {
    Adjustment.GRANT: marked("Add to the account"),
    Adjustment.DEDUCT: marked("Take from the account"),
}
KEY = re.compile(r"[0-9a-f]{32}")
LINE_MAX, LINES_MAX = 120, 8

ADD_BELOW = marked("Add %(amount)s when my balance is below %(threshold)s")
CEILINGS = marked(
    "Each time %(card)s is charged the amount, or a multiple of it if that is not enough:"
    " at most 5 times the amount in 24 hours and 20 times in 30 days."
)
NOT_AGAIN = marked("Send the form from the page once more.")
WRONG_AMOUNT = marked("Write an amount such as 12.50.")
NAME_MISSING = marked("Enter the name for receipts.")
NOT_PLAIN = marked("There is a character in it that cannot be shown.")
KEY_USED = marked("This form was already sent with another amount. Choose the amount once more.")
REASON_MISSING = marked("Say why, in a few words.")
CODE_MISSING = marked("Enter the code that the office reads out.")


def plain_text(_: BaseForm, field: Field) -> None:
    if field.data and not all(is_plain(line) for line in field.data.splitlines()):
        raise ValidationError(NOT_PLAIN)


def a_reason(_: BaseForm, field: Field) -> None:
    try:
        field.data = require_reason(field.data or "")
    except ValueError:
        missing = not (field.data or "").strip()
        raise ValidationError(REASON_MISSING if missing else NOT_PLAIN) from None


class KeyedForm(PortalForm):
    """What it asks for happens once for each time that it was shown, however often it is sent."""

    key = HiddenField()

    def renew_key(self) -> None:
        """Before it is shown: a key that was sent stays, so that Back and Send is the same."""
        if not KEY.fullmatch(self.key.data or ""):
            self.key.data = secrets.token_hex(16)

    def validate_key(self, field: Field) -> None:
        if not KEY.fullmatch(field.data or ""):
            raise ValidationError(NOT_AGAIN)


class TopUpForm(KeyedForm):
    amount = Choice()
    confirmed = HiddenField()

    def offer(self, offered: Offer, words: Words) -> None:
        self.amount.offer((plain(amount), words.short(amount)) for amount in offered.amounts)

    def order(self, offered: Offer, return_url: str) -> TopUpOrder | None:
        """None: it has problems."""
        if not self.validate():
            return None
        try:
            amount = offered.read(self.amount.data or "")
        except AmountNotOffered:  # the list has changed since
            return None
        confirmed = self.confirmed.data == "yes"
        return TopUpOrder(amount=amount, confirmed=confirmed, return_url=return_url)


def plain(amount: Money) -> str:
    """As a form sends it: "20.00"."""
    return str(amount).partition(" ")[0]


class RefillForm(PortalForm):
    rule = Choice()

    def offer(self, rules: Sequence[RefillRule], words: Words, chosen: RefillRule | None) -> None:
        """The presets, and the rule in force where it is none of them; off comes last."""
        self._rules = {name_of(rule): rule for rule in rules}
        if chosen is not None:
            self._rules.setdefault(name_of(chosen), chosen)
        sentences = {name: rule_sentence(words, rule) for name, rule in self._rules.items()}
        self.rule.offer([*sentences.items(), (OFF, words.say(marked("Add nothing by itself")))])

    def chosen(self) -> RefillRule | None:
        """None: off."""
        return self._rules.get(self.rule.data or "")


def name_of(rule: RefillRule) -> str:
    return f"{plain(rule.amount)}:{plain(rule.threshold)}"


def rule_sentence(words: Words, rule: RefillRule) -> str:
    return words.say(
        ADD_BELOW, amount=words.short(rule.amount), threshold=words.short(rule.threshold)
    )


def rules_for(offered: Offer) -> list[RefillRule]:
    """The presets whose amount the office may buy."""
    return [rule for rule in presets(offered.currency) if rule.amount in offered.amounts]


def consent_words(words: Words, rule: RefillRule, card: CardOnFile) -> str:
    """What somebody has read who switches the refill on; kept with who and when."""
    ceilings = words.say(CEILINGS, card=card_name(card))
    return f"{rule_sentence(words, rule)}. {ceilings}"


def card_name(card: CardOnFile) -> str:
    return f"{card.brand.title()} {card.last_four}"


class BuyerForm(PortalForm):
    name = StringField(validators=[InputRequired(NAME_MISSING), Length(max=LINE_MAX), plain_text])
    address = TextAreaField(validators=[Length(max=LINE_MAX * LINES_MAX), plain_text])
    vat_number = StringField(validators=[Length(max=40), plain_text])
    registration = StringField(validators=[Length(max=40), plain_text])
    language = Choice(NAMES.items())

    def party(self) -> Party:
        lines = [line.strip() for line in (self.address.data or "").splitlines()]
        return Party(
            name=(self.name.data or "").strip(),
            address=tuple(line for line in lines if line)[:LINES_MAX],
            vat_number=(self.vat_number.data or "").strip(),
            registration=(self.registration.data or "").strip(),
        )


class NoticeAddressForm(PortalForm):
    address = StringField(validators=[mail_address])
    language = Choice(NAMES.items())


class NoticeLevelForm(PortalForm):
    level = StringField()

    def amount(self, currency: str) -> Money | None:
        """None: it is none, and the field says so. Empty: never."""
        text = (self.level.data or "").strip().replace(",", ".") or "0"
        try:
            level = parse_money(text, currency)
        except ValueError:
            level = Money(-1, currency)
        if level.micros < 0:
            self.refuse(self.level, WRONG_AMOUNT)
            return None
        return level


class AdjustForm(KeyedForm):
    adjustment = Choice()
    amount = StringField(validators=[InputRequired(WRONG_AMOUNT), Length(max=20)])
    reason = StringField(validators=[Length(max=REASON_MAX), a_reason])

    def offer(self) -> None:
        self.adjustment.offer(ADJUSTMENTS.items())

    def amount_in(self, currency: str) -> Money | None:
        """None: the form has problems, and says all of them."""
        self.validate()
        try:
            amount = parse_money((self.amount.data or "").strip().replace(",", "."), currency)
        except ValueError:
            amount = Money(0, currency)
        possible = 0 < amount.micros <= ADJUSTED_MAX_UNITS * MICROS_PER_UNIT
        if not possible and not self.amount.errors:
            self.refuse(self.amount, WRONG_AMOUNT)
        return None if self.problems() else amount


class CancelForm(PortalForm):
    code = StringField(validators=[InputRequired(CODE_MISSING), Length(max=20)])
    reason = StringField(validators=[Length(max=REASON_MAX), a_reason])
