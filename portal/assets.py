"""Style and script, served by us, from memory, under a name that changes with their content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str
    version: str


class Assets:
    def __init__(self, folder: Path = FOLDER) -> None:
        self._assets = {
            file.name: _read(file) for file in folder.iterdir() if file.suffix in _TYPES
        }

    def find(self, name: str) -> Asset | None:
        return self._assets.get(name)

    def address(self, name: str) -> str:
        """What a page writes; a browser may keep what it finds there for ever."""
        return f"/static/{name}?v={self._assets[name].version}"


def _read(file: Path) -> Asset:
    content = file.read_bytes()
    return Asset(content, _TYPES[file.suffix], hashlib.sha256(content).hexdigest()[:12])
