"""Feature codes from a real desk phone: what is dialled, what is heard, and what is left alone."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lab.paid_office import PaidOffice
from lab.phone import Phone
from prompts.audio import Sound
from prompts.phrases import language_phrase
from prompts.texts import words_of
from tests.live.conftest import FRANCE, StartOffice, gbp
from tests.prompts.listener import AMOUNTS, Listener, grammar_of, heard

pytestmark = pytest.mark.live

SCRIPT = Path(__file__).parents[2] / "agi" / "balance_script.py"
UNAVAILABLE = [
    "The prepaid service is not available at the moment.",
    "please try again in a few minutes",
    "emergency calls still work",
]
CLOSED_S = 30
PAUSE_S = 0.35  # the recogniser hears one sentence at a time


def heard_by(phone: Phone) -> Sound:
    streams = [soundfile.read(file) for file in phone.recordings()]
    return Sound(np.concatenate([samples for samples, _ in streams]), streams[0][1])


def sentences(sound: Sound) -> list[Sound]:
    """Cut at every silence long enough to be the end of a sentence."""
    frame = sound.rate_hz // 100
    whole = len(sound.samples) // frame * frame
    loud = np.sqrt(np.mean(sound.samples[:whole].reshape(-1, frame) ** 2, axis=1)) > 0.003
    starts = np.flatnonzero(loud)
    if len(starts) == 0:
        return []
    cuts = np.flatnonzero(np.diff(starts) > PAUSE_S * 100)
    first = [starts[0], *starts[cuts + 1]]
    last = [*starts[cuts], starts[-1]]
    return [
        Sound(sound.samples[max(0, a - 5) * frame : (b + 5) * frame], sound.rate_hz)
        for a, b in zip(first, last, strict=True)
    ]


def understood(phone: Phone, grammar: str = AMOUNTS) -> list[str]:
    listener = Listener(grammar)
    return [listener.words(sentence) for sentence in sentences(heard_by(phone))]


async def phone_that_dialled(paid: PaidOffice, code: str, extension: str = "1001") -> Phone:
    """A phone that has heard nothing but this."""
    async with paid.office.phone(extension) as phone:
        await dial_and_listen(phone, code)
    return phone


async def dial_and_listen(phone: Phone, code: str) -> None:
    seen = len(phone.events)
    await phone.dial(code)
    await phone.wait_for("CALL_CLOSED", after=seen, timeout_s=CLOSED_S)


async def test_balance_is_heard_in_words(start_office: StartOffice, tmp_path: Path) -> None:
    """With the secret that Asterisk reads when somebody dials."""
    secret = tmp_path / "agi-secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{'0123456789abcdef' * 4}\n", encoding="ascii")
    settings = {"agi": {"secret_file": str(secret)}}
    async with start_office(opening="12.40", settings=settings) as paid, paid.feature_codes:
        async with paid.office.phone("1001") as phone:
            await dial_and_listen(phone, "*80")
        await paid.feature_codes.wait_for("feature_told", feature="balance", extension="1001")
        assert len(await paid.entries()) == 1  # the opening top-up
    assert understood(phone) == ["your balance is twelve pounds and forty pence"]


async def test_price_of_a_number_and_how_long_the_money_lasts(start_office: StartOffice) -> None:
    async with start_office(opening="12.40") as paid, paid.feature_codes:
        async with paid.office.phone("1001") as phone:
            await phone.dial("*81")
            await phone.wait_for("CALL_ESTABLISHED")
            await paid.feature_codes.wait_for("feature_asked", feature="price")
            await phone.hear(0.5)
            await phone.press("004930123456#")
            await phone.wait_for("CALL_CLOSED", timeout_s=CLOSED_S)
        await paid.feature_codes.wait_for("feature_told", feature="price")
        assert len(await paid.entries()) == 1
    assert understood(phone)[-2:] == [
        "this call costs sixty pence per minute",
        "that is enough for about twenty minutes",
    ]


async def test_cost_of_the_last_call_is_what_the_ledger_says(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.feature_codes:
        async with paid.office.phone("1001") as phone:
            await phone.dial(FRANCE)
            await paid.application.wait_for("interval_debited", interval=0, timeout_s=20)
            await phone.hang_up()
            await paid.application.wait_for("call_settled")
        phone = await phone_that_dialled(paid, "*82")
        await paid.feature_codes.wait_for("feature_told", feature="last_call")
        assert [call.debited for call in await paid.calls()] == [gbp("0.04")]
    grammar = grammar_of(
        [f"your last paid call cost {n} pence" for n in ("four", "eight", "forty")]
        + ["no paid call has been made from this phone yet"]
    )
    assert understood(phone, grammar) == ["your last paid call cost four pence"]


async def language_of(paid: PaidOffice, extension: str) -> object:
    """In which the balance is told."""
    after = len(paid.feature_codes.entries())
    await phone_that_dialled(paid, "*80", extension)
    asked = await paid.feature_codes.wait_for("feature_asked", after=after, extension=extension)
    return asked["language"]


async def test_language_is_switched_for_this_phone_and_outlives_asterisk(
    start_office: StartOffice,
) -> None:
    chosen = words_of(language_phrase("en"), "en")
    async with start_office() as paid, paid.feature_codes:
        await phone_that_dialled(paid, "*83")
        assert await language_of(paid, "1001") == "fr"
        assert await language_of(paid, "1002") == "en"
        seen = len(paid.application.entries())
        await paid.office.asterisk.stop()
        await paid.office.asterisk.start()
        await paid.application.wait_for("ready", after=seen, timeout_s=20)
        async with paid.office.phone("1001") as phone:
            # A paid call, too, is announced in the language that was chosen.
            await phone.dial(FRANCE)
            await paid.application.wait_for("interval_debited", interval=0, timeout_s=20)
            await phone.hang_up()
            await paid.application.wait_for("call_settled")
        assert [call.language for call in await paid.calls()] == ["fr"]
        phone = await phone_that_dialled(paid, "*83")
        assert await language_of(paid, "1001") == "en"
    grammar = grammar_of([chosen, "your balance is ten pounds"])
    assert Listener(grammar).words(heard_by(phone)) == heard(chosen)


async def test_script_tells_the_balance_where_no_server_runs(
    start_office: StartOffice, tmp_path: Path
) -> None:
    """As an administrator would: a line that names the Python, and Asterisk runs it."""
    script = tmp_path / "balance"
    settings_file = tmp_path / "office" / "tollgate.toml"
    script.write_text(
        f"#!/bin/sh\nexport TOLLGATE_SETTINGS={settings_file}\nunset LD_LIBRARY_PATH\n"
        f'exec {sys.executable} {SCRIPT} "$@"\n'
    )
    script.chmod(0o700)
    settings = {"agi": {"balance_script": str(script)}}
    async with start_office(opening="12.40", settings=settings) as paid:
        phone = await phone_that_dialled(paid, "*80")
    assert understood(phone) == ["your balance is twelve pounds and forty pence"]


async def test_a_thousand_silent_connections_do_not_keep_a_phone_from_its_balance(
    start_office: StartOffice,
) -> None:
    async with start_office(opening="12.40") as paid, paid.feature_codes:
        agi = paid.settings.agi
        peers = [await asyncio.open_connection(agi.address, agi.port) for _ in range(1000)]
        phone = await phone_that_dialled(paid, "*80")
        for _, writer in peers:
            writer.transport.abort()
    assert understood(phone) == ["your balance is twelve pounds and forty pence"]


async def test_server_that_dies_while_it_speaks_is_told(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.feature_codes, paid.office.phone("1001") as phone:
        await phone.dial("*81")
        await paid.feature_codes.wait_for("feature_asked")
        await paid.feature_codes.kill()
        await phone.wait_for("CALL_CLOSED", timeout_s=CLOSED_S)
    assert "please try again in a few minutes" in understood(phone, grammar_of(UNAVAILABLE))


async def test_feature_codes_say_so_when_their_server_is_away(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await dial_and_listen(phone, "*80")
        assert "0 active channels" in await paid.office.asterisk.cli("core show channels count")
    assert understood(phone, grammar_of(UNAVAILABLE))[0] == heard(UNAVAILABLE[0])
