"""Thousands of histories with a processor that lies; and defects that they would find."""

from collections.abc import Callable
from types import ModuleType

import pytest

from charging import payment_commands, refill, refill_commands, refill_rules
from charging.refill import Attempt, Step, Withdrawn, step
from tests.payments.refill_histories import run_histories

HISTORIES = 2_000


@pytest.mark.timeout(600)
def test_no_history_charges_and_loses_or_charges_twice() -> None:
    run_histories(HISTORIES)


def test_a_fresh_key_for_an_unknown_outcome_would_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refill, "_ask_again", refill._send)  # noqa: SLF001 - the defect
    with pytest.raises(AssertionError):
        run_histories(2_000, always_the_same=True)


def test_a_ceiling_that_does_not_hold_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refill_rules, "_held_until", lambda *_: None)
    with pytest.raises(AssertionError):
        run_histories(2_000, always_the_same=True)


def test_a_charge_after_it_was_switched_off_would_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forgetful(attempt: Attempt, event: refill.Event, **about: object) -> Step:
        if isinstance(event, Withdrawn):
            return attempt, ()
        return step(attempt, event, **about)  # type: ignore[arg-type]

    monkeypatch.setattr(refill_commands, "step", forgetful)
    with pytest.raises(AssertionError):
        run_histories(2_000, always_the_same=True)


@pytest.mark.parametrize(
    ("module", "rule", "broken"),
    [
        pytest.param(refill, "_is_charged_back", lambda *_: False, id="taken once"),
        pytest.param(refill, "_notes", lambda *_: (), id="notes are issued"),
        pytest.param(payment_commands, "is_too_early", lambda *_: False, id="told again"),
    ],
)
def test_a_defect_in_what_others_take_would_be_found(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, rule: str, broken: Callable[..., object]
) -> None:
    monkeypatch.setattr(module, rule, broken)
    with pytest.raises(AssertionError):
        run_histories(2_000, always_the_same=True)
