"""`python serve_as_nobody.py SETTINGS [PROGRAM]`: answer for a program as a user without rights."""

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
    program = sys.argv[2] if len(sys.argv) > 2 else "ari_app"
    questions = {"ledger": ledger_question(open_engine(settings.database.url))}
    if program == "ari_app":
        questions["log of legs"] = leg_log_question(settings)
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    async with answering(program, settings, questions):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until it is closed


asyncio.run(main())
