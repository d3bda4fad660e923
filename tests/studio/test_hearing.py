"""What counts as understood, and when the voice is understood too little."""

import numpy as np
import pytest

from charging.language import LANGUAGES
from prompts.audio import Sound
from prompts.phrases import LIMITS, REFUSALS
from prompts.texts import texts_of
from studio.ear import Ear
from studio.hearing import Score, dealt, judged, problems, spoken_whole
from studio.told import Told, balances, sentences
from tests.prompts.voices import ToneEngine


class GoodEar(Ear):
    """Writes what was told, in order; and once something else."""

    def __init__(self, told: list[Told], wrong: int) -> None:
        super().__init__()
        self._written = [one.words for one in told]
        self._written[wrong] = "something else"

    def written(self, sound: Sound, language: str) -> str:
        del sound, language
        return self._written.pop(0)

    def sound_of(self, word: str, language: str) -> str:
        del language
        return word


@pytest.mark.parametrize("language", LANGUAGES)
def test_amounts_are_right_or_wrong_and_sentences_good_or_bad(language: str) -> None:
    told = [*balances(language, 10, seed=1), *sentences(language)[:5]]
    silence = Sound(np.zeros(1), 16_000)
    for wrong, right, good in ((3, 9, 5), (12, 10, 4)):
        score = judged([(one, silence) for one in told], language, "G.722", GoodEar(told, wrong))
        assert (score.amounts, score.right, score.sentences, score.good) == (10, right, 5, good)
        assert score.misheard == [(told[wrong].words, "something else")]


def test_the_draw_is_of_every_size_and_currency_and_the_same_for_the_same_seed() -> None:
    drawn = [told.amount for told in balances("en", 200, seed=1)]
    assert drawn == [told.amount for told in balances("en", 200, seed=1)]
    assert drawn != [told.amount for told in balances("fr", 200, seed=1)]
    micros = [amount.micros for amount in drawn if amount]
    assert min(micros) < 1_000_000  # below one unit
    assert 100_000_000 < max(micros) < 1_000_000_000
    assert {amount.currency for amount in drawn if amount} == {"GBP", "EUR", "USD"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_warning_and_answer_is_told(language: str) -> None:
    told = {clip for one in sentences(language) for clip in one.phrase.clips}
    whole = {
        clip for clip, text in texts_of(language).items() if text.endswith(".") and clip != "pause"
    }
    assert whole <= told
    assert len(REFUSALS) + len(LIMITS) <= len(sentences(language))


def test_phrases_are_dealt_to_no_more_phones_than_there_are_phrases() -> None:
    told = balances("en", 3, seed=1)
    assert [len(part) for part in dealt(told, 2)] == [2, 1]
    assert [len(part) for part in dealt(told, 5)] == [1, 1, 1]


def test_too_little_understood_is_a_problem() -> None:
    fine = Score("en", "G.722", amounts=100, right=90, sentences=20, good=20)
    assert problems([fine, Score("en", "A-law", amounts=100, right=85)]) == []
    for bad in (
        [Score("en", "G.722", amounts=100, right=84)],
        [Score("fr", "G.722", amounts=100, right=79)],
        [fine, Score("en", "A-law", amounts=100, right=84)],
        [Score("en", "G.722", sentences=20, good=19)],
    ):
        assert len(problems(bad)) == 1


def test_what_a_neural_voice_says_in_one_go_is_told_beside_it_and_is_never_a_problem() -> None:
    told = balances("en", 4, seed=1)
    engine = ToneEngine()
    whole = spoken_whole(told, engine)
    assert [one for one, _ in whole] == told
    assert len(engine.rendered) == len(told)  # each in one go
    score = judged(whole, "en", "G.722", GoodEar(told, 0), whole=True)
    assert str(score) == "en, G.722, in one go by a neural voice: 3 of 4 amounts right"
    fine = Score("en", "G.722", amounts=100, right=90)
    assert problems([score, fine]) == problems([fine, score]) == []
