"""Copies of a running ledger that prove themselves, and a ledger made from one again."""

from backups.errors import BackupError
from backups.restoring import Restored, restore
from backups.taking import Made, default_place, take

__all__ = ["BackupError", "Made", "Restored", "default_place", "restore", "take"]
