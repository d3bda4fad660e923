"""The voice that comes with Tollgate, as a caller hears it: levels, pauses, lengths, words."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ari_app.call_task import REFUSAL_S
from charging.language import LANGUAGES
from charging.money import Money
from prompts.audio import PEAK_LIMIT, SPEECH_LEVEL, Sound
from prompts.errors import EngineFailed, EngineMissing, PromptError
from prompts.files import read_sound
from prompts.library import NARROWBAND, WIDEBAND, Library
from prompts.pack import VOICES, PackEngine, recorder_of, write_pack
from prompts.phrases import (
    REFUSALS,
    UNITS,
    Phrase,
    balance_phrase,
    refusal_phrase,
)
from prompts.texts import texts_of
from studio.recorders import recorder
from tests.prompts.voices import ToneEngine, few_texts


@pytest.fixture(scope="session")
def sounds(library: Library) -> dict[tuple[str, str, str], Sound]:
    """Every file of the voice, by language, clip and rate."""
    return {
        (language, clip, rate): read_sound(library.folder(language) / f"{clip}{rate}")
        for language, rate in product(LANGUAGES, (WIDEBAND, NARROWBAND))
        for clip in texts_of(language)
        if clip != "pause"
    }


def loudness(sound: Sound) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Root mean square of every 10 ms."""
    frame = sound.rate_hz // 100
    whole = len(sound.samples) // frame * frame
    return np.asarray(np.sqrt(np.mean(sound.samples[:whole].reshape(-1, frame) ** 2, axis=1)))


def test_the_voice_pack_speaks_the_present_texts() -> None:
    for language in LANGUAGES:
        spoken = {clip: text for clip, text in texts_of(language).items() if clip != "pause"}
        assert PackEngine().lacks(language, spoken) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_voice_pack_was_recorded_with_the_present_spellings_and_pace(language: str) -> None:
    texts = {clip: text for clip, text in texts_of(language).items() if clip != "pause"}
    assert PackEngine().outdated(language, texts, recorder(language)) == ()  # else: make prompts


def test_the_voice_pack_is_small_enough_to_ship() -> None:
    assert sum(file.stat().st_size for file in VOICES.rglob("*")) < 8_000_000


def test_the_unpacked_voice_is_complete(library: Library) -> None:
    for language in LANGUAGES:
        assert library.health(language).complete


def test_nothing_is_clipped_and_everything_is_equally_loud(
    sounds: dict[tuple[str, str, str], Sound],
) -> None:
    for (language, clip, rate), sound in sounds.items():
        frames = loudness(sound)
        vowels = np.sqrt(np.mean(frames[frames > np.max(frames) / 10] ** 2))
        level_db = 20 * np.log10(vowels / SPEECH_LEVEL)
        peak = np.max(np.abs(sounds[language, clip, WIDEBAND].samples))
        assert np.max(np.abs(sound.samples)) <= PEAK_LIMIT + 0.05, (language, clip, rate)
        # A peak that would be clipped keeps a few sounds below the others.
        quietest_db = -3 if peak > PEAK_LIMIT - 0.05 else -1.5
        assert quietest_db < level_db < 1.5, (language, clip, rate)


