"""Kinds of entries never share keys, nor do offices."""

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.commands import CancelTopUp, TopUp
from charging.entry_keys import TOP_UP_KEY_MAX, cancel_key, top_up_key
from charging.errors import UnknownTopUp
from tests.fakes.charging import gbp
from tests.fakes.clock import START
from tests.fakes.ledger import MemoryLedger

NOT_KEYS = ("", " ", "a b", "inv7:cancel", "ключ", "a\n", "\x1b[31m", "-7", ".", "k" * 65)
_offices = st.from_regex(re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII), fullmatch=True)
_keys = st.from_regex(re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}", re.ASCII), fullmatch=True)
_texts = st.text(alphabet="a:/-topucancel", max_size=12)


def top_up(amount: str, key: str, *, office: str = "main", at: datetime = START) -> TopUp:
    return TopUp(office_id=office, amount=gbp(amount), key=key, actor="test", reason="", at=at)


def cancel(key: str, *, office: str = "main") -> CancelTopUp:
    return CancelTopUp(office_id=office, key=key, actor="test", reason="", at=START)


async def test_no_key_of_a_top_up_can_be_that_of_a_cancellation() -> None:
    ledger = MemoryLedger()
    await ledger.carry_out(top_up("100", "inv7"))
    for suffix in ("inv7:cancel", "inv7-cancel", "cancel/inv7"):
        try:
            await ledger.carry_out(top_up("5", suffix))
        except ValueError:
            continue
    before = (await ledger.balances("main", "GBP")).available
    done = await ledger.carry_out(cancel("inv7"))
    assert done.amount == gbp("100")
    assert done.balances.available == before - gbp("100")
    assert (await ledger.balances("main", "GBP")).available == before - gbp("100")


@pytest.mark.parametrize("key", NOT_KEYS)
def test_a_key_is_of_the_stated_alphabet(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        top_up("1", key)


@given(_offices, _keys)
def test_every_key_of_the_alphabet_fits_the_ledger(office: str, key: str) -> None:
    assert len(key) <= TOP_UP_KEY_MAX
    top_up("1", key, office=office)
    assert len(cancel_key(office, key)) <= 160


@given(_offices, _offices, _keys, _texts)
def test_keys_of_different_things_differ(one: str, other: str, key: str, call_id: str) -> None:
    keys = [
        top_up_key(one, key),
        cancel_key(one, key),
        f"call:{call_id}:reserve:0",
    ]
    if other != one:
        keys += [top_up_key(other, key), cancel_key(other, key)]
    assert len(set(keys)) == len(keys)


async def test_two_offices_may_use_the_same_key() -> None:
    ledger = MemoryLedger()
    await ledger.carry_out(top_up("1", "inv7"))
    await ledger.carry_out(top_up("2", "inv7", office="branch"))
    assert (await ledger.carry_out(cancel("inv7"))).amount == gbp("1")
    assert (await ledger.balances("branch", "GBP")).available == gbp("2")
    with pytest.raises(UnknownTopUp):
        await ledger.carry_out(cancel("inv7", office="third"))
