"""What a caller understands: phones hear the voice, and an ear without a list writes it down."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from charging.language import LANGUAGES
from lab.telephony import find_telephony
from prompts.audio import Sound
from prompts.build import build_voice
from prompts.library import Library
from prompts.pack import PackEngine
from studio.ear import Ear
from studio.phones import Desk, heard_at
from studio.told import MICROS_PER_CENT, Told, balances, sentences
from studio.understood import amount_in, said, word_error_rate

Say = Callable[[str], None]

CODECS: Final = {"G.722": "G722/16000", "A-law": "PCMA/8000"}
FIRST: Final = "G.722"  # the others are compared with it
DESKS: Final = 4  # phones of each codec and language, side by side
# Of a hundred amounts, number and unit, by a phone at 16 kHz; another may have so many fewer.
WANTED_OF_100: Final = {"en": 85, "fr": 80}
FEWER_OF_100: Final = 5
WORST_SENTENCE: Final = 0.15  # of its words wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    amounts: int = 100
    seed: int = 1
    languages: Sequence[str] = LANGUAGES
    codecs: Sequence[str] = tuple(CODECS)
    fixed: bool = True  # the sentences that are always the same, too


@dataclass(slots=True)
class Score:
    """What the ear made of one language through one codec."""

    language: str
    codec: str
    amounts: int = 0
    right: int = 0
    sentences: int = 0
    good: int = 0
    misheard: list[tuple[str, str]] = field(default_factory=list)  # the words, and what was written

    @property
    def of_100(self) -> float:
        return 100 * self.right / self.amounts if self.amounts else 100

    def __str__(self) -> str:
        return (
            f"{self.language}, {self.codec}: {self.right} of {self.amounts} amounts right,"
            f" {self.good} of {self.sentences} sentences with at most"
            f" {WORST_SENTENCE:.0%} of their words wrong"
        )


async def run(plan: Plan, ear: Ear, say: Say) -> list[Score]:
    """Let phones hear the voice pack, one codec and language after another."""
    telephony = find_telephony(say)
    scores = []
    with tempfile.TemporaryDirectory(prefix="tollgate-hearing-") as folder:
        library = Library(Path(folder) / "sounds")
        for language in plan.languages:
            build_voice(library, language, PackEngine())
        for codec in plan.codecs:
            for language in plan.languages:
                told = balances(language, plan.amounts, plan.seed)
                told += sentences(language) if plan.fixed else []
                desks = [Desk(CODECS[codec], part) for part in dealt(told, DESKS)]
                where = Path(folder) / f"{codec}-{language}"
                recordings = await heard_at(desks, library, telephony, where)
                pairs = [
                    (one, recording)
                    for desk, heard in zip(desks, recordings, strict=True)
                    for one, recording in zip(desk.told, heard, strict=True)
                ]
                scores.append(judged(pairs, language, codec, ear))
                say(str(scores[-1]))
    return scores


def dealt(told: Sequence[Told], desks: int) -> list[Sequence[Told]]:
    """To as many phones as have something to hear."""
    return [part for part in (told[at::desks] for at in range(desks)) if part]


def judged(pairs: Sequence[tuple[Told, Sound]], language: str, codec: str, ear: Ear) -> Score:
    score = Score(language, codec)
    for told, recording in pairs:
        written = ear.written(recording, language)
        if told.amount is None:
            score.sentences += 1
            well = word_error_rate(told.words, written, language) <= WORST_SENTENCE
            score.good += well
        else:
            score.amounts += 1
            wanted = said(told.amount.micros // MICROS_PER_CENT, told.amount.currency)
            well = amount_in(written, language) == wanted
            score.right += well
        if not well:
            score.misheard.append((told.words, written))
    return score


def problems(scores: Sequence[Score], wanted: Mapping[str, int] = WANTED_OF_100) -> list[str]:
    """Where the voice is understood less than it must be."""
    found = []
    first = {score.language: score for score in scores if score.codec == FIRST}
    for score in scores:
        if score.codec == FIRST and score.of_100 < wanted[score.language]:
            found.append(f"{score}; {wanted[score.language]} of 100 are wanted")
        reference = first.get(score.language)
        if reference and score.of_100 < reference.of_100 - FEWER_OF_100:
            found.append(f"{score}; {reference.of_100:.0f} of 100 were right through {FIRST}")
        if score.good < score.sentences:
            found.append(f"{score}; all of them are wanted")
    return found
