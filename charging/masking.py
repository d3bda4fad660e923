"""A number that may still be told apart from others, and no longer says whom somebody called."""

HIDDEN = 4  # last digits
SHOWN_MIN = 3  # of what is left: a shorter number is a service, and nobody's


def masked(number: str) -> str:
    """Its last digits are written as "x"; what is masked already stays as it is."""
    if len(number) < HIDDEN + SHOWN_MIN:
        return number
    return f"{number[:-HIDDEN]}{'x' * HIDDEN}"
