"""The phones file as charging sees it: who is calling, and who pays."""

from collections.abc import Iterable, Mapping

from charging.errors import UnknownExtension
from charging.extensions import Extension
from charging.money import Money
from dialplan.phones import Phone, PhonesError


class PhoneExtensions:
    """charging.ports.Extensions over the phones of phones.toml."""

    def __init__(self, phones: Iterable[Phone], currencies: Mapping[str, str]) -> None:
        """Take the phones, and the currency of every office.

        Raises:
            PhonesError: a phone is of an office that the settings do not have.
        """
        self._extensions = {
            phone.extension: extension_of(phone, _currency(phone, currencies)) for phone in phones
        }

    def find(self, endpoint: str) -> Extension:
        try:
            return self._extensions[endpoint]
        except KeyError:
            raise UnknownExtension(endpoint) from None


def extension_of(phone: Phone, currency: str) -> Extension:
    return Extension(
        endpoint=phone.extension,
        name=phone.name,
        office_id=phone.office,
        language=phone.language,
        enabled=phone.enabled,
        allow=phone.limits.allow,
        day_limit=_money(phone.limits.day_limit_micros, currency),
        month_limit=_money(phone.limits.month_limit_micros, currency),
        calls_at_once=phone.limits.calls_at_once,
    )


def _currency(phone: Phone, currencies: Mapping[str, str]) -> str:
    currency = currencies.get(phone.office)
    if currency is None:
        raise PhonesError(
            f"[phones.{phone.extension}] is of the office {phone.office!r}, which the settings lack"
        )
    return currency


def _money(micros: int | None, currency: str) -> Money | None:
    return None if micros is None else Money(micros, currency)
