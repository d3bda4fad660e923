"""How the recordings are named to Asterisk: all that a call needs to know of them.

A program that carries calls does not load what makes and checks recordings.
"""

from typing import Final

from prompts.phrases import Phrase

FOLDER: Final = "tollgate"  # Playback(tollgate/…) in the dialplan, sound:tollgate/… in ARI


def media(phrase: Phrase) -> str:
    """For ARI's `play`: a comma list, played without a gap; Asterisk adds language and format."""
    return ",".join(f"sound:{FOLDER}/{clip}" for clip in phrase.clips)
