"""How a call's end is known, where it is not known as it should be."""

from enum import StrEnum


class EndUnproved(StrEnum):
    """Why nobody can say when a call ended; it is charged for what can be proved."""

    NO_RECORD = "no_record"  # it ended unseen, and Asterisk's log of legs does not say when
    ASTERISK_STOPPED = "asterisk_stopped"  # Asterisk did not run when the far end may have hung up
