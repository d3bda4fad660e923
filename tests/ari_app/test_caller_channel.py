"""A caller's channel: what is asked of Asterisk, and what becomes of a no and of silence."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from ari_app import caller_channel
from ari_app.ami_errors import AmiRefusedError, AmiUnavailableError
from ari_app.ari import AriError, AriUnavailableError
from ari_app.caller_channel import CONFLICT, NOT_FOUND, CallerChannel
from ari_app.messages import PromptFinished
from prompts.phrases import Phrase
from tests.ari_app.office_of_one import CALLER, LEG, RecordingAmi, RecordingAri

GONE, TAKEN, BROKEN = NOT_FOUND, CONFLICT, 500
PHRASE = Phrase(clips=("you-have",))


class AnsweringAri(RecordingAri):
    """Answers with what stands first in a list, and with yes once the list is empty."""

    def __init__(self, *answers: int | None) -> None:
        super().__init__()
        self._answers = list(answers)  # None: no connection

    async def _exchange(self, request: dict[str, Any]) -> Mapping[str, Any]:
        said_yes = await super()._exchange(request)
        if not self._answers:
            return said_yes
        answer = self._answers.pop(0)
        if answer is None:
            raise AriUnavailableError("no connection")
        raise AriError(answer, request["uri"], "no")


class RefusingAmi(RecordingAmi):
    def __init__(self, action: str, error: Exception) -> None:
        super().__init__()
        self._action = action
        self._error = error

    async def end_at(self, channel: str, *, at_s: float) -> None:
        await super().end_at(channel, at_s=at_s)
        if self._action == "end_at":
            raise self._error

    async def set_variable(self, channel: str, *, name: str, value: str) -> None:
        await super().set_variable(channel, name=name, value=value)
        if self._action == "set_variable":
            raise self._error


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_channel, "LEAVE_AGAIN_S", (0.0, 0.0))


def caller(ari: RecordingAri, ami: RecordingAmi | None = None) -> CallerChannel:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return CallerChannel(CALLER, call_id="c1", ari=ari, ami=ami or RecordingAmi(), log=log)


async def logged(act: Callable[[], Any]) -> tuple[object, list[tuple[str, str]]]:
    with capture_logs() as logs:
        result = await act()
    return result, [(entry["log_level"], entry["event"]) for entry in logs]


@pytest.mark.parametrize(
    ("answer", "finished", "said"),
    [
        (GONE, None, []),  # hung up meanwhile: an event says so
        (BROKEN, PromptFinished(heard=False), [("error", "prompt_failed")]),
        (None, None, [("warning", "prompt_failed")]),
    ],
)
async def test_a_prompt_that_fails_holds_no_call_up(
    answer: int | None, finished: PromptFinished | None, said: list[tuple[str, str]]
) -> None:
    channel = caller(AnsweringAri(answer))
    played = lambda: channel.play(PHRASE, "en", lasts_s=(1.0, 2.0))  # noqa: E731 - one line
    assert await logged(played) == (finished, said)


async def test_asterisk_is_told_to_wait_before_a_long_prompt_and_for_no_short_one() -> None:
    ari = RecordingAri()
    channel = caller(ari)
    await channel.play(PHRASE, "en", lasts_s=(1.0, 2.0))
    assert ("POST", f"channels/{CALLER}/variable") not in ari.asked
    await channel.play(PHRASE, "en", lasts_s=(60.0, 600.0))
    assert ("POST", f"channels/{CALLER}/variable") in ari.asked


@pytest.mark.parametrize("act", ["open_whisper", "whisper"])
@pytest.mark.parametrize(
    ("answers", "done", "levels"),
    [
        ((), True, []),
        ((GONE,), False, ["info"]),
        ((TAKEN,), False, ["info"]),
        ((BROKEN,), False, ["error"]),
        ((None,), False, ["warning"]),
    ],
)
async def test_a_whisper_is_there_or_it_is_said_why_not(
    act: str, answers: tuple[int | None, ...], *, done: bool, levels: list[str]
) -> None:
    channel = caller(AnsweringAri(*answers))
    opened = act == "open_whisper"
    result, said = await logged(
        (lambda: channel.open_whisper("w1"))
        if opened
        else (lambda: channel.whisper("w1", PHRASE, "en"))
    )
    assert (result, [level for level, _ in said]) == (done, levels)


async def test_a_prompt_is_stopped() -> None:
    ari = RecordingAri()
    await caller(ari).stop_prompt()
    assert ari.asked == [("DELETE", "playbacks/c1-prompt")]


@pytest.mark.parametrize(
    ("answers", "tries", "hung_up"),
    [
        ((), 1, []),
        ((GONE,), 1, []),
        ((TAKEN,), 1, []),  # an earlier try did get through
        ((BROKEN,), 1, [CALLER]),
        ((None,), 2, []),
        ((None, None, None), 3, []),  # then the dialplan's own time limit takes the caller back
    ],
)
@pytest.mark.parametrize("limit_s", [None, 60.0])
async def test_nobody_waits_in_stasis_for_nothing(
    answers: tuple[int | None, ...], tries: int, hung_up: list[str], limit_s: float | None
) -> None:
    ari = AnsweringAri(*answers)
    await caller(ari).dial("33142685300", limit_s=limit_s)
    continued = [asked for asked in ari.asked if asked[1].endswith("/continue")]
    assert len(continued) == tries
    assert ari.hung_up == hung_up


async def test_a_refused_caller_goes_to_the_dialplan_that_says_why() -> None:
    ari = RecordingAri()
    await caller(ari).refuse(21)
    assert ari.asked == [("POST", f"channels/{CALLER}/continue")]


@pytest.mark.parametrize(
    ("action", "error", "told"),
    [
        ("nothing", AmiRefusedError("no"), True),
        ("end_at", AmiRefusedError("no"), True),  # the leg is gone
        ("set_variable", AmiRefusedError("no"), True),  # the caller is gone
        ("end_at", AmiUnavailableError("no"), False),
        ("set_variable", AmiUnavailableError("no"), False),
    ],
)
async def test_a_time_limit_is_told_until_asterisk_has_it(
    action: str, error: Exception, *, told: bool
) -> None:
    channel = caller(RecordingAri(), RefusingAmi(action, error))
    assert await channel.end_at(LEG, at_s=100.0, limit_s=60.0) is told


@pytest.mark.parametrize("error", [AmiRefusedError("no"), AmiUnavailableError("no")])
async def test_a_leg_is_cut_off_even_if_nobody_can_be_told_why(error: Exception) -> None:
    ari = RecordingAri()
    await caller(ari, RefusingAmi("set_variable", error)).cut_off(LEG)
    assert ari.hung_up == [LEG]
