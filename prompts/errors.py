"""Every way a recording can fail to exist.

PromptError
├── EngineMissing     this machine cannot run the engine; another may do
├── EngineFailed      the engine ran and gave nothing that can be used
├── ClipsMissing      recordings are not there, or are not of the present texts
└── TextsDamaged      a file of texts cannot be used
"""

from collections.abc import Sequence


class PromptError(Exception):
    """One sentence for the person who builds the recordings."""


class EngineMissing(PromptError):  # noqa: N818 - named by what happened
    pass


class EngineFailed(PromptError):  # noqa: N818 - named by what happened
    pass


class TextsDamaged(PromptError):  # noqa: N818 - named by what happened
    pass


class ClipsMissing(PromptError):  # noqa: N818 - named by what happened
    def __init__(self, where: str, clips: Sequence[str]) -> None:
        named = ", ".join(clips[:5]) + (", …" if len(clips) > 5 else "")  # noqa: PLR2004
        super().__init__(f"{where}: {len(clips)} recordings are missing: {named}")
        self.clips = tuple(clips)
