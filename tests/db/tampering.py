"""Somebody who owns the database, and can write into it what its rules forbid."""

import contextlib
import sqlite3

from sqlalchemy import Engine, text


def without_rules(engine: Engine, damage: str) -> None:
    """Carry out one statement with the database's rules switched off."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(damage))
        return
    with contextlib.closing(sqlite3.connect(str(engine.url.database))) as file, file:
        rules = file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in rules:
            file.execute(f"DROP TRIGGER {name}")
        file.execute(damage)
