"""What each feature code says, and what it never does."""

from charging.usecases import Charging
from prompts.phrases import (
    balance_phrase,
    last_call_phrase,
    minutes_phrase,
    price_phrase,
    refusal_phrase,
)
from tests.agi.conftest import call
from tests.fakes.charging import FRANCE_MOBILE, gbp, request
from tests.fakes.clock import START
from tests.fakes.ledger import MemoryLedger


async def test_balance_is_told(port: int) -> None:
    caller = await call(port, "balance", "1001")
    assert caller.clips == list(balance_phrase(gbp("12.40"), "en").clips)
    assert caller.told


async def test_query_string_finds_its_feature(port: int) -> None:
    assert (await call(port, "balance?x=1", "1001")).told


async def test_any_key_skips_what_is_said(port: int) -> None:
    caller = await call(port, "balance", "1001", skips="your-balance-is")
    assert caller.clips == ["your-balance-is"]
    assert caller.told


async def test_phone_with_a_language_hears_it_whatever_asterisk_says(port: int) -> None:
    caller = await call(port, "balance", "1002", language="en")
    assert caller.commands[0] == 'SET VARIABLE "CHANNEL(language)" "fr"'
    assert caller.clips == list(balance_phrase(gbp("12.40"), "fr").clips)


async def test_language_chosen_at_the_phone_wins(port: int) -> None:
    caller = await call(port, "balance", "1002", "en", language="fr")
    assert caller.clips == list(balance_phrase(gbp("12.40"), "en").clips)


async def test_price_and_how_long_the_money_lasts(port: int) -> None:
    caller = await call(port, "price", "1001", keys=FRANCE_MOBILE)
    price, minutes = price_phrase(gbp("0.10"), "en"), minutes_phrase(124, "en")
    assert caller.clips == ["dial-the-number", *price.clips, "pause", *minutes.clips]


async def test_number_that_the_plan_includes_costs_nothing(port: int) -> None:
    caller = await call(port, "price", "1001", keys="02079460000")
    assert caller.clips == ["dial-the-number", "costs-nothing"]


async def test_price_without_the_money_for_it(port: int, ledger: MemoryLedger) -> None:
    for account in ledger.stored:
        ledger.stored[account] = gbp("0.09")
    caller = await call(port, "price", "1001", keys=FRANCE_MOBILE)
    assert caller.clips[-2:] == ["pause", "not-enough-money"]


async def test_number_that_may_not_be_called_is_refused_in_words(port: int) -> None:
    for keys, code in [("", "invalid_number"), ("0081312345678", "no_rate")]:
        caller = await call(port, "price", "1001", keys=keys)
        assert caller.clips[1:] == list(refusal_phrase(code, "en").clips)
        assert caller.told


async def test_last_call_is_the_last_one_that_was_answered(port: int, charging: Charging) -> None:
    assert (await call(port, "last_call", "1001")).clips == ["no-last-call"]
    await charging.authorise(request("c1"))
    await charging.answered("c1", leg="leg", answered_at=START)
    await charging.settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
    await charging.authorise(request("c2"))
    await charging.settle("c2", talk_s=0, ended_at=START, hangup_cause=17)
    caller = await call(port, "last_call", "1001")
    assert caller.clips == list(last_call_phrase(gbp("0.20"), "en").clips)
    assert (await call(port, "last_call", "1002")).clips == ["no-last-call"]


async def test_language_is_switched_and_kept(port: int) -> None:
    caller = await call(port, "language", "1001")
    assert caller.commands == [
        'DATABASE PUT "tollgate-language" "1001" "fr"',
        'SET VARIABLE "CHANNEL(language)" "fr"',
        'STREAM FILE "tollgate/language-chosen" "0123456789*#"',
        'SET VARIABLE "TOLLGATE_TOLD" "yes"',
    ]
    back = await call(port, "language", "1001", "fr", language="fr")
    assert 'DATABASE PUT "tollgate-language" "1001" "en"' in back.commands


async def test_phone_that_nobody_knows_is_told_so_and_stores_nothing(port: int) -> None:
    for script in ("balance", "last_call", "language"):
        caller = await call(port, script, 'x" "y')
        assert caller.clips == list(refusal_phrase("unknown_extension", "en").clips)
        assert not any(command.startswith("DATABASE") for command in caller.commands)


async def test_database_that_is_away_is_told(port: int, ledger: MemoryLedger) -> None:
    ledger.away = True
    assert (await call(port, "balance", "1001")).clips == ["service-unavailable"]
    caller = await call(port, "price", "1001", keys="02079460000")
    assert caller.clips[-1] == "costs-nothing"  # asks no database


async def test_nothing_that_is_asked_moves_money(port: int, ledger: MemoryLedger) -> None:
    entries, stored = dict(ledger.entries), dict(ledger.stored)
    for script in ("balance", "price", "last_call", "language"):
        assert (await call(port, script, "1001", keys=FRANCE_MOBILE)).told
    assert ledger.entries == entries
    assert ledger.stored == stored
    assert not ledger.calls
