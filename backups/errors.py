"""What goes wrong with a backup, in one sentence each."""


class BackupError(Exception):
    """It was not made, is not good, or is not restored; the message says why."""


class NewerLedgerError(BackupError):
    """Where the backup is to be restored is a ledger that knows more than it."""
