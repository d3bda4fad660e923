"""When a refill is begun: thresholds, multiples, ceilings, one at a time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.errors import CurrencyMismatch
from charging.money import Money
from charging.orders import Consent, RefillRule, refill_rule
from charging.refill import Pause, PauseReason
from charging.refill_rules import (
    BURST,
    COOL_DOWN,
    DAY,
    MONTH,
    Begin,
    Charged,
    Hold,
    NotNow,
    Policy,
    PolicyState,
    Situation,
    Wait,
    consider,
)
from tests.fakes.charging import eur, gbp
from tests.fakes.clock import START

RULE = refill_rule(amount=gbp("10"), threshold=gbp("5"))
CONSENT = Consent(by="user:anna@example.com", at=START, words="Charges the card without asking")
ARMED = Policy(office_id="main").enabled(RULE, CONSENT)
HOUR = timedelta(hours=1)


def situation(
    balance: str, *charged: Charged, needed: Money | None = None, has_card: bool = True
) -> Situation:
    return Situation(balance=gbp(balance), charged=charged, needed=needed, has_card=has_card)


def ago(past: timedelta, amount: str = "10", *, open_: bool = False) -> Charged:
    return Charged(START - past, gbp(amount), open_)


def test_a_policy_is_off_until_somebody_has_consented() -> None:
    policy = Policy(office_id="main")
    assert policy.refill_below is None
    assert consider(policy, situation("0"), now=START) == NotNow("off")
    assert ARMED.refill_below == gbp("5")
    assert consider(ARMED.disabled(), situation("0"), now=START) == NotNow("off")


def test_one_multiple_that_reaches_the_threshold_is_charged() -> None:
    assert consider(ARMED, situation("4.999999"), now=START) == Begin(gbp("10"), burst=False)
    assert consider(ARMED, situation("5"), now=START) == NotNow("enough")
    deep = replace(ARMED, rule=refill_rule(amount=gbp("10"), threshold=gbp("35")))
    assert consider(deep, situation("0"), now=START) == Begin(gbp("40"), burst=False)
    assert consider(deep, situation("5"), now=START) == Begin(gbp("30"), burst=False)


def test_a_call_that_needs_more_than_the_threshold_gets_it() -> None:
    asked = situation("6", needed=gbp("17"))
    assert consider(ARMED, asked, now=START) == Begin(gbp("20"), burst=False)
    assert consider(ARMED, situation("6", needed=gbp("1")), now=START) == NotNow("enough")


def test_one_at_a_time_a_card_and_no_pause() -> None:
    assert consider(ARMED, situation("0", ago(HOUR, open_=True)), now=START) == NotNow("open")
    assert consider(ARMED, situation("0", has_card=False), now=START) == NotNow("no_card")
    paused = ARMED.paused(Pause(PauseReason.CARD))
    assert consider(paused, situation("0"), now=START) == NotNow("paused")


def test_two_refills_do_not_begin_within_a_minute() -> None:
    just_now = ago(COOL_DOWN / 2)
    assert consider(ARMED, situation("0", just_now), now=START) == Wait(START + COOL_DOWN / 2)


def test_the_third_within_an_hour_is_a_burst() -> None:
    before = [ago(COOL_DOWN * (n + 1)) for n in range(BURST - 1)]
    assert consider(ARMED, situation("0", *before), now=START) == Begin(gbp("10"), burst=True)
    assert consider(ARMED, situation("0", *before[1:]), now=START) == Begin(gbp("10"), burst=False)


def test_the_ceiling_of_a_day_holds_until_the_window_has_moved_on() -> None:
    full = [ago(HOUR * (n + 2)) for n in range(5)]
    verdict = consider(ARMED, situation("0", *full), now=START)
    assert verdict == Hold(START + DAY - HOUR * 6)
    later = START + DAY - HOUR * 6
    assert consider(ARMED, situation("0", *full), now=later) == Begin(gbp("10"), burst=False)


def test_the_ceiling_of_a_month_holds() -> None:
    full = [ago(timedelta(days=n + 2)) for n in range(20)]
    assert consider(ARMED, situation("0", *full), now=START) == Hold(
        START + MONTH - timedelta(days=21)
    )


def test_what_is_larger_than_a_ceiling_is_never_charged() -> None:
    verdict = consider(ARMED, situation("0", needed=gbp("1000")), now=START)
    assert isinstance(verdict, Hold)


@given(
    balance=st.integers(0, 6_000_000),
    ages_min=st.lists(st.integers(0, 60 * 24 * 40), max_size=40),
)
def test_ceilings_hold_whatever_was_charged_before(balance: int, ages_min: list[int]) -> None:
    charged = tuple(ago(timedelta(minutes=age)) for age in ages_min)
    verdict = consider(ARMED, Situation(balance=Money(balance, "GBP"), charged=charged), now=START)
    if not isinstance(verdict, Begin):
        return
    for ceiling, window in ((RULE.day_max, DAY), (RULE.month_max, MONTH)):
        within = [each.amount.micros for each in charged if START - each.begun_at < window]
        assert sum(within) + verdict.amount.micros <= ceiling.micros
    assert balance + verdict.amount.micros >= RULE.threshold.micros
    assert verdict.amount.micros % RULE.amount.micros == 0


# --- policies ------------------------------------------------------------------------------------


def test_a_pause_ends_by_what_a_person_does() -> None:
    for reason in (PauseReason.CARD, PauseReason.AUTHENTICATION):
        assert ARMED.paused(Pause(reason)).card_works() == ARMED
    for reason in (PauseReason.DISPUTE, PauseReason.OPERATOR):
        paused = ARMED.paused(Pause(reason))
        assert paused.card_works() == paused
        assert paused.armed() == ARMED


def test_what_is_off_is_neither_paused_nor_armed_by_what_happens() -> None:
    off = ARMED.disabled()
    assert off.paused(Pause(PauseReason.CARD)) == off
    assert off.card_works() == off
    assert off.armed() == off


def test_what_the_operator_has_to_mend_is_not_forgotten() -> None:
    paused = ARMED.paused(Pause(PauseReason.OPERATOR))
    assert paused.paused(Pause(PauseReason.CARD)) == paused


def test_a_policy_that_is_held_still_watches() -> None:
    assert replace(ARMED, state=PolicyState.HELD).refill_below == gbp("5")
    assert ARMED.paused(Pause(PauseReason.CARD)).refill_below is None


# --- rules ---------------------------------------------------------------------------------------


def test_a_rule_whose_ceiling_cannot_fill_an_empty_account_is_refused() -> None:
    with pytest.raises(ValueError, match="ceiling of a day"):
        RefillRule(amount=gbp("10"), threshold=gbp("35"), day_max=gbp("30"), month_max=gbp("100"))
    with pytest.raises(ValueError, match="month is below"):
        RefillRule(amount=gbp("10"), threshold=gbp("5"), day_max=gbp("30"), month_max=gbp("20"))


@pytest.mark.parametrize(("amount", "threshold"), [("0", "5"), ("-1", "5"), ("10", "0")])
def test_a_rule_is_of_positive_amounts(amount: str, threshold: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        RefillRule(
            amount=gbp(amount), threshold=gbp(threshold), day_max=gbp("50"), month_max=gbp("50")
        )


def test_a_rule_is_of_one_currency() -> None:
    with pytest.raises(CurrencyMismatch):
        refill_rule(amount=gbp("10"), threshold=eur("5"))


def test_a_rule_without_ceilings_gets_some_that_suffice() -> None:
    assert (RULE.day_max, RULE.month_max) == (gbp("50"), gbp("200"))
    deep = refill_rule(amount=gbp("1"), threshold=gbp("30"))
    assert (deep.day_max, deep.month_max) == (gbp("30"), gbp("30"))
