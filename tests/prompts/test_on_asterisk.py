"""What desk phones hear: Asterisk plays the voice, and phones of both codecs keep it."""

import time
from pathlib import Path

import numpy as np
import pytest

from charging.money import Money
from lab.likeness import found_in, likeness_of, spoken_in
from lab.office import Office
from lab.paid_office import PaidOffice
from lab.telephony import find_telephony
from prompts.audio import Sound
from prompts.library import Library
from prompts.phrases import Phrase, balance_phrase
from studio.line import CODECS
from studio.phones import Desk, heard_at
from studio.told import Told, balances, sentences
from telephony.tools import Telephony
from tests.live.hearing import heard_by
from tests.prompts.voices import unpacked

pytestmark = [pytest.mark.live, pytest.mark.hearing]

FRANCE = "0033142685300"
DECK = "prefix,destination,per_minute,connection,initial_s,increment_s\n33,France,0.60,0,60,60\n"
LOUD = 0.02  # of full scale


@pytest.fixture(scope="module")
def telephony() -> Telephony:
    return find_telephony()


@pytest.mark.timeout(300)
async def test_phones_hear_the_sounds_that_were_played_in_their_order(
    telephony: Telephony, tmp_path: Path
) -> None:
    library = unpacked(tmp_path / "sounds")
    desks = [
        Desk(codec.offered, [*balances(language, 3, seed=1), sentences(language)[0]])
        for codec in CODECS.values()
        for language in ("en", "fr")
    ]
    recordings = await heard_at(desks, library, telephony, tmp_path / "office")
    for desk, heard in zip(desks, recordings, strict=True):
        for told, recording in zip(desk.told, heard, strict=True):
            known = sounds_of(told, library)
            found = [found.name for found in found_in(recording, known)]
            assert found == [clip for clip in told.phrase.clips if clip in known], desk.codec
        absent = library.sound_of(Phrase(("73-dollars",)), desk.language)
        assert likeness_of(absent, heard[0]) < 0.8  # the measure can tell


def sounds_of(told: Told, library: Library) -> dict[str, Sound]:
    clips = {clip: library.sound_of(Phrase((clip,)), told.language) for clip in told.phrase.clips}
    return spoken_in(clips, clips)


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
    told = Told("en", balance_phrase(opening, "en"))
    found = [found.name for found in found_in(recording, sounds_of(told, library))]
    assert tuple(found) == told.phrase.clips
