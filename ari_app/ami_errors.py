"""What can go wrong with an action of AMI, whichever way it takes."""


class AmiUnavailableError(Exception):
    """There is no connection to AMI, or no answer within the time limit."""


class AmiRefusedError(Exception):
    """Asterisk said no, most often because the channel is gone."""


def one_line(value: str) -> str:
    """AMI ends a field at CR or LF: a value that holds one could smuggle in an action.

    Raises:
        ValueError: the value has a control character.
    """
    if not value.isprintable():
        raise ValueError(f"not fit for an AMI field: {value!r}")
    return value
