"""Feature code: hear the balance."""

from agi.session import Session
from charging.enquiries import Enquiries
from prompts.phrases import balance_phrase


async def tell_balance(session: Session, enquiries: Enquiries) -> None:
    balance = await enquiries.balance_of(session.endpoint)
    await session.say(balance_phrase(balance, session.language))
