"""What the till says of money, over the real charging and a ledger in memory."""

import structlog

from ari_app.call_billing import CallBilling
from ari_app.messages import CheckMoney, MoneyShort
from tests.fakes.charging import GERMANY, charging_with, gbp, request
from tests.fakes.ledger import MemoryLedger


async def test_warning_reckons_with_what_is_still_to_be_reserved_before_the_end() -> None:
    """Germany: 0.08 up to 30 s, then 0.006 for each 6 s. There is money up to 48 s and no more."""
    charging = charging_with(MemoryLedger())
    await charging.top_up("main", amount=gbp("0.098"), key="fill", actor="test", reason="")
    till = CallBilling(
        request("c1", GERMANY), charging=charging, reserve_ahead_s=10, log=structlog.get_logger()
    )
    await till.authorise(lambda _: None)
    assert await till.check_money(CheckMoney(talk_s=48, funded_s=30)) == MoneyShort(
        left_s=10, talk_s=48
    )
    await charging.top_up("main", amount=gbp("0.006"), key="more", actor="test", reason="")
    assert await till.check_money(CheckMoney(talk_s=48, funded_s=30)) is None
