"""Kokoro-82M: the neural voice that the pack is recorded with."""

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from prompts.audio import LEAD_S, Sound, prompt_of
from prompts.errors import EngineMissing
from prompts.spellings import Phonemes, Spellings, Take, spellings_of
from studio.models import VOICE, ModelMissingError, folder_of

Styles: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"

RATE_HZ: Final = 24_000
STYLE_NUMBERS: Final = 256  # one row of so many for each length of an utterance
FRAME: Final = 600  # samples; a phoneme takes a whole number of frames

# A hiss or a burst is heard a little before its phoneme's first frame.
BEGIN_EARLIER_S: Final = {"sfʃ": 0.06, "zʒ": 0.05, "ptk": 0.03, "bd": 0.02}
ENDS_LATER_S: Final = 0.1

HISS_S: Final = 0.15  # an "s" at the beginning is as quiet as a breath
WORD_BELOW_LOUDEST: Final = 0.03  # -30 dB
FASTER_AT_LEAST: Final = 1.02  # less may leave every phoneme its number of frames

# The longest balance below 1,000 is a lead, a number with its unit, and hundredths.
_LEAD: Final = "your-balance-is"
_THIRD_OF_A_BALANCE: Final = re.compile(
    r"(?:ending-)?\d+-(?:pounds|euros|dollars)|and-\d+-(?:pence|cents)|\d+"
)
_BELOW_ONE_UNIT: Final = re.compile(r"\d+-(?:pence|cents)")  # alone after the lead: it has time
_LANGUAGE_MARK: Final = re.compile(r"\([a-z-]+\)")


class Speaker(NamedTuple):
    voice: str
    phonemes: str  # what espeak-ng calls the language
    shortest: int = 1  # in phonemes: what is shorter is spoken in the style of so many
    unrounded: bool = False  # `studio/unrounded.py`; an amount begins with its first phoneme


# The best graded voice of British English, and the only French one, which speaks two or three words
# less clearly than a sentence.
SPEAKERS: Final = {
    "en": Speaker("bf_emma", "en-gb"),
    "fr": Speaker("ff_siwis", "fr-fr", 60, unrounded=True),
}


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
        made_of += ["unrounded"] if speaker.unrounded else []
        made_of += [f"{given}>{instead}" for given, instead in spellings.phonemes_in(text)]
        made_of += [f"style {spellings.takes[text].style}"] if text in spellings.takes else []
        longest_s = longest_s_of(clip, spellings)
        return " ".join(map(str, made_of if longest_s is None else [*made_of, longest_s]))

    def render(self, language: str, clip: str, text: str) -> Sound:
        spellings = spellings_of(self.name, language)
        speaker = SPEAKERS[language]
        given = _model().tokenizer.phonemize(spellings.of(text), speaker.phonemes)
        phonemes = spoken(given, spellings.phonemes_in(text))
        longest_s = longest_s_of(clip, spellings)
        pace = spellings.pace_of(text)
        styles = styles_of(speaker, spellings.takes.get(text))
        if not speaker.unrounded:
            samples, rate_hz = _model().create(
                phonemes, voice=styles, speed=pace, is_phonemes=True, trim=False
            )
            return without_breath(Sound(np.asarray(samples, dtype=np.float64), int(rate_hz)))
        unrounded = Unrounded(phonemes, styles)
        if _is_of_a_balance(clip):
            return unrounded.within(longest_s, text, pace)
        return without_breath(unrounded.speak(pace))


class Unrounded:
    """One text, spoken without rounding; how long each phoneme takes is known before it speaks."""

    def __init__(self, phonemes: str, styles: Styles) -> None:
        self._phonemes = phonemes
        tokens = _model().tokenizer.tokenize(phonemes)
        self._given = {
            "tokens": np.array([[0, *tokens, 0]]),
            "style": styles[min(len(tokens), len(styles)) - 1],
        }

    def within(self, longest_s: float | None, text: str, pace: float) -> Sound:
        """At a pace, or as little faster as keeps the finished clip short enough."""

        def speak(pace: float, frames: Sequence[float]) -> Sound:
            return from_first_phoneme(self.speak(pace), self._phonemes, frames)

        return with_known_frames(longest_s, text, pace, self._frames, speak)

    def speak(self, pace: float) -> Sound:
        """With what is heard before the first phoneme."""
        return Sound(self._run(frames_alone=False, pace=pace).astype(np.float64), RATE_HZ)

    def _frames(self, pace: float) -> list[float]:
        return [float(each) for each in self._run(frames_alone=True, pace=pace)]

    def _run(self, *, frames_alone: bool, pace: float) -> "np.ndarray[Any, np.dtype[Any]]":
        session = _unrounded(frames_alone=frames_alone)
        given = {**self._given, "speed": np.array([pace], dtype=np.float32)}
        return np.asarray(session.run(None, given)[0]).ravel()


