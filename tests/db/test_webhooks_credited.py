"""What webhooks credit on a real database: what was paid, each payment once."""

from tests.payments.webhook_storm import drawn, weather
from tests.payments.webhooks_on_databases import on_database


async def test_webhooks_in_any_order_credit_what_was_paid_each_once(url: str) -> None:
    async with on_database(url) as crediting:
        assert await weather(drawn(120, seed=7), crediting) == []
