"""Kokoro-82M: the neural voice that the pack is recorded with."""

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from prompts.audio import Sound, prompt_of
from prompts.errors import EngineMissing
from prompts.spellings import Phonemes, Spellings, spellings_of
from studio.models import VOICE, ModelMissingError, folder_of

RATE_HZ: Final = 24_000
STYLE_NUMBERS: Final = 256  # one row of so many for each length of an utterance

# What the French clips take at a pace of 1, more or less a tenth of a second.
SHORTEST_S: Final = 0.65
PHONEME_S: Final = 0.05
HISS_S: Final = 0.15  # an "s" at the beginning is as quiet as a breath
WORD_BELOW_LOUDEST: Final = 0.03  # -30 dB
FASTER_AT_LEAST: Final = 1.02  # a phoneme takes a whole number of frames

# The longest balance below 1,000 is a lead, a number with its unit, and hundredths.
_THIRD_OF_A_BALANCE: Final = re.compile(
    r"your-balance-is.*|(?:ending-)?\d+-(?:pounds|euros|dollars)|and-\d+-(?:pence|cents)|\d+"
)
_LANGUAGE_MARK: Final = re.compile(r"\([a-z-]+\)")


class Speaker(NamedTuple):
    voice: str
    phonemes: str  # what espeak-ng calls the language
    shortest: int = 1  # in phonemes: what is shorter is spoken in the style of so many


# The best graded voice of British English, and the only French one, which speaks two or three words
# less clearly than a sentence.
SPEAKERS: Final = {"en": Speaker("bf_emma", "en-gb"), "fr": Speaker("ff_siwis", "fr-fr", 60)}


class KokoroEngine:
    """One core, one sound at a time: about a second of work for each second of speech."""

    name = "kokoro"
    at_once = 1

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        del language, texts
        _model()  # it speaks anything if it speaks at all
        return ()

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        spellings = spellings_of(self.name, language)
        speaker = SPEAKERS[language]
        made_of = [self.name, speaker.voice, spellings.pace_of(text), spellings.of(text)]
        made_of += [speaker.shortest] if speaker.shortest > 1 else []
        made_of += [f"{given}>{instead}" for given, instead in spellings.phonemes_in(text)]
        longest_s = longest_s_of(clip, spellings)
        return " ".join(map(str, made_of if longest_s is None else [*made_of, longest_s]))

    def render(self, language: str, clip: str, text: str) -> Sound:
        spellings = spellings_of(self.name, language)
        speaker = SPEAKERS[language]
        given = _model().tokenizer.phonemize(spellings.of(text), speaker.phonemes)
        phonemes = spoken(given, spellings.phonemes_in(text))

        def speak(pace: float) -> Sound:
            samples, rate_hz = _model().create(
                phonemes, voice=_style(speaker), speed=pace, is_phonemes=True, trim=False
            )
            return without_breath(Sound(np.asarray(samples, dtype=np.float64), int(rate_hz)))

        longest_s = longest_s_of(clip, spellings)
        pace = first_pace(spellings.pace_of(text), longest_s, phonemes)
        return within(longest_s, text, pace, speak)


def longest_s_of(clip: str, spellings: Spellings) -> float | None:
    """How long a clip may take; None where it is not one of the three of a balance."""
    return spellings.longest_s if _THIRD_OF_A_BALANCE.fullmatch(clip) else None


def without_breath(sound: Sound) -> Sound:
    """Without what is heard before a single word that is spoken in the style of a sentence."""
    frame = sound.rate_hz // 100
    frames = sound.samples[: len(sound.samples) // frame * frame].reshape(-1, frame)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    first = int(np.argmax(levels > np.max(levels) * WORD_BELOW_LOUDEST)) * frame
    return Sound(sound.samples[max(0, first - int(HISS_S * sound.rate_hz)) :], sound.rate_hz)


def first_pace(pace: float, longest_s: float | None, phonemes: str) -> float:
    """About what a clip needs that may not take longer; so that most of them are spoken once."""
    if longest_s is None:
        return pace
    return max(pace, (SHORTEST_S + len(phonemes) * PHONEME_S) / longest_s)


def within(
    longest_s: float | None, text: str, pace: float, speak: Callable[[float], Sound]
) -> Sound:
    """What is spoken at a pace, or as little faster as keeps the finished clip short enough."""
    sound = speak(pace)
    while longest_s is not None and (lasts_s := prompt_of(sound, text).duration_s) > longest_s:
        pace *= max(lasts_s / longest_s, FASTER_AT_LEAST)
        sound = speak(pace)
    return sound


def spoken(phonemes: str, replaced: Iterable[Phonemes]) -> str:
    """The phonemes that the voice is given, of those that espeak-ng gives.

    espeak-ng marks what it takes for English as "(en)pɛni(fr)", and Kokoro would speak the mark.
    """
    phonemes = _LANGUAGE_MARK.sub("", phonemes)
    for given, instead in replaced:
        phonemes = phonemes.replace(given, instead)
    return phonemes


@cache
def _folder() -> Path:
    try:
        return folder_of(VOICE)
    except ModelMissingError as error:
        raise EngineMissing(f"kokoro: {error}") from error


@cache
def _style(speaker: Speaker) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """One row for each length of an utterance."""
    numbers = np.fromfile(_folder() / f"{speaker.voice}.bin", dtype=np.float32)
    rows = numbers.reshape(-1, 1, STYLE_NUMBERS)
    rows[: speaker.shortest] = rows[speaker.shortest - 1]
    return rows


@cache
def _model() -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - `make setup` installs neither
        from kokoro_onnx import Kokoro  # noqa: PLC0415
    except ImportError as error:
        raise EngineMissing("`make prompts VOICE=kokoro` installs kokoro") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = str(_folder() / "model.onnx")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with tempfile.TemporaryDirectory(prefix="tollgate-") as folder:
        voices = Path(folder) / "voices.npz"  # read whole by what follows
        styles: dict[str, Any] = {speaker.voice: _style(speaker) for speaker in SPEAKERS.values()}
        np.savez(voices, **styles)
        return Kokoro.from_session(session, str(voices))
