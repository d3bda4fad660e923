"""Addresses that others gave us."""

from urllib.parse import urlsplit


def web_address(address: str) -> str:
    """The address of a page, or nothing: a browser would also run what is none."""
    return address if urlsplit(address).scheme in {"https", "http"} else ""
