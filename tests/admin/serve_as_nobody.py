"""`python serve_as_nobody.py SETTINGS`: answer for the application as a user who has no rights."""

import asyncio
import concurrent.futures.thread  # noqa: F401 - nobody may not read the library it is in
import os
import sys
from pathlib import Path

from assembly.health import answering, ledger_question, leg_log_question
from db.engine import open_engine
from settings import load_settings

NOBODY = 65534


async def main() -> None:
    settings = load_settings(Path(sys.argv[1]))
    questions = {
        "ledger": ledger_question(open_engine(settings.database.url)),
        "log of legs": leg_log_question(settings),
    }
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    async with answering("ari_app", settings, questions):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until it is closed


asyncio.run(main())
