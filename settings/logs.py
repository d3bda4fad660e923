"""Logs as key and value, one JSON object a line on standard output."""

import json
import logging
import sys
from typing import TextIO, cast

import structlog


class LossCountingStream:
    """A stream whose disk may be full: no call ends because a line of the log could not be written.

    How many lines were lost is the first thing that is written afterwards.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lost = 0

    def write(self, line: str) -> int:
        told = json.dumps({"event": "log_lines_lost", "lines": self._lost}) + "\n"
        try:
            self._out.write(told + line if self._lost else line)
            self._out.flush()
        except OSError:
            self._lost += 1
        else:
            self._lost = 0
        return len(line)

    def flush(self) -> None:
        """Every line is flushed when it is written."""


def configure_logging(*, level: int = logging.INFO) -> None:
    """One line per event with its time; libraries' own lines are kept to warnings."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(
            file=cast("TextIO", LossCountingStream(sys.stdout))
        ),
        cache_logger_on_first_use=True,
    )
