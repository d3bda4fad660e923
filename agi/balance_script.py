#!/usr/bin/env python3
"""The spoken balance where no server runs: one process for each call, started by Asterisk.

    AGI(/…/agi/balance_script.py,${CHANNEL(endpoint)},${TOLLGATE_LANGUAGE})

Asterisk must be allowed to read the settings file (TOLLGATE_SETTINGS, or tollgate.toml beside the
folder of this file) and the ledger. The first line above must find a Python that has Tollgate's
packages: write the path of .venv/bin/python there, or call this file from a script that does.
It costs a second of a processor for each call; `python -m agi` costs a thousandth of that.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder: Asterisk starts the file, not the package

from asterisk.agi import AGI, AGIException  # noqa: E402 - found by the line above

from agi.protocol import harmless  # noqa: E402
from agi.session import ANY_KEY, TOLD_VARIABLE  # noqa: E402
from assembly.charging import AssemblyError, balance_of  # noqa: E402
from charging.errors import ChargingUnavailable, Refusal  # noqa: E402
from prompts.phrases import (  # noqa: E402
    Phrase,
    UnspokenError,
    balance_phrase,
    refusal_phrase,
)
from prompts.playing import FOLDER  # noqa: E402
from settings import SETTINGS_VARIABLE, SettingsError, SharedSections, load_sections  # noqa: E402


def main() -> int:
    """Exit status 0 when the caller has heard it; else the dialplan says what it always says."""
    endpoint, chosen = [*sys.argv[1:], "", ""][:2]
    with Path(os.devnull).open("w") as nowhere:  # pyst2 would tell the log everything it reads
        try:
            agi = AGI(stderr=nowhere)
            language, phrase = what_to_say(endpoint, chosen)
            tell(agi, language, phrase)
        except (SettingsError, AssemblyError, ChargingUnavailable, UnspokenError) as error:
            sys.stderr.write(f"tollgate: {error}\n")
            return 1
        except (AGIException, BrokenPipeError):
            return 0  # the caller has hung up
    return 0


def what_to_say(endpoint: str, chosen: str) -> tuple[str, Phrase]:
    file = None if SETTINGS_VARIABLE in os.environ else ROOT / "tollgate.toml"
    settings = load_sections(SharedSections, file)
    language, balance = asyncio.run(balance_of(settings, endpoint, chosen=chosen))
    if isinstance(balance, Refusal):
        return language, refusal_phrase(balance.code, language)
    return language, balance_phrase(balance, language)


def tell(agi: AGI, language: str, phrase: Phrase) -> None:
    """All values here are ours, and pyst2 escapes none: what is not goes through `harmless`."""
    agi.set_variable("CHANNEL(language)", harmless(language))
    for clip in phrase.clips:
        if agi.stream_file(f"{FOLDER}/{clip}", ANY_KEY):
            break
    agi.set_variable(TOLD_VARIABLE, "yes")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
