"""Warnings and good news for the caller alone: one after the other, and none is lost."""

import pytest

from ari_app.ari import AriError
from ari_app.call_task import CallTask
from ari_app.messages import IntervalRefused, IntervalReserved
from ari_app.whispers import ATTEMPTS_MAX, Whispers
from prompts.phrases import Phrase
from tests.ari_app.office_of_one import CALLER, OfficeOfOne, settle_down

LOW, ADDED, LOW_AGAIN = (Phrase((clip,)) for clip in ("low", "added", "low-again"))


def test_whoever_speaks_is_let_finish_and_the_others_follow_in_their_order() -> None:
    whispers = Whispers("c1")
    said = []
    for phrase in (LOW, ADDED, LOW_AGAIN):
        whispers.add(phrase)
    for _ in range(3):
        channel = whispers.next_channel()
        assert channel is not None
        assert whispers.next_channel() is None
        said.append((channel, whispers.take(channel)))
        whispers.finish(channel)
    assert [phrase for _, phrase in said] == [LOW, ADDED, LOW_AGAIN]
    assert len({channel for channel, _ in said}) == 3
    assert whispers.next_channel() is None


def test_sentence_whose_channel_could_not_be_opened_is_tried_again_but_not_for_ever() -> None:
    whispers = Whispers("c1")
    whispers.add(LOW)
    whispers.add(ADDED)
    for _ in range(ATTEMPTS_MAX):
        channel = whispers.next_channel()
        assert channel is not None
        whispers.finish(channel)
    channel = whispers.next_channel()
    assert channel is not None
    assert whispers.take(channel) == ADDED


def test_channel_that_opens_too_late_says_nothing() -> None:
    whispers = Whispers("c1")
    whispers.add(LOW)
    late = whispers.next_channel()
    assert late is not None
    whispers.finish(late)
    assert whispers.take(late) is None
    assert whispers.next_channel() not in {None, late}


async def test_good_news_that_comes_while_the_warning_speaks_follows_it() -> None:
    office = OfficeOfOne()
    task = await office.talk()
    office.driver.tell(task, IntervalRefused(interval=1, at_talk_s=50))
    await settle_down()
    first = opened(office, task)[-1]
    office.open_whisper(task, first)
    await settle_down()
    office.driver.tell(task, IntervalReserved(interval=1, funded_s=120))
    await settle_down()
    assert opened(office, task) == [first]
    assert spoken(office) == [first]
    office.whispered(first)
    await settle_down()
    assert first in office.ari.hung_up
    (_, second) = opened(office, task)
    office.open_whisper(task, second)
    await settle_down()
    assert spoken(office) == [first, second]


async def test_channel_that_cannot_speak_is_closed_and_the_call_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = OfficeOfOne()
    task = await office.talk()
    office.driver.tell(task, IntervalRefused(interval=1, at_talk_s=50))
    await settle_down()
    (channel,) = opened(office, task)

    async def refuses(*_: object, **__: object) -> None:
        raise AriError(500, "play", "no")

    monkeypatch.setattr(office.ari, "play", refuses)
    office.open_whisper(task, channel)
    await settle_down()
    assert office.ari.hung_up == [channel]
    assert office.driver.carries(task.call.call_id)


def opened(office: OfficeOfOne, task: CallTask) -> list[str]:
    prefix = f"channels/{CALLER}/snoop/"
    found = [uri.removeprefix(prefix) for _, uri in office.ari.asked if uri.startswith(prefix)]
    assert all(channel.startswith(task.call.call_id) for channel in found)
    return found


def spoken(office: OfficeOfOne) -> list[str]:
    return [uri.split("/")[1] for _, uri in office.ari.asked if "whisper/play" in uri]
