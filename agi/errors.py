"""How a session ends before its time."""


class CallerLeft(Exception):  # noqa: N818 - what happened, and no fault
    """The caller hung up, or Asterisk closed the connection."""


class CommandRefused(Exception):  # noqa: N818 - said as Asterisk means it
    """Asterisk does not carry out a command; the message is its own."""
