"""Logs as key and value, one JSON object a line on standard output.

No line says whom somebody called: whatever looks like a telephone number is masked here, whoever
wrote the line, unless [privacy] says otherwise. Whoever counts what happens is told of each line.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from charging.masking import masked

# Digits that stand alone, as many as a line of somebody's has. Not those of a channel
# (PJSIP/trunk-00000012), of an id (asterisk-1732612345.12) or of a hexadecimal key.
_NUMBER = re.compile(r"(?<![\w.-])\+?[0-9]{7,}(?![\w-]|\.[0-9])")
# What these say is no number, and has to be found again as it is.
_IDS = frozenset(
    {
        *("call_id", "payment_id", "event_id", "form_id", "request_id", "key", "worker"),
        *("call", "channel", "extension", "payer", "timestamp", "level", "event"),
    }
)

Entry = Mapping[str, Any]  # one line, before it is written
Watch = Callable[[Entry], None]


class LossCountingStream:
    """A stream whose disk may be full: no call ends because a line of the log could not be written.

    How many lines were lost is the first thing that is written afterwards.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lost = 0

    def write(self, line: str) -> int:
        try:
            self._out.write(self._told() + line if self._lost else line)
            self._out.flush()
        except OSError:
            self._lost += 1
        else:
            self._lost = 0
        return len(line)

    def _told(self) -> str:
        return json.dumps({"event": "log_lines_lost", "lines": self._lost}) + "\n"

    def flush(self) -> None:
        """Every line is flushed when it is written."""


def without_numbers(
    _logger: Any, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """As a processor of structlog: telephone numbers lose their last digits."""
    for name, value in entry.items():
        if isinstance(value, str) and name not in _IDS:
            entry[name] = masked_in(value)
    return entry


def masked_in(text: str) -> str:
    """The same text with every telephone number in it masked."""
    return _NUMBER.sub(lambda found: masked(found[0]), text)


class _Watched:
    """As a processor of structlog: tells a watch of each line, and changes none."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __call__(
        self, _logger: Any, _method: str, entry: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        self._watch(entry)
        return entry


def configure_logging(
    *, level: int = logging.INFO, masks_numbers: bool = True, watch: Watch | None = None
) -> None:
    """One line per event with its time; libraries' own lines are kept to warnings.

    Args:
        level: what is less is not written.
        masks_numbers: whether telephone numbers lose their last digits.
        watch: told of each line with its level, in the thread that writes it; may not raise.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *([] if watch is None else [_Watched(watch)]),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([without_numbers] if masks_numbers else []),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(
            file=cast("TextIO", LossCountingStream(sys.stdout))
        ),
        cache_logger_on_first_use=True,
    )
