"""What a caller who waits for a refill has to know; asked four times a second while one waits."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from charging.ledger import MoneyNews
from charging.money import Money
from charging.money_state import UNDER_WAY, UNDER_WAY_FOR
from db.models import balances
from db.money_tables import payments

_AVAILABLE = select(balances.c.micros).where(
    balances.c.office_id == bindparam("office"), balances.c.account == "available"
)
_UNDER_WAY = (
    select(payments.c.payment_id)
    .where(
        payments.c.office_id == bindparam("office"),
        payments.c.created_at > bindparam("since"),
        payments.c.state.in_(sorted(UNDER_WAY)),
    )
    .limit(1)
)


def money_news(reader: Connection, office_id: str, currency: str, now: datetime) -> MoneyNews:
    micros = reader.scalar(_AVAILABLE, {"office": office_id})
    since = now - UNDER_WAY_FOR
    under_way = reader.scalar(_UNDER_WAY, {"office": office_id, "since": since})
    return MoneyNews(Money(micros or 0, currency), under_way=under_way is not None)
