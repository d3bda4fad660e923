"""Who may speak the voice pack."""

from collections.abc import Callable, Mapping
from typing import Final

from admin.prompts import available_engines
from prompts.engines import Engine
from prompts.pack import recorder_of
from studio.kokoro import KokoroEngine


def _pico() -> Engine:
    return available_engines()["pico"]


RECORDERS: Final[Mapping[str, Callable[[], Engine]]] = {"kokoro": KokoroEngine, "pico": _pico}


def recorder(language: str) -> Engine:
    """The one that spoke the pack of the language until now."""
    return RECORDERS[recorder_of(language)]()
