"""Where the application sends a caller on, with its decision as the extension.

`extensions.conf` beside this file has the contexts; a test dials through them.
"""

# Asterisk takes a caller back whom the application left in silence for so long; one that needs
# longer says so (`Line.keep_waiting`).
SILENCE_MAX_S = 8
PAID = "tollgate-paid"  # extension: see `paid_extension`
INCLUDED = "tollgate-included"  # extension: the number for the trunk
REFUSED = "tollgate-refused"  # extension: the hang-up cause (Q.850)

OUR_TRUNKS = frozenset({"trunk", "emergency"})  # PJSIP endpoints


def paid_extension(dial_string: str, paid_ms: int) -> str:
    """How long the carrier's leg may last, and the number for the trunk."""
    return f"{paid_ms}*{dial_string}"
