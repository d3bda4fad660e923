"""What Asterisk sends with each question, so that no other user of this machine can ask it."""

import os
import re
import stat
from pathlib import Path

from settings import AgiSections, SettingsError

OTHERS = stat.S_IRWXO
SECRET_MAX = 256  # what the dialplan reads of the file
_SECRET = re.compile(r"[A-Za-z0-9]{32,256}")


def secret_of(settings: AgiSections) -> str | None:
    """The content of `[agi] secret_file`; None where there is none.

    Raises:
        SettingsError: it cannot be read, others can, or it is no secret.
    """
    file = settings.agi.secret_file
    return None if file is None else _read(file)


def _read(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            secret = opened.read(SECRET_MAX + 2).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not letters and digits"
        raise SettingsError(f"agi.secret_file: {file} cannot be read: {reason}") from error
    if mode & OTHERS:
        raise SettingsError(f"agi.secret_file: everybody may read {file}: chmod 600 {file}")
    if not _SECRET.fullmatch(secret):
        raise SettingsError(
            f"agi.secret_file: {file} is not 32 to 256 letters and digits on one line; make it with"
            f" `openssl rand -hex 32 > {file}`"
        )
    return secret