def longest_s_of(clip: str, spellings: Spellings) -> float | None:
    """How long a clip may take; None where it is not one of the three of a balance."""
    if clip.startswith(_LEAD):
        return spellings.longest_lead_s
    return spellings.longest_s if _THIRD_OF_A_BALANCE.fullmatch(clip) else None


def from_first_phoneme(sound: Sound, phonemes: str, frames: Sequence[float]) -> Sound:
    """Without what is heard before the first phoneme, and without the silence after the last.

    Args:
        sound: as the model gives it.
        phonemes: as they were given to it.
        frames: how long each token takes; the first stands for the beginning, the last for the end.
    """
    first = phonemes.lstrip("ˈˌ ")[:1]
    before_s = next((each_s for those, each_s in BEGIN_EARLIER_S.items() if first in those), 0.0)
    start = int(frames[0]) * FRAME - int(before_s * sound.rate_hz)
    end = int(sum(frames[:-1])) * FRAME + int(ENDS_LATER_S * sound.rate_hz)
    return Sound(sound.samples[max(0, start) : end], sound.rate_hz)


def _seconds(frames: Sequence[float]) -> float:
    """Of the phonemes, without the beginning and the end."""
    return sum(frames[1:-1]) * FRAME / RATE_HZ


def _is_of_a_balance(clip: str) -> bool:
    parts = (_THIRD_OF_A_BALANCE, _BELOW_ONE_UNIT)
    return clip.startswith(_LEAD) or any(part.fullmatch(clip) for part in parts)


def without_breath(sound: Sound) -> Sound:
    """Without what is heard before a single word that is spoken in the style of a sentence."""
    frame = sound.rate_hz // 100
    frames = sound.samples[: len(sound.samples) // frame * frame].reshape(-1, frame)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    first = int(np.argmax(levels > np.max(levels) * WORD_BELOW_LOUDEST)) * frame
    return Sound(sound.samples[max(0, first - int(HISS_S * sound.rate_hz)) :], sound.rate_hz)


def with_known_frames(
    longest_s: float | None,
    text: str,
    pace: float,
    frames_at: Callable[[float], Sequence[float]],
    speak: Callable[[float, Sequence[float]], Sound],
) -> Sound:
    """At a pace, or as little faster as keeps the finished clip short enough.

    A pace is tried without speaking, so most clips are spoken once.

    Args:
        longest_s: how long the finished clip may take; None: as long as it does.
        text: what the clip is of.
        pace: to begin with.
        frames_at: how long each token takes at a pace, the beginning and the end among them.
        speak: the clip at a pace, whose frames these are.
    """
    beside_s = LEAD_S  # what the clip has beside its phonemes; known when it was spoken once
    while True:
        frames = frames_at(pace)
        while longest_s is not None and ((faster := _seconds(frames) / (longest_s - beside_s)) > 1):
            pace *= max(faster, FASTER_AT_LEAST)
            frames = frames_at(pace)
        sound = speak(pace, frames)
        lasts_s = prompt_of(sound, text).duration_s
        if longest_s is None or lasts_s <= longest_s:
            return sound
        beside_s = lasts_s - _seconds(frames)
        pace *= FASTER_AT_LEAST


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
def _style(speaker: Speaker) -> Styles:
    """One row for each length of an utterance."""
    numbers = np.fromfile(_folder() / f"{speaker.voice}.bin", dtype=np.float32)
    rows = numbers.reshape(-1, 1, STYLE_NUMBERS)
    rows[: speaker.shortest] = rows[speaker.shortest - 1]
    return rows


def styles_of(speaker: Speaker, take: Take | None) -> Styles:
    """One row for each length of an utterance, or the take's one for all of them."""
    if take is None:
        return _style(speaker)
    rows = _style(speaker._replace(shortest=1))
    return np.repeat(rows[take.style - 1 : take.style], len(rows), axis=0)


@cache
def _model() -> Any:
    try:
        from kokoro_onnx import Kokoro  # noqa: PLC0415 - `make setup` does not install it
    except ImportError as error:
        raise EngineMissing("`make prompts VOICE=kokoro` installs kokoro") from error
    session = _session(_folder() / "model.onnx")
    with tempfile.TemporaryDirectory(prefix="tollgate-") as folder:
        voices = Path(folder) / "voices.npz"  # read whole by what follows
        styles: dict[str, Any] = {speaker.voice: _style(speaker) for speaker in SPEAKERS.values()}
        np.savez(voices, **styles)
        return Kokoro.from_session(session, str(voices))


@cache
def _unrounded(*, frames_alone: bool) -> Any:
    from studio.unrounded import write_unrounded  # noqa: PLC0415 - wants the studio's packages

    with tempfile.TemporaryDirectory(prefix="tollgate-") as folder:
        model = Path(folder) / "model.onnx"  # read whole by what follows
        write_unrounded(_folder() / "model.onnx", model, frames_alone=frames_alone)
        return _session(model)


def _session(model: Path) -> Any:
    import onnxruntime  # noqa: PLC0415 - `make setup` does not install it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
