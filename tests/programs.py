"""Programs under test as processes of their own, which end with the test."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from db.engine import open_engine
from db.schema import upgrade

ROOT = Path(__file__).parents[1]


def make_ledger(folder: Path) -> Path:
    """What `tollgate ledger prepare` makes where the settings beside it name no other; its file."""
    file = folder / "ledger.sqlite"
    file.touch(mode=0o600)
    file.write_bytes(_empty_ledger())
    return file


@cache
def _empty_ledger() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder, "ledger.sqlite")
        engine = open_engine(f"sqlite:///{file}")
        upgrade(engine)
        engine.dispose()
        return file.read_bytes()


def set_version(ledger: Path, version: str) -> None:
    """As if another Tollgate had made the tables."""
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))


@asynccontextmanager
async def python_program(
    *arguments: str, patience_s: float, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python ARGUMENTS` in the project's folder.

    Raises:
        TimeoutError: the block took longer than `patience_s`.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(patience_s):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
