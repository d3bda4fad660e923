"""Real desk phones are told phrases by a real Asterisk, and keep what they hear."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import numpy as np
from pydantic import SecretStr

from ari_app.ari import Ari
from dialplan.phones import Phone as PhoneEntry
from lab.instance import Instance
from lab.office import Office
from lab.phone import Phone
from prompts.audio import WIDEBAND_HZ, Sound, joined, narrowband
from prompts.files import read_sound, write_wav
from prompts.library import NARROWBAND, WIDEBAND, Library
from prompts.phrases import Phrase
from prompts.playing import media
from settings import AriSettings
from studio.told import Told
from telephony.tools import Telephony

ANY_NUMBER: Final = "0033142685300"
FIRST_EXTENSION: Final = 2001
BEEP: Final = "beep"  # between two phrases, so that a recording can be cut; no sound of Tollgate's
BEEP_HZ: Final = 1000
BEEP_S: Final = 0.5
FRAME_S: Final = 0.05
LOUD: Final = 0.02  # of full scale
LOUD_SAMPLES: Final = 500  # fewer are no word
DIALS_MAX: Final = 4
LOST_MAX_S: Final = 0.2  # of one phrase, with the edges of two beeps
CLOSED_TIMEOUT_S: Final = 10 * 60


class SoundLostError(Exception):
    """The machine had too much else to do: a phone did not hear all that it was told."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One phone: the codec that it offers, and what it is told, one after another."""

    codec: str  # as baresip writes it: "G722/16000"
    told: Sequence[Told]

    @property
    def language(self) -> str:
        return self.told[0].language


async def heard_at(
    desks: Sequence[Desk], library: Library, telephony: Telephony, folder: Path
) -> list[list[Sound]]:
    """What each phone heard, cut into its phrases.

    The library is one that nothing else uses: a beep is put into it.

    Raises:
        SoundLostError: sound was lost, and again when the phone dialled once more.
    """
    _add_beep(library, {desk.language for desk in desks})
    at = {str(FIRST_EXTENSION + number): desk for number, desk in enumerate(desks)}
    entries = [
        PhoneEntry(
            endpoint=extension, number=extension, name=f"Phone {extension}", language=desk.language
        )
        for extension, desk in at.items()
    ]
    office = Office(telephony, folder, sounds=library.sounds, phones=entries)
    async with office, AsyncExitStack() as phones, _speaking(office.asterisk, at):
        listening = [
            await phones.enter_async_context(office.phone(extension, codecs=(desk.codec,)))
            for extension, desk in at.items()
        ]
        return await asyncio.gather(
            *(
                _listen(phone, [_length_s(library, told) for told in desk.told])
                for phone, desk in zip(listening, desks, strict=True)
            )
        )


def parts(recording: Sound) -> list[Sound]:
    """The recording cut at its beeps."""
    frame = int(recording.rate_hz * FRAME_S)
    frames = recording.samples[: len(recording.samples) // frame * frame].reshape(-1, frame)
    spectra = np.abs(np.fft.rfft(frames * np.hanning(frame)))
    at = BEEP_HZ * frame // recording.rate_hz
    energy = np.sum(spectra**2, axis=1)
    beeps = np.sum(spectra[:, at - 1 : at + 2] ** 2, axis=1) > 0.95 * energy
    runs = np.split(frames, np.flatnonzero(np.diff(beeps)) + 1)
    kinds = np.split(beeps, np.flatnonzero(np.diff(beeps)) + 1)
    between = [run.ravel() for run, kind in zip(runs, kinds, strict=True) if not kind[0]]
    spoken = [samples for samples in between if np.sum(np.abs(samples) > LOUD) > LOUD_SAMPLES]
    return [Sound(samples, recording.rate_hz) for samples in spoken]


async def _listen(phone: Phone, expected_s: Sequence[float]) -> list[Sound]:
    """Dial, and keep what is said. A starved machine loses sound: then the phone dials again."""
    heard_s: list[float] = []
    for _ in range(DIALS_MAX):
        events, before = len(phone.events), phone.kept()
        await phone.dial(ANY_NUMBER)
        await phone.wait_for("CALL_CLOSED", after=events, timeout_s=CLOSED_TIMEOUT_S)
        await phone.heard_since(before)
        recordings = parts(joined([read_sound(file) for file in phone.recordings(before)]))
        heard_s = [recording.duration_s for recording in recordings]
        if len(heard_s) == len(expected_s) and np.allclose(heard_s, expected_s, atol=LOST_MAX_S):
            return recordings
    raise SoundLostError(f"{phone.extension} heard parts of {heard_s} s and not {expected_s}")


def _length_s(library: Library, told: Told) -> float:
    return library.sound_of(told.phrase, told.language).duration_s


def _add_beep(library: Library, languages: Iterable[str]) -> None:
    times = np.arange(int(BEEP_S * WIDEBAND_HZ)) / WIDEBAND_HZ
    beep = Sound(0.5 * np.sin(2 * np.pi * BEEP_HZ * times), WIDEBAND_HZ)
    for language in languages:
        write_wav(library.folder(language) / f"{BEEP}{WIDEBAND}", beep)
        write_wav(library.folder(language) / f"{BEEP}{NARROWBAND}", narrowband(beep))


@asynccontextmanager
async def _speaking(asterisk: Instance, desks: Mapping[str, Desk]) -> AsyncIterator[None]:
    """A stand-in application: every phone that dials is told its phrases, and then hung up."""
    settings = AriSettings(
        base_url=asterisk.ari_url,
        username=asterisk.config.secrets.ari_username,
        password=SecretStr(asterisk.config.secrets.ari_password),
    )
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as requests:
        ari = Ari(session, settings)
        await ari.connect()

        async def serve() -> None:
            async for event in ari.events():
                if event["type"] == "StasisStart":
                    channel, extension = event["channel"]["id"], event["args"][1]
                    requests.create_task(_speak(ari, channel, desks[extension]))
                elif event["type"] == "PlaybackFinished":
                    channel = event["playback"]["target_uri"].removeprefix("channel:")
                    requests.create_task(ari.hang_up(channel))

        serving = requests.create_task(serve())
        yield
        serving.cancel()


async def _speak(ari: Ari, channel: str, desk: Desk) -> None:
    clips = [clip for told in desk.told for clip in (*told.phrase.clips, BEEP)]
    await ari.keep_waiting(channel, 0)  # a call that is told so much has no limit
    await ari.progress(channel)
    await ari.play(
        channel,
        media=media(Phrase(tuple(clips))),
        language=desk.language,
        playback=f"playback-{channel}",
    )
