"""What can speak a text: recorded files, pico, espeak-ng, gTTS. At build time, never in a call.

Every engine speaks every clip of a language or none of them: two voices in one sentence sound
like a fault.
"""

import binascii
import hashlib
import io
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import gtts

from prompts.audio import Sound
from prompts.errors import EngineFailed, EngineMissing
from prompts.files import NotASoundError, read_sound
from prompts.spellings import spellings_of

TOOL_TIMEOUT_S: Final = 30
SHORTEST_SOUND_S_PER_CHARACTER: Final = 0.02  # faster than anyone speaks: the reply was cut off


LOCAL_ENGINES_AT_ONCE: Final = os.cpu_count() or 1


class GttsVoice(NamedTuple):
    language: str
    tld: str  # which of Google's hosts, and so which accent


GTTS_VOICES: Final = {"en": GttsVoice("en", "co.uk"), "fr": GttsVoice("fr", "fr")}
GTTS_TIMEOUT_S: Final = 10
GTTS_PROBE_TIMEOUT_S: Final = 3  # nobody waits longer to learn that there is no Internet
GTTS_DELAYS_S: Final = (1.0, 3.0, 10.0, 30.0)  # before the second try and those that follow
RECORDED_SUFFIXES: Final = (".wav", ".flac", ".mp3", ".ogg", ".opus")


