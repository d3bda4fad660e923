"""The phones of phones.toml as charging knows them: charging.ports.Extensions."""

from collections.abc import Iterable, Mapping

from charging.errors import UnknownExtension
from charging.extensions import Extension
from dialplan.phones import Phone


class PhoneExtensions:
    """Who calls, by endpoint. A phone's extension is also its endpoint."""

    def __init__(self, phones: Iterable[Phone]) -> None:
        self._extensions: Mapping[str, Extension] = {
            phone.extension: extension_of(phone) for phone in phones
        }

    def find(self, endpoint: str) -> Extension:
        found = self._extensions.get(endpoint)
        if found is None:
            raise UnknownExtension(endpoint)
        return found


def extension_of(phone: Phone) -> Extension:
    return Extension(
        endpoint=phone.extension,
        name=phone.name,
        office_id=phone.office,
        language=phone.language,
        enabled=phone.enabled,
    )
