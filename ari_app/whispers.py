"""What only the caller hears: one sentence after the other, each on a channel of its own. Pure."""

from collections import deque

from ari_app.events import WHISPER
from prompts.phrases import Phrase

ATTEMPTS_MAX = 5  # to open a channel for one sentence


class Whispers:
    """A queue: whoever speaks is let finish, and nothing that is to be said gets lost."""

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._to_say: deque[Phrase] = deque()
        self._made = 0
        self._attempts = 0
        self._open = ""  # the channel that speaks now, or is being opened to

    def add(self, phrase: Phrase) -> None:
        self._to_say.append(phrase)

    def next_channel(self) -> str | None:
        """What to call the channel to be opened now; None: somebody speaks, or nobody has to."""
        if self._open:
            return None
        if self._attempts >= ATTEMPTS_MAX:
            self._to_say.popleft()
            self._attempts = 0
        if not self._to_say:
            return None
        self._made += 1
        self._attempts += 1
        self._open = f"{self._call_id}-{self._made}{WHISPER}"
        return self._open

    def take(self, channel: str) -> Phrase | None:
        """What is said on a channel that is open; None: it is not the one that was waited for."""
        if channel != self._open or not self._to_say:
            return None
        self._attempts = 0
        return self._to_say.popleft()

    def finish(self, channel: str) -> None:
        if channel == self._open:
            self._open = ""
