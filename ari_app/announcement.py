"""How long the spoken balance takes, and whether the caller heard it. Pure."""

from dataclasses import dataclass

from charging.money import Money
from prompts.phrases import Phrase

# How long a clip of a balance takes at least and at most on average of a sentence, with room for a
# slower voice than was measured: 0.8 to 1.35 s.
CLIP_S = (0.8, 1.6)


@dataclass(slots=True, kw_only=True)
class Announcement:
    balance: Money
    began_s: float  # by the event loop's clock
    shortest_s: float  # with every sound that belongs to it
    skipped: bool = False  # by a key

    def was_heard(self, *, played: bool, lasted_s: float) -> bool:
        """Asterisk says "done" of a sentence whose last sound it found, so the time counts, too."""
        return played and (self.skipped or lasted_s >= self.shortest_s / 2)


def lasts_s(phrase: Phrase) -> tuple[float, float]:
    """At least and at most."""
    shortest_s, longest_s = CLIP_S
    clips = len(phrase.clips)
    return clips * shortest_s, clips * longest_s
