"""A small `make attack`: what reached the carrier is paid for, included, free or for help."""

import pytest

from trials.attack import AttackPlan, attack

pytestmark = pytest.mark.live

SEED = 7
COUNT = 60


@pytest.mark.parametrize(
    "allow_transfer",
    [
        pytest.param(False, id="transfers off", marks=pytest.mark.long),
        pytest.param(True, id="transfers on"),
    ],
)
async def test_attacked_from_a_registered_phone_nothing_unpaid_reaches_the_carrier(
    *, allow_transfer: bool
) -> None:
    plan = AttackPlan(registrations=COUNT, invites=COUNT, allow_transfer=allow_transfer, seed=SEED)
    outcome = await attack(plan, print)
    assert outcome.problems == ()
    assert outcome.registered > COUNT / 10  # else it tried nothing
    assert outcome.reached["paid"]
    assert outcome.referrals.total()
