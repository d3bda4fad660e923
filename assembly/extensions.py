"""The phones file as charging sees it: who is calling, and who pays."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from charging.errors import UnknownExtension
from charging.extensions import Extension
from charging.money import Money
from dialplan.phones import Phone, PhonesError, load_phones
from settings.toml_file import version_of


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


class LivePhones:
    """The phones file as it was when it was last good: charging.ports.Extensions."""

    def __init__(
        self,
        file: Path,
        currencies: Callable[[], Mapping[str, str]],
        *,
        report: Callable[[PhonesError], None],
    ) -> None:
        """Read the file. `report` is told once of every later version that is refused.

        Raises:
            PhonesError: the file cannot be used, or a phone is of an office that nobody has.
        """
        self._file = file
        self._currencies = currencies
        self._report = report
        self._seen = version_of(file)
        self._good = self._read()

    def find(self, endpoint: str) -> Extension:
        return self._good.find(endpoint)

    def every(self) -> PhoneExtensions:
        """All phones in force at this moment."""
        return self._good

    def refresh(self) -> None:
        """Read the file again if it was changed; never in an event loop."""
        version = version_of(self._file)
        if version == self._seen:
            return
        self._seen = version
        try:
            self._good = self._read()
        except PhonesError as error:
            self._report(error)

    def _read(self) -> PhoneExtensions:
        phones = load_phones(self._file)
        try:
            return PhoneExtensions(phones, self._currencies())
        except PhonesError as error:
            raise PhonesError(f"{self._file}: {error}") from None


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
