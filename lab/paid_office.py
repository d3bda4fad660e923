"""A whole office with a Prepaid Account: Asterisk, carrier, phones, the ledger and the application.

What `make run`, the live tests and the benchmarks stand on.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from charging.deck_file import DeckFormat, read_deck
from charging.money import Money
from charging.numbering import emergency_numbers
from db.engine import open_engine
from db.rate_decks import import_deck
from db.schema import upgrade
from dialplan.render import AsteriskConfig
from lab.application import Application
from lab.carrier import ANSWERS, Behaviour, Rule
from lab.office import Office
from lab.telephony import Telephony

Sections = Mapping[str, Mapping[str, object]]


def settings_text(config: AsteriskConfig, *, legs_file: Path, extra: Sections) -> str:
    """The settings file of an instance: how to reach its Asterisk, and whatever `extra` says."""
    sections: dict[str, dict[str, object]] = {
        "asterisk": {"name": config.name, "cel_file": str(legs_file)},
        "ari": {
            "base_url": f"http://{config.control_address}:{config.http_port}",
            "username": config.secrets.ari_username,
            "password": config.secrets.ari_password,
        },
        "ami": {
            "host": config.control_address,
            "port": config.ami_port,
            "username": config.secrets.ami_username,
            "secret": config.secrets.ami_password,
        },
    }
    for name, fields in extra.items():
        sections.setdefault(name, {}).update(fields)
    return "\n".join(_section(name, fields) for name, fields in sections.items())
