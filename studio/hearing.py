"""What a caller understands: phones hear the voice, and an ear without a list writes it down."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from charging.language import LANGUAGES
from lab.telephony import find_telephony
from prompts.audio import Sound, prompt_of
from prompts.build import build_voice
from prompts.engines import Engine
from prompts.library import Library
from prompts.pack import PackEngine
from studio.ear import Ear
from studio.kokoro import KokoroEngine
from studio.line import CODECS, through
from studio.phones import Desk, heard_at
from studio.told import MICROS_PER_CENT, Told, balances, sentences
from studio.understood import amount_in, said, word_error_rate

Say = Callable[[str], None]
Pair = tuple[Told, Sound]  # what was told, and what came out of the line

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
    phones: bool = True  # else the codecs in software: no Asterisk, and no sound lost
    whole: int = 25  # as many of the amounts in one go: what is lost by putting them together


@dataclass(slots=True)
class Score:
    """What the ear made of one language through one codec."""

    language: str
    codec: str
    whole: bool = False  # spoken in one go by a neural voice, not put together
    amounts: int = 0
    right: int = 0
    sentences: int = 0
    good: int = 0
    misheard: list[tuple[str, str]] = field(default_factory=list)  # the words, and what was written

    @property
    def of_100(self) -> float:
        return 100 * self.right / self.amounts if self.amounts else 100

    def __str__(self) -> str:
        amounts = f"{self.right} of {self.amounts} amounts right"
        if self.whole:
            return f"{self.language}, {self.codec}, in one go by a neural voice: {amounts}"
        return (
            f"{self.language}, {self.codec}: {amounts},"
            f" {self.good} of {self.sentences} sentences with at most"
            f" {WORST_SENTENCE:.0%} of their words wrong"
        )


async def run(plan: Plan, ear: Ear, say: Say) -> list[Score]:
    """Let phones hear the voice pack, one language and codec after another."""
    scores = []

    def judge(pairs: Sequence[Pair], language: str, codec: str, *, whole: bool = False) -> None:
        scores.append(judged(pairs, language, codec, ear, whole=whole))
        say(str(scores[-1]))

    with tempfile.TemporaryDirectory(prefix="tollgate-hearing-") as folder:
        library = Library(Path(folder) / "sounds")
        for language in plan.languages:
            build_voice(library, language, PackEngine())
            told = balances(language, plan.amounts, plan.seed)
            whole = spoken_whole(told[: plan.whole], KokoroEngine())
            told += sentences(language) if plan.fixed else []
            put_together = [library.sound_of(one.phrase, language) for one in told]
            for codec in plan.codecs:
                if plan.phones:
                    where = Path(folder) / f"{codec}-{language}"
                    judge(await _by_phones(told, codec, library, where, say), language, codec)
                else:
                    judge(
                        _in_software(zip(told, put_together, strict=True), codec), language, codec
                    )
                if whole:
                    judge(_in_software(whole, codec), language, codec, whole=True)
    return scores


async def _by_phones(
    told: Sequence[Told], codec: str, library: Library, folder: Path, say: Say
) -> list[Pair]:
    desks = [Desk(CODECS[codec].offered, part) for part in dealt(told, DESKS)]
    recordings = await heard_at(desks, library, find_telephony(say), folder)
    return [
        pair
        for desk, heard in zip(desks, recordings, strict=True)
        for pair in zip(desk.told, heard, strict=True)
    ]


def _in_software(pairs: Iterable[Pair], codec: str) -> list[Pair]:
    return [(one, through(sound, codec)) for one, sound in pairs]


def spoken_whole(told: Sequence[Told], engine: Engine) -> list[Pair]:
    """The same words, as an engine says the sentence in one go."""
    texts = [f"{one.words}." for one in told]
    return [
        (one, prompt_of(engine.render(one.language, "", text), text))
        for one, text in zip(told, texts, strict=True)
    ]


def dealt(told: Sequence[Told], desks: int) -> list[Sequence[Told]]:
    """To as many phones as have something to hear."""
    return [part for part in (told[at::desks] for at in range(desks)) if part]


def judged(
    pairs: Sequence[Pair], language: str, codec: str, ear: Ear, *, whole: bool = False
) -> Score:
    score = Score(language, codec, whole)
    for told, recording in pairs:
        written = ear.written(recording, language)
        if told.amount is None:
            score.sentences += 1
            wrong = word_error_rate(told.words, written, language, ear.sound_of)
            well = wrong <= WORST_SENTENCE
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
    packs = [score for score in scores if not score.whole]
    first = {score.language: score for score in packs if score.codec == FIRST}
    for score in packs:
        if score.codec == FIRST and score.of_100 < wanted[score.language]:
            found.append(f"{score}; {wanted[score.language]} of 100 are wanted")
        reference = first.get(score.language)
        if reference and score.of_100 < reference.of_100 - FEWER_OF_100:
            found.append(f"{score}; {reference.of_100:.0f} of 100 were right through {FIRST}")
        if score.good < score.sentences:
            found.append(f"{score}; all of them are wanted")
    return found