class Engine(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def at_once(self) -> int:
        """How many clips may be rendered at the same time."""
        ...

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        """The clips it cannot speak.

        Raises:
            EngineMissing: it cannot run here at all.
        """
        ...

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        """Equal for equal renderings, now and in later builds."""
        ...

    def render(self, language: str, clip: str, text: str) -> Sound:
        """Speak one clip, as the engine gives it: any rate, with silence around it.

        Raises:
            EngineFailed: there is no usable sound.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """A command, and the folder that it sees as "/" where it runs in a root of its own."""

    argv: tuple[str, ...]
    root: Path = Path("/")
    env: Mapping[str, str] = field(default_factory=dict)  # in addition to ours

    def run(self, *arguments: str) -> str:
        """Its standard output.

        Raises:
            EngineMissing: it is not there or may not run.
            EngineFailed: it failed, or took longer than TOOL_TIMEOUT_S.
        """
        try:
            done = subprocess.run(  # noqa: S603 - a list, no shell; texts are ours
                [*self.argv, *arguments],
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TOOL_TIMEOUT_S,
                check=True,
            )
        except OSError as error:
            raise EngineMissing(f"{self.argv[0]} cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise EngineFailed(f"{self.argv[-1]} gave nothing in {TOOL_TIMEOUT_S} s") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip() or f"status {error.returncode}"
            raise EngineFailed(f"{self.argv[-1]} failed: {said}") from error
        return done.stdout.decode(errors="replace")

    def speak_to_file(self, arguments: Callable[[str], tuple[str, ...]]) -> Sound:
        """Run it with the arguments for the file it is to write, and read that file."""
        with tempfile.TemporaryDirectory(prefix="tollgate-", dir=self.root / "tmp") as folder:
            Path(folder).chmod(0o755)
            file = Path(folder) / "clip.wav"
            self.run(*arguments("/" + str(file.relative_to(self.root))))
            try:
                return read_sound(file)
            except NotASoundError as error:
                raise EngineFailed(f"{self.argv[-1]} wrote no sound: {error}") from error


PICO: Final = Tool(("pico2wave",))
ESPEAK: Final = Tool(("espeak-ng",))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEngine:
    """A program that is given a language, a text and the file to write."""

    name: str
    tool: Tool
    voices: Mapping[str, str]
    language_option: str
    file_option: str
    paced: Callable[[str, float], str] = lambda text, _pace: text
    at_once: int = LOCAL_ENGINES_AT_ONCE

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        clip, text = next(iter(texts.items()))
        self.render(language, clip, text)  # it speaks anything if it speaks at all
        return ()

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        del clip
        return " ".join((self.name, *self._arguments(language, text)))

    def render(self, language: str, clip: str, text: str) -> Sound:
        del clip
        arguments = self._arguments(language, text)
        return self.tool.speak_to_file(lambda file: (self.file_option, file, *arguments))

    def _arguments(self, language: str, text: str) -> tuple[str, ...]:
        spellings = spellings_of(self.name, language)
        paced = self.paced(spellings.of(text), spellings.pace_of(text))
        return (self.language_option, self.voices[language], paced)


def pico_engine(tool: Tool = PICO) -> CommandEngine:
    """SVOX Pico: small, offline, and understood by callers and by a recogniser."""
    return CommandEngine(
        name="pico",
        tool=tool,
        voices={"en": "en-GB", "fr": "fr-FR"},
        language_option="--lang",
        file_option="--wave",
        paced=_paced_for_pico,
    )


def espeak_engine(tool: Tool = ESPEAK) -> CommandEngine:
    """The last resort: to be had everywhere, and robotic."""
    return CommandEngine(
        name="espeak-ng",
        tool=tool,
        voices={"en": "en-gb", "fr": "fr-fr"},
        language_option="-v",
        file_option="-w",
    )


@dataclass(frozen=True, slots=True)
class GttsEngine:
    """Google's voices, through an endpoint that is nobody's promise: slow, and refused at times.

    A build that is refused keeps what it has and goes on from there the next time.
    """

    pause: Callable[[float], None] = time.sleep
    name: str = "gtts"
    at_once: int = 1

    def require_reachable(self, language: str) -> None:
        """Ask once for one word, with little patience.

        Raises:
            EngineMissing: there was no answer, or no sound in it.
        """
        try:
            self._ask(language, "a first word", "1", timeout_s=GTTS_PROBE_TIMEOUT_S)
        except EngineFailed as error:
            raise EngineMissing(f"it cannot be reached ({error})") from error

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        del language, texts  # asking would be one more request to be refused
        return ()

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        del clip
        voice = GTTS_VOICES[language]
        return f"gtts {voice.language}@{voice.tld} {text}"

    def render(self, language: str, clip: str, text: str) -> Sound:
        for delay_s in GTTS_DELAYS_S:
            try:
                return self._ask(language, clip, text)
            except _WorthAnotherTryError:
                self.pause(delay_s)
        return self._ask(language, clip, text)

    def _ask(
        self, language: str, clip: str, text: str, *, timeout_s: float = GTTS_TIMEOUT_S
    ) -> Sound:
        reply = io.BytesIO()
        voice = GTTS_VOICES[language]
        spoken = gtts.gTTS(
            text, lang=voice.language, tld=voice.tld, lang_check=False, timeout=timeout_s
        )
        try:
            spoken.write_to_fp(reply)
        except gtts.gTTSError as error:
            kind = _WorthAnotherTryError if _may_pass(error) else EngineFailed
            raise kind(f"gTTS did not speak {clip}: {error}") from error
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _WorthAnotherTryError(f"gTTS's reply for {clip} is damaged: {error}") from error
        return _whole(reply.getvalue(), clip, text)


@dataclass(frozen=True, slots=True)
class RecordedEngine:
    """A person's recordings: `<folder>/<language>/<clip>.wav`, or .flac, .mp3, .ogg."""

    folder: Path
    name: str = "recorded"
    at_once: int = LOCAL_ENGINES_AT_ONCE

    def has_any(self, language: str) -> bool:
        """One file is enough to mean it: then all of the language must be there."""
        return any((self.folder / language).glob("*"))

    def lacks(self, language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
        if not self.has_any(language):
            raise EngineMissing(f"there are no recordings in {self.folder / language}")
        return tuple(clip for clip in texts if self._file(language, clip) is None)

    def fingerprint(self, language: str, clip: str, text: str) -> str:
        del text
        return f"recorded {hashlib.sha256(self._existing(language, clip).read_bytes()).hexdigest()}"

    def render(self, language: str, clip: str, text: str) -> Sound:
        del text
        file = self._existing(language, clip)
        try:
            return read_sound(file)
        except NotASoundError as error:
            raise EngineFailed(f"{file} is not a sound: {error}") from error

    def _existing(self, language: str, clip: str) -> Path:
        file = self._file(language, clip)
        if file is None:
            raise EngineFailed(f"there is no recording of {clip} in {self.folder / language}")
        return file

    def _file(self, language: str, clip: str) -> Path | None:
        named = (self.folder / language / f"{clip}{suffix}" for suffix in RECORDED_SUFFIXES)
        return next((file for file in named if file.is_file()), None)


class _WorthAnotherTryError(EngineFailed):
    """What went wrong may be gone in a moment."""


def _may_pass(error: gtts.gTTSError) -> bool:
    """No connection, a reply cut off, too many requests, trouble on their side: not our request."""
    status: int | None = getattr(error.rsp, "status_code", None)
    if status in {None, HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS}:
        return True
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _whole(mp3: bytes, clip: str, text: str) -> Sound:
    try:
        sound = read_sound(mp3)
    except NotASoundError as error:
        raise _WorthAnotherTryError(f"gTTS's reply for {clip} is no sound: {error}") from error
    if sound.duration_s < SHORTEST_SOUND_S_PER_CHARACTER * len(text):
        raise _WorthAnotherTryError(f"gTTS's reply for {clip} ends after {sound.duration_s:.2f} s")
    return sound


def _paced_for_pico(text: str, pace: float) -> str:
    return text if pace == 1 else f'<speed level="{round(pace * 100)}">{text}</speed>'
