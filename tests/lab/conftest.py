"""What the live tests share: the tools, clips one can tell apart, and a stand-in application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import soundfile

from lab.instance import Instance
from lab.office import Office
from lab.telephony import find_telephony
from prompts.library import NO_SOUND_FILE, NO_SOUND_SAMPLES
from telephony.tools import Telephony

RATE_HZ = 16000
RINGING_HZ = 400  # what is loudest of it in a twentieth of a second
# Every clip that the dialplan plays is a tone here, so that a recording says which it was.
CLIP_TONES_HZ = {"service-unavailable": 600, "number-not-valid": 700, "funds-exhausted": 1000}

MakeOffice = Callable[..., Office]
Answer = Callable[[str], tuple[str, str] | None]  # context and extension; None: it hangs
RunApplication = Callable[[Instance, Answer], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="session")
def telephony() -> Telephony:
    return find_telephony()


TONE_S = 1.5  # as long as the shortest sentence: a phone on a busy machine misses the beginning


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    clips = folder / "en/tollgate"
    clips.mkdir(parents=True)
    times_s = np.arange(round(TONE_S * RATE_HZ)) / RATE_HZ
    for clip, tone_hz in CLIP_TONES_HZ.items():
        wave = 0.5 * np.sin(2 * np.pi * tone_hz * times_s)
        soundfile.write(clips / f"{clip}.wav16", wave, RATE_HZ, format="WAV", subtype="PCM_16")
    (clips / NO_SOUND_FILE).write_bytes(NO_SOUND_SAMPLES)
    return folder


@pytest.fixture
def make_office(telephony: Telephony, sounds: Path, tmp_path: Path) -> MakeOffice:
    """An office in this test's own folder; the arguments are `Office`'s."""

    def make(**settings: object) -> Office:
        return Office(telephony, tmp_path / "office", sounds=sounds, **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture
def heard() -> Callable[[Path], set[int]]:
    """The tones, in hertz, of which a recording holds a quarter of a second; without ringing."""

    def tones(recording: Path) -> set[int]:
        samples, rate_hz = soundfile.read(recording)
        step = rate_hz // 20
        loudest = []
        for start in range(0, len(samples) - step, step):
            spectrum = np.abs(np.fft.rfft(samples[start : start + step]))
            if spectrum.max() > 0.05 * step:
                loudest.append(int(spectrum.argmax()) * 20)
        return {tone for tone in set(loudest) - {RINGING_HZ} if loudest.count(tone) >= 5}

    return tones


@pytest.fixture
def application() -> RunApplication:
    """Stand in for the Stasis application: send every caller on to where `answer` says."""

    @asynccontextmanager
    async def run(asterisk: Instance, answer: Answer) -> AsyncIterator[None]:
        secrets = asterisk.config.secrets
        login = aiohttp.encode_basic_auth(secrets.ari_username, secrets.ari_password)
        async with (
            aiohttp.ClientSession(headers={"Authorization": login}) as session,
            session.ws_connect(f"{asterisk.ari_url}/ari/events?app=tollgate") as events,
        ):
            serving = asyncio.create_task(_serve(session, events, asterisk.ari_url, answer))
            try:
                yield
            finally:
                serving.cancel()
                await asyncio.wait([serving])

    return run


async def _serve(
    session: aiohttp.ClientSession,
    events: aiohttp.ClientWebSocketResponse,
    url: str,
    answer: Answer,
) -> None:
    async for message in events:
        event = message.json()
        if event["type"] != "StasisStart":
            continue
        channel = f"{url}/ari/channels/{event['channel']['id']}"
        place = answer(event["args"][2])
        if place is not None:
            context, extension = place
            await session.post(
                f"{channel}/continue", params={"context": context, "extension": extension}
            )
