"""What desk phones hear: Asterisk plays the voice, G.722 phones keep it, and a stranger listens."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from pydantic import SecretStr

from ari_app.ari import Ari
from charging.language import LANGUAGES
from charging.money import Money
from dialplan.phones import Phone as PhoneEntry
from lab.instance import Instance
from lab.office import Office
from lab.paid_office import PaidOffice
from lab.phone import Phone
from lab.telephony import find_telephony
from prompts.audio import WIDEBAND_HZ, Sound, joined
from prompts.files import read_sound, write_wav
from prompts.library import WIDEBAND, Library, media
from prompts.phrases import (
    UNITS,
    Phrase,
    balance_phrase,
    price_phrase,
    refusal_phrase,
)
from prompts.texts import words_of
from settings import AriSettings
from telephony.tools import Telephony
from tests.prompts.listener import AMOUNTS, Listener, grammar_of, heard

pytestmark = [pytest.mark.live, pytest.mark.hearing]

FRANCE = "0033142685300"
BEEP = "beep"  # between two phrases, so that a recording can be cut; no sound of Tollgate's
BEEP_HZ = 1000
BEEP_S = 0.5
LOUD = 0.02  # of full scale
MANY = 500  # samples
FRAME_S = 0.05
DIALS_MAX = 4

DECK = "prefix,destination,per_minute,connection,initial_s,increment_s\n33,France,0.60,0,60,60\n"

ENGLISH = tuple(str(extension) for extension in range(2001, 2016))
FRENCH = "2016"
REFUSED = ("barred", "no_rate", "invalid_number", "extension_not_allowed", "unavailable")

Script = Mapping[str, Sequence[Phrase]]  # by extension: what its phone is told, one after another


@pytest.fixture(scope="module")
def library_with_beep(library: Library) -> Library:
    times = np.arange(int(BEEP_S * WIDEBAND_HZ)) / WIDEBAND_HZ
    beep = Sound(0.5 * np.sin(2 * np.pi * BEEP_HZ * times), WIDEBAND_HZ)
    for language in LANGUAGES:
        write_wav(library.folder(language) / f"{BEEP}{WIDEBAND}", beep)
    return library


@pytest.fixture(scope="module")
def telephony() -> Telephony:
    return find_telephony()


def amounts(count: int, *, seed: int) -> list[Money]:
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    return [
        Money(chance.randrange(10 ** chance.randint(2, 6)) * 10_000, chance.choice([*UNITS]))
        for _ in range(count)
    ]


def script() -> Script:
    """52 English balances, 3 prices and 5 refusals, dealt out; the last phone hears French."""
    phrases = [
        *(balance_phrase(amount, "en") for amount in amounts(52, seed=1)),
        *(price_phrase(Money(tenths * 1000, "GBP"), "en") for tenths in (12, 155, 1340)),
        *(refusal_phrase(code, "en") for code in REFUSED),
    ]
    english = {extension: phrases[at :: len(ENGLISH)] for at, extension in enumerate(ENGLISH)}
    french = [balance_phrase(amount, "fr") for amount in amounts(3, seed=2)]
    return {**english, FRENCH: [*french, refusal_phrase("barred", "fr")]}


@pytest.mark.timeout(300)
async def test_phones_hear_what_was_said(
    telephony: Telephony, library_with_beep: Library, tmp_path: Path
) -> None:
    library = library_with_beep
    told = script()
    expected_s = {
        extension: [
            library.sound_of(phrase, language_of(extension)).duration_s for phrase in phrases
        ]
        for extension, phrases in told.items()
    }
    entries = [
        PhoneEntry(endpoint=extension, number=extension, name=f"Phone {extension}", language="en")
        for extension in told
    ]
    office = Office(telephony, tmp_path, sounds=library.sounds, phones=entries)
    async with office, AsyncExitStack() as phones, speaking(office.asterisk, told):
        listening = [
            await phones.enter_async_context(office.phone(extension)) for extension in told
        ]
        every = await asyncio.gather(
            *(listen(phone, expected_s[phone.extension]) for phone in listening)
        )
        recordings = dict(zip(told, every, strict=True))

    assert_understood(told, recordings)
    assert_undisturbed(told[FRENCH], recordings[FRENCH], "fr", library)
    assert_undisturbed(told[ENGLISH[0]], recordings[ENGLISH[0]], "en", library)


async def listen(phone: Phone, expected_s: Sequence[float]) -> list[Sound]:
    """Dial, and keep what is said. A starved machine loses sound: then the phone dials again."""
    heard_s: list[float] = []
    for _ in range(DIALS_MAX):
        events, files = len(phone.events), phone.recordings()
        await phone.dial(FRANCE)
        await phone.wait_for("CALL_CLOSED", after=events, timeout_s=60)
        recordings = parts(heard_by(phone, after=files))
        heard_s = [recording.duration_s for recording in recordings]
        if heard_s == pytest.approx(expected_s, abs=2 * FRAME_S):
            return recordings
    pytest.fail(f"{phone.extension} heard parts of {heard_s} s and not {expected_s}")


def assert_undisturbed(
    phrases: Sequence[Phrase], recordings: Sequence[Sound], language: str, library: Library
) -> None:
    """The phone heard the clips as they are in the files, but for what a busy machine loses."""
    likeness = [
        likeness_of(library.sound_of(Phrase((clip,)), language), recording)
        for phrase, recording in zip(phrases, recordings, strict=True)
        for clip in phrase.clips
    ]
    assert np.mean(np.array(likeness) > 0.9) > 0.8, likeness
    absent = library.sound_of(Phrase(("73-dollars",)), language)
    assert likeness_of(absent, recordings[0]) < 0.85  # the measure can tell


def assert_understood(told: Script, recordings: Mapping[str, Sequence[Sound]]) -> None:
    spoken = [
        (words_of(phrase, "en"), part)
        for extension in ENGLISH
        for phrase, part in zip(told[extension], recordings[extension], strict=True)
    ]
    sentences = [words_of(refusal_phrase(code, "en"), "en") for code in REFUSED]
    to_amounts, to_sentences = Listener(AMOUNTS), Listener(grammar_of(sentences))
    misheard = []
    for words, part in spoken:
        understood = (to_sentences if words in sentences else to_amounts).words(part)
        if understood != heard(words):
            misheard.append((words, understood))
    assert len(misheard) <= 0.05 * len(spoken), misheard


async def test_the_first_word_is_heard_soon_after_the_dial(
    telephony: Telephony, library: Library, tmp_path: Path
) -> None:
    office = Office(telephony, tmp_path, sounds=library.sounds)
    opening = Money(12_400_000, "GBP")
    async with (
        PaidOffice(office, deck=DECK, opening=opening) as paid,
        office.phone("1001") as phone,
    ):
        dialled_s = time.monotonic()
        await phone.dial(FRANCE)
        await phone.hear(1.0)
        sound_begins_s = time.monotonic() - dialled_s - 1.0
        await paid.application.wait_for("state", state="dialling", timeout_s=20)
        await phone.hang_up()
        recording = heard_by(phone)
    first_word_s = int(np.argmax(np.abs(recording.samples) > LOUD)) / recording.rate_hz
    assert sound_begins_s + first_word_s < 0.3
    understood = Listener(AMOUNTS).words(parts(recording)[0])
    assert understood == "your balance is twelve pounds and forty pence"


@asynccontextmanager
async def speaking(asterisk: Instance, told: Script) -> AsyncIterator[None]:
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
                    requests.create_task(_speak(ari, channel, extension, told[extension]))
                elif event["type"] == "PlaybackFinished":
                    channel = event["playback"]["target_uri"].removeprefix("channel:")
                    requests.create_task(ari.hang_up(channel))

        serving = requests.create_task(serve())
        yield
        serving.cancel()


async def _speak(ari: Ari, channel: str, extension: str, phrases: Sequence[Phrase]) -> None:
    clips = [clip for phrase in phrases for clip in (*phrase.clips, BEEP)]
    await ari.progress(channel)
    await ari.play(
        channel,
        media=media(Phrase(tuple(clips))),
        language=language_of(extension),
        playback=f"playback-{channel}",
    )


def language_of(extension: str) -> str:
    return "fr" if extension == FRENCH else "en"


def heard_by(phone: Phone, after: Sequence[Path] = ()) -> Sound:
    """Everything: a phone may begin another file when early media has been agreed upon."""
    return joined([read_sound(file) for file in phone.recordings() if file not in after])


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
    spoken = [samples for samples in between if np.sum(np.abs(samples) > LOUD) > MANY]
    return [Sound(samples, recording.rate_hz) for samples in spoken]


def likeness_of(wanted: Sound, recording: Sound) -> float:
    """How much of `wanted` is where it fits best in the recording: 1 for all of it."""
    samples = np.pad(recording.samples, recording.rate_hz // 5)
    length = len(samples) + len(wanted.samples)
    whole = np.fft.rfft(samples, length) * np.conj(np.fft.rfft(wanted.samples, length))
    correlation = np.fft.irfft(whole, length)[: len(samples)]
    at = int(np.argmax(correlation))
    there = samples[at : at + len(wanted.samples)]
    return float(correlation[at] / (np.linalg.norm(there) * np.linalg.norm(wanted.samples)))
