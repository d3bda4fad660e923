"""Text that a terminal shows as it is stored: nothing in it moves the cursor or turns the line."""

import unicodedata

# Control, format (bidirectional marks among them), surrogate, private and unassigned characters,
# and the separators of lines and paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def is_plain(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or not any(map(_is_unseen, text))


def require_plain(text: str, what: str) -> None:
    """Raises ValueError: something in it cannot be seen, or changes how the rest is shown."""
    if not is_plain(text):
        raise ValueError(f"{what} holds a character that cannot be shown: {escaped(text)}")


def escaped(text: str) -> str:
    r"""The same text with every unseen character written out: \x1b, \u202e."""
    if is_plain(text):
        return text
    return "".join(_written_out(char) if _is_unseen(char) else char for char in text)


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN


def _written_out(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004 - what two hexadecimal digits hold
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - four digits
