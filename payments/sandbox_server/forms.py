"""Reading a form as Stripe's library writes it: `metadata[office]=main&expand[]=customer`. PURE."""

import re
from typing import Any
from urllib.parse import parse_qsl

FIELDS_MAX = 200
_PART = re.compile(r"\[([^\[\]]*)\]")


def parsed(text: str) -> dict[str, Any]:
    """Tables within tables of texts, and lists where a name ends with [] or [0].

    Raises:
        ValueError: no form, or too large.
    """
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX):
        first, _, rest = name.partition("[")
        path = [first, *_PART.findall(f"[{rest}" if rest else "")]
        _put(fields, path, value)
    return fields


def _put(fields: dict[str, Any], path: list[str], value: str) -> None:
    *tables, last = path
    if tables and (last == "" or last.isdigit()):
        *tables, last = tables
        into = _table(fields, tables)
        into[last] = [*into.get(last, []), value]
    else:
        _table(fields, tables)[last] = value


def _table(fields: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for name in path:
        fields = fields.setdefault(name, {})
        if not isinstance(fields, dict):
            raise ValueError(f"{name} is both a text and a table")  # noqa: TRY004 - of the form
    return fields
