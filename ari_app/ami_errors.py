"""What can go wrong with an action of AMI, whichever way it takes."""

# Of a session that is not logged in, or whose user lacks a permission in manager.conf.
NOT_ALLOWED = frozenset({"Permission denied", "Authentication Required"})


class AmiUnavailableError(Exception):
    """There is no connection to AMI, or no answer within the time limit."""


class AmiNotAllowedError(AmiUnavailableError):
    """Asterisk does not let this user do that: it says nothing of the channel."""


class AmiRefusedError(Exception):
    """Asterisk said no, most often because the channel is gone."""


def require_success(action: str, *, response: str, message: str) -> None:
    """Judge the answer to an action.

    Raises:
        AmiNotAllowedError, AmiRefusedError: it is not "Success".
    """
    if response == "Success":
        return
    if message in NOT_ALLOWED:
        raise AmiNotAllowedError(f"{action}: {message}")
    raise AmiRefusedError(f"{action}: {message}")


def one_line(value: str) -> str:
    """AMI ends a field at CR or LF: a value that holds one could begin an action of its own.

    Raises:
        ValueError: the value has a control character.
    """
    if not value.isprintable():
        raise ValueError(f"not fit for an AMI field: {value!r}")
    return value
