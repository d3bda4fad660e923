"""The telephone side of one call: prompts, the dialplan, the carrier leg and its time limit."""

import asyncio
import contextlib
from collections.abc import Coroutine

import structlog

from ari_app.ami import Ami
from ari_app.ami_errors import AmiRefusedError, AmiUnavailableError
from ari_app.ari import Ari, AriError, AriUnavailableError
from ari_app.events import ONE_MOMENT
from ari_app.messages import Event, PromptFinished
from dialplan.contexts import INCLUDED, PAID, REFUSED, SILENCE_MAX_S, paid_extension
from prompts.phrases import Phrase
from prompts.playing import media

NOT_FOUND = 404
CONFLICT = 409  # the channel has left Stasis already: an earlier attempt did get through
LEAVE_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0)


class CallerChannel:
    def __init__(
        self,
        caller: str,
        *,
        call_id: str,
        ari: Ari,
        ami: Ami,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._caller = caller
        self._call_id = call_id
        self._playback = f"{call_id}-prompt"
        self._one_moment = f"{call_id}{ONE_MOMENT}"
        # When Asterisk takes a new caller back, by the event loop's clock.
        self._taken_back_s = asyncio.get_running_loop().time() + SILENCE_MAX_S
        self._ari = ari
        self._ami = ami
        self._log = log

    async def play(
        self, phrase: Phrase, language: str, *, lasts_s: tuple[float, float]
    ) -> Event | None:
        """Speak as early media: unanswered, so listening costs nothing.

        `lasts_s`: at least and at most. Where Asterisk might take the caller back before it is
        over, it is told to wait: nothing can be told it while it plays.
        """
        shortest_s, longest_s = lasts_s
        if asyncio.get_running_loop().time() + longest_s > self._taken_back_s:
            await self.keep_waiting(playing_s=shortest_s)
        try:
            await self._ari.progress(self._caller)
            await self._ari.play(
                self._caller, media=media(phrase), language=language, playback=self._playback
            )
        except AriError as error:
            if error.status == NOT_FOUND:
                return None  # hung up meanwhile: the event that says so is on its way
            self._log.error("prompt_failed", error=str(error))
            return PromptFinished(heard=False)  # a call matters more than its announcement
        except AriUnavailableError as error:
            self._log.warning("prompt_failed", error=str(error))
        return None

    async def keep_waiting(self, *, playing_s: float = 0.0) -> None:
        """Tell Asterisk that we are at work for this caller, who else would be taken back."""
        seconds = SILENCE_MAX_S + int(playing_s)
        if await self._attempt("keep_waiting", self._ari.keep_waiting(self._caller, seconds)):
            self._taken_back_s = asyncio.get_running_loop().time() + seconds

    async def open_whisper(self, channel: str) -> bool:
        """Ask for a channel that only the caller hears; it says when it is there."""
        app_args = f"whisper,{self._call_id}"
        snoop = self._ari.snoop(self._caller, snoop=channel, app_args=app_args)
        return await self._attempt("whisper", snoop)

    async def whisper(self, channel: str, phrase: Phrase, language: str) -> bool:
        play = self._ari.play(channel, media=media(phrase), language=language, playback=channel)
        return await self._attempt("whisper", play)

    async def stop_prompt(self) -> None:
        await self._attempt("stop_prompt", self._ari.stop_playback(self._playback))

    async def play_one_moment(self, phrase: Phrase, language: str) -> None:
        """Of its end nobody is told: what comes next does not wait for it."""
        await self._attempt("one_moment", self._ari.progress(self._caller))
        play = self._ari.play(
            self._caller, media=media(phrase), language=language, playback=self._one_moment
        )
        await self._attempt("one_moment", play)

    async def stop_one_moment(self) -> None:
        """It may be over already, which is no matter."""
        with contextlib.suppress(AriError, AriUnavailableError):
            await self._ari.stop_playback(self._one_moment)

    async def dial(self, dial_string: str, *, limit_s: float | None) -> None:
        """Give the caller back to the dialplan. `limit_s` None: the plan includes the call."""
        if limit_s is None:
            await self._leave_stasis(INCLUDED, dial_string)
        else:
            extension = paid_extension(dial_string, milliseconds(limit_s))
            await self._leave_stasis(PAID, extension)

    async def refuse(self, hangup_cause: int) -> None:
        await self._leave_stasis(REFUSED, str(hangup_cause))

    async def end_at(self, leg: str, *, at_s: float, limit_s: float) -> bool:
        """Let Asterisk end the leg at `at_s` of the event loop's clock, whatever becomes of us.

        `limit_s` is the same, from answer: by it the dialplan knows an end of money from a hang-up.

        Returns:
            Whether there is nothing more to be told: it was, or the leg is gone.
        """
        try:
            await self._ami.end_at(leg, at_s=at_s)
            await self._tell_limit(limit_s)
        except AmiRefusedError as error:
            self._log.info("leg_already_gone", error=str(error))
        except AmiUnavailableError as error:
            self._log.warning("timeout_not_extended", error=str(error))
            return False
        return True

    async def _tell_limit(self, limit_s: float) -> None:
        try:
            await self._ami.set_variable(
                self._caller, name="TOLLGATE_PAID_MS", value=str(milliseconds(limit_s))
            )
        except (
            AmiRefusedError
        ) as error:  # a transfer took the caller away; the leg is still charged
            self._log.info("caller_already_gone", error=str(error))

    async def cut_off(self, leg: str) -> None:
        """The dialplan tells the caller why; without the variable they just hear the end."""
        try:
            await self._ami.set_variable(self._caller, name="TOLLGATE_END", value="funds")
        except (AmiRefusedError, AmiUnavailableError) as error:
            self._log.warning("reason_not_announced", error=str(error))
        await self.hang_up(leg)

    async def hang_up(self, channel: str) -> None:
        await self._attempt("hang_up", self._ari.hang_up(channel))

    async def _leave_stasis(self, context: str, extension: str) -> None:
        """Nobody may wait in Stasis for nothing: try again over a lost connection."""
        for delay_s in (*LEAVE_AGAIN_S, None):
            try:
                await self._ari.continue_in_dialplan(
                    self._caller, context=context, extension=extension
                )
            except AriError as error:
                if error.status not in {NOT_FOUND, CONFLICT}:
                    self._log.error("not_continued", error=str(error))
                    await self.hang_up(self._caller)
            except AriUnavailableError as error:
                self._log.warning("not_continued", error=str(error))
                if delay_s is not None:  # else the dialplan's own time limit takes the caller back
                    await asyncio.sleep(delay_s)
                    continue
            return

    async def _attempt(self, what: str, request: Coroutine[object, object, None]) -> bool:
        """Carry out a request whose object may be gone: its end is then on its way as an event."""
        try:
            await request
        except AriError as error:
            gone = error.status in {NOT_FOUND, CONFLICT}
            tell = self._log.info if gone else self._log.error
            tell(f"{what}_refused", error=str(error))
        except AriUnavailableError as error:
            self._log.warning(f"{what}_failed", error=str(error))
        else:
            return True
        return False


def milliseconds(seconds: float) -> int:
    return round(1000 * seconds)
