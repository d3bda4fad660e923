"""Files that Asterisk reads, whoever writes them: an admin as root, while it runs as `asterisk`."""

import os
import pwd
import stat
from pathlib import Path

ASTERISK_USER = "asterisk"  # as which the packages of Debian and others run it
FOLDER_MODE = 0o755
FILE_MODE = 0o644  # numbers and contexts, no secret


def make_folder(folder: Path) -> None:
    """With those above it that are missing. Readable by all, whatever the umask.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir()
    folder.chmod(FOLDER_MODE)


def write_readable(file: Path, text: str) -> None:
    """In one step, for Asterisk may reload meanwhile. Readable by all, whatever the umask.

    Raises:
        OSError: it cannot be written.
    """
    unfinished = file.with_name(f".{file.name}.new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.chmod(FILE_MODE)
    unfinished.replace(file)


def kept_from_asterisk(file: Path) -> Path | None:
    """The folder, or the file itself, that Asterisk's user may not read; None: it reads the file.

    Also None where there is no such user: then Asterisk runs elsewhere, or as another one.
    """
    try:
        user = pwd.getpwnam(ASTERISK_USER)
    except KeyError:
        return None
    groups = frozenset(os.getgrouplist(user.pw_name, user.pw_gid))
    whole = file.absolute()
    for folder in reversed(whole.parents):
        if not _may(folder.stat(), user.pw_uid, groups, stat.S_IXOTH):
            return folder
    return None if _may(whole.stat(), user.pw_uid, groups, stat.S_IROTH) else whole


def _may(status: os.stat_result, uid: int, groups: frozenset[int], wanted: int) -> bool:
    """`wanted` as for others. The first of owner, group and others that fits decides."""
    if status.st_uid == uid:
        wanted <<= 6
    elif status.st_gid in groups:
        wanted <<= 3
    return bool(status.st_mode & wanted)
