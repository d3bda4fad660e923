"""What the neural voice is given, and how fast it speaks, without the voice."""

from collections.abc import Sequence

import numpy as np
import pytest

from prompts.audio import Sound, joined, prompt_of
from prompts.spellings import Phonemes, Spellings, Take
from studio import kokoro
from studio.kokoro import (
    FRAME,
    RATE_HZ,
    SPEAKERS,
    KokoroEngine,
    from_first_phoneme,
    longest_s_of,
    spoken,
    styles_of,
    with_known_frames,
    without_breath,
)
from tests.prompts.voices import tone


def test_phonemes_are_replaced_and_the_mark_of_a_language_is_never_spoken() -> None:
    assert spoken("œ̃ (en)pɛni(fr)", ()) == "œ̃ pɛni"
    assert spoken("nœf øʁo", [Phonemes("f ø", "f, ø"), Phonemes("f, ", "ff, ")]) == "nœff, øʁo"


@pytest.mark.parametrize("beside_s", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("slowest_s", [0.5, 1.2, 2.0, 3.0])
def test_a_clip_whose_frames_are_known_is_spoken_once_or_little_faster(
    slowest_s: float, beside_s: float
) -> None:
    """What is heard lasts longer than its frames say by what the voice puts beside them."""
    paces = []

    def frames_at(pace: float) -> list[float]:
        return [9, slowest_s / pace * RATE_HZ / FRAME, 9]

    def speak(pace: float, frames: Sequence[float]) -> Sound:
        assert frames == frames_at(pace)
        paces.append(pace)
        return tone(speech_s=slowest_s / pace + beside_s)

    sound = with_known_frames(1.33, "douze euros", 1.0, frames_at, speak)
    lasts_s = prompt_of(sound, "douze euros").duration_s
    assert lasts_s <= 1.33
    assert len(paces) <= 2 + (beside_s > 0.1)
    assert paces[-1] == 1.0 or lasts_s > 1.2  # no faster than it must be
    assert with_known_frames(None, "douze euros", 0.9, frames_at, speak).duration_s >= slowest_s
    assert paces[-1] == 0.9


def test_a_breath_before_a_word_is_cut_off_and_a_hiss_is_not() -> None:
    word = tone(speech_s=0.5, silence_s=0)
    for before_s, kept_s in ((0.1, 0.6), (0.4, 0.65)):
        quiet = Sound(0.01 * np.resize(word.samples, int(before_s * 16_000)), 16_000)
        heard = without_breath(joined([quiet, word]))
        assert heard.duration_s == pytest.approx(kept_s, abs=0.011)
        assert np.array_equal(heard.samples[-len(word.samples) :], word.samples)


@pytest.mark.parametrize(("phonemes", "before_s"), [("vɛ̃", 0), ("sis", 0.06), ("œ̃", 0)])
def test_a_french_clip_begins_with_its_first_phoneme(phonemes: str, before_s: float) -> None:
    frames = [8, 4, 6, 20]  # the beginning, two phonemes, the end
    sound = Sound(np.arange(sum(frames) * FRAME, dtype=np.float64), RATE_HZ)
    heard = from_first_phoneme(sound, phonemes, frames)
    assert heard.samples[0] == 8 * FRAME - before_s * RATE_HZ
    assert heard.samples[-1] + 1 == 18 * FRAME + 0.1 * RATE_HZ


@pytest.mark.parametrize(
    ("clip", "longest_s"),
    [
        ("your-balance-is", 1.16),
        ("your-balance-is-4-hundred-and", 1.16),
        ("99-pounds", 1.33),
        ("ending-1-euros", 1.33),
        ("99", 1.33),
        ("and-9-cents", 1.33),
        ("99-cents", None),  # two clips are the whole balance
        ("4-hundred-euros", None),
        ("99-minutes", None),
        ("running-low", None),
    ],
)
def test_only_the_three_clips_of_the_longest_balance_are_limited(
    clip: str, longest_s: float | None
) -> None:
    spellings = Spellings({}, longest_s=1.33, longest_lead_s=1.16)
    assert longest_s_of(clip, spellings) == longest_s
    assert longest_s_of(clip, Spellings({})) is None


def test_another_recording_has_another_fingerprint() -> None:
    engine = KokoroEngine()
    prints = {
        engine.fingerprint("fr", clip, text)
        for clip, text in (
            ("9-euros", "neuf euros"),
            ("9", "neuf"),
            ("9-cents", "neuf centimes"),
            ("and-9-cents", "et neuf centimes"),
            ("costs-nothing", "neuf."),
        )
    }
    assert len(prints) == 5


def test_another_take_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = set()
    for takes in ({}, {"neuf": Take(1.0, 45)}, {"neuf": Take(0.85, 45)}, {"neuf": Take(0.85, 15)}):
        spellings = Spellings({}, takes=takes)
        monkeypatch.setattr(kokoro, "spellings_of", lambda *_, given=spellings: given)
        prints.add(KokoroEngine().fingerprint("fr", "9", "neuf"))
    assert len(prints) == 4


def test_a_take_is_spoken_in_one_style_whatever_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(10, dtype=np.float32).reshape(-1, 1, 1)
    monkeypatch.setattr(kokoro, "_style", lambda speaker: rows + speaker.shortest)
    speaker = SPEAKERS["fr"]
    assert np.array_equal(styles_of(speaker, None), rows + speaker.shortest)
    assert styles_of(speaker, Take(0.85, 4)).ravel().tolist() == [4] * 10
