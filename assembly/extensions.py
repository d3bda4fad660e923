"""The phones file as charging sees it: who is calling, and who pays."""

from collections.abc import Iterable

from charging.errors import UnknownExtension
from charging.extensions import Extension
from dialplan.phones import Phone


class PhoneExtensions:
    """charging.ports.Extensions over the phones of phones.toml."""

    def __init__(self, phones: Iterable[Phone]) -> None:
        self._extensions = {phone.extension: extension_of(phone) for phone in phones}

    def find(self, endpoint: str) -> Extension:
        try:
            return self._extensions[endpoint]
        except KeyError:
            raise UnknownExtension(endpoint) from None


def extension_of(phone: Phone) -> Extension:
    return Extension(
        endpoint=phone.extension,
        name=phone.name,
        office_id=phone.office,
        language=phone.language,
        enabled=phone.enabled,
    )
