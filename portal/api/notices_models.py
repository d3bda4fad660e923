"""Notices, as the API shows them and takes what is set of them."""

from charging.notices import NoticeKind
from portal.api.values import Amount, Answer, Language, Moment, Wanted


class AddressShown(Answer):
    address: str
    language: Language


class NoticeSent(Answer):
    kind: NoticeKind
    at: Moment
    sent_at: Moment | None
    problem: str


class Notices(Answer):
    addresses: list[AddressShown]
    below: Amount | None
    sent: list[NoticeSent]


class AddressWanted(Wanted):
    language: Language


class LevelWanted(Wanted):
    below: Amount | None
