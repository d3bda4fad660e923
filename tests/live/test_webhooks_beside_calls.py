"""A storm of webhooks at a worker while its office calls; the full size is `make webhooks`."""

from pathlib import Path

import pytest

from tests.payments.webhooks_beside_calls import storm_beside_calls

pytestmark = [pytest.mark.live, pytest.mark.long]


async def test_webhooks_beside_calls_credit_what_was_paid_and_no_call_is_charged_wrongly(
    tmp_path: Path,
) -> None:
    outcome = await storm_beside_calls(400, 2, {}, tmp_path)
    assert outcome.problems == ()
    assert outcome.placed_meanwhile
    assert outcome.paid
