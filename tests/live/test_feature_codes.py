"""Feature codes from a real desk phone: what is dialled, what is heard, and what is left alone."""

import asyncio
import sys
from pathlib import Path

import pytest

from lab.paid_office import PaidOffice
from lab.phone import Phone
from prompts.phrases import (
    balance_phrase,
    dial_number_phrase,
    language_phrase,
    last_call_phrase,
    minutes_phrase,
    price_phrase,
    service_unavailable_phrase,
)
from tests.live.conftest import FRANCE, StartOffice, gbp
from tests.live.hearing import clips_heard

pytestmark = pytest.mark.live

SCRIPT = Path(__file__).parents[2] / "agi" / "balance_script.py"
UNAVAILABLE = service_unavailable_phrase("en")
# What a phone may be told here, and what it must not be.
TOLD = (
    UNAVAILABLE,
    *(balance_phrase(gbp(amount), "en") for amount in ("12.40", "12.14", "2.40", "10.00", "0.40")),
    *(price_phrase(gbp(price), "en") for price in ("0.60", "0.16", "0.06")),
    *(minutes_phrase(minutes, "en") for minutes in (2, 12, 20, 22)),
    *(last_call_phrase(cost, "en") for cost in (gbp("0.04"), gbp("0.08"), gbp("0.40"), None)),
    language_phrase("en"),
    dial_number_phrase("en"),
)
BALANCE = balance_phrase(gbp("12.40"), "en").clips
CLOSED_S = 30


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
    assert clips_heard(phone, TOLD) == BALANCE


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
    price, lasts = price_phrase(gbp("0.60"), "en"), minutes_phrase(20, "en")
    assert clips_heard(phone, TOLD)[-len(price.clips + lasts.clips) :] == price.clips + lasts.clips


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
    assert clips_heard(phone, TOLD) == last_call_phrase(gbp("0.04"), "en").clips


async def language_of(paid: PaidOffice, extension: str) -> object:
    """In which the balance is told."""
    after = len(paid.feature_codes.entries())
    await phone_that_dialled(paid, "*80", extension)
    asked = await paid.feature_codes.wait_for("feature_asked", after=after, extension=extension)
    return asked["language"]


async def test_language_is_switched_for_this_phone_and_outlives_asterisk(
    start_office: StartOffice,
) -> None:
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
    assert clips_heard(phone, TOLD) == language_phrase("en").clips


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
    assert clips_heard(phone, TOLD) == BALANCE


async def test_a_thousand_silent_connections_do_not_keep_a_phone_from_its_balance(
    start_office: StartOffice,
) -> None:
    async with start_office(opening="12.40") as paid, paid.feature_codes:
        agi = paid.settings.agi
        peers = [await asyncio.open_connection(agi.address, agi.port) for _ in range(1000)]
        phone = await phone_that_dialled(paid, "*80")
        for _, writer in peers:
            writer.transport.abort()
    assert clips_heard(phone, TOLD) == BALANCE


async def test_server_that_dies_while_it_speaks_is_told(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.feature_codes, paid.office.phone("1001") as phone:
        await phone.dial("*81")
        await paid.feature_codes.wait_for("feature_asked")
        await paid.feature_codes.kill()
        await phone.wait_for("CALL_CLOSED", timeout_s=CLOSED_S)
    assert clips_heard(phone, TOLD)[-1:] == UNAVAILABLE.clips


async def test_feature_codes_say_so_when_their_server_is_away(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await dial_and_listen(phone, "*80")
        assert "0 active channels" in await paid.office.asterisk.cli("core show channels count")
    assert clips_heard(phone, TOLD) == UNAVAILABLE.clips