def test_speech_begins_at_once_and_ends_with_the_pause_of_its_punctuation(
    sounds: dict[tuple[str, str, str], Sound],
) -> None:
    for (language, clip, rate), sound in sounds.items():
        frames = loudness(sound)
        loud = np.flatnonzero(frames > np.max(frames) / 30)
        sentence = texts_of(language)[clip].endswith(".")
        after_s = (len(frames) - loud[-1]) / 100
        # LEAD_S. The cut at 4 kHz sounds a little before a vowel that begins hard; G.722 has none.
        assert np.max(frames[:8]) < (1e-3 if rate == WIDEBAND else 2e-3), (language, clip, rate)
        assert loud[0] < 28, (language, clip, rate)  # the hiss of an "s" comes first
        assert after_s > (0.25 if sentence else 0.01), (language, clip, rate)
        assert after_s < 0.65, (language, clip, rate)  # the end of "livres" is nearly silent


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("currency", UNITS)
def test_the_balance_sentence_takes_at_most_four_seconds(
    sounds: dict[tuple[str, str, str], Sound], language: str, currency: str
) -> None:
    def duration_s(phrase: Phrase) -> float:
        return sum(sounds[language, clip, WIDEBAND].duration_s for clip in phrase.clips)

    def amount(cents: int) -> Phrase:
        return balance_phrase(Money(cents * 10_000, currency), language)

    cents = max(range(100), key=lambda cents: duration_s(amount(100 + cents)))
    assert max(duration_s(amount(units * 100 + cents)) for units in range(1000)) <= 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_takes_as_long_as_the_call_is_told(
    sounds: dict[tuple[str, str, str], Sound], language: str
) -> None:
    shortest_s, longest_s = REFUSAL_S
    for code in (*REFUSALS, "another"):
        clips = refusal_phrase(code, language).clips
        lasts_s = sum(sounds[language, clip, WIDEBAND].duration_s for clip in clips)
        assert shortest_s <= lasts_s <= longest_s, code


def test_a_pack_whose_text_has_changed_is_not_used() -> None:
    texts = {**texts_of("en"), "funds-exhausted": "No more money."}
    assert "funds-exhausted" in PackEngine().lacks("en", texts)


def test_a_damaged_pack_is_found(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="no voice pack"):
        PackEngine(tmp_path).lacks("en", texts_of("en"))
    (tmp_path / "en").mkdir()
    index = tmp_path / "en" / "index.json"
    index.write_text(
        '{"engine": "pico", "sounds": {"goodbye": ["sentences", 0, 16000, "Goodbye.", ""]}}'
    )
    with pytest.raises(EngineFailed, match="damaged"):
        PackEngine(tmp_path).fingerprint("en", "goodbye", "Goodbye.")
    for table in ("pounds", "sentences"):
        cut_off = (VOICES / f"en/{table}.opus").read_bytes()[:2000]
        (tmp_path / "en" / "sentences.opus").write_bytes(cut_off)
        with pytest.raises(EngineFailed, match="damaged"):
            PackEngine(tmp_path).render("en", "goodbye", "Goodbye.")
    index.write_text("[1]")
    with pytest.raises(EngineFailed, match="damaged"):
        PackEngine(tmp_path).lacks("en", texts_of("en"))


def test_a_pack_is_only_made_by_an_engine_whose_speech_may_be_given_away(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="kokoro or pico, not by gtts"):
        write_pack(ToneEngine(name="gtts"), "en", tmp_path, folder=tmp_path / "voices")


def test_a_pack_is_written_only_where_a_recording_would_be_another(tmp_path: Path) -> None:
    few = {"few": few_texts("en"), "others": {"tomorrow": "Tomorrow."}}

    def write(voice: str) -> list[str]:
        engine = ToneEngine(name="pico", voice=voice)
        return write_pack(
            engine, "en", tmp_path / "sounds", folder=tmp_path / "voices", tables=lambda _: few
        )

    assert write("hers") == ["few", "others"]
    assert write("hers") == []
    few["others"] = {"tomorrow": "Tomorrow, then."}
    assert write("hers") == ["others"]
    assert write("his") == ["few", "others"]
    assert recorder_of("en", tmp_path / "voices") == "pico"
    pack = PackEngine(tmp_path / "voices")
    assert pack.lacks("en", few_texts("en")) == ()
    sound = pack.render("en", "goodbye", few_texts("en")["goodbye"])
    assert np.max(np.abs(sound.samples)) > 0.1
    assert pack.outdated("en", few["others"], ToneEngine(name="pico", voice="his")) == ()
    assert pack.outdated("en", few["others"], ToneEngine(name="pico")) == ("tomorrow",)
