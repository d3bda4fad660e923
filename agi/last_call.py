"""Feature code: hear what one's last paid call cost."""

from agi.session import Session
from charging.enquiries import Enquiries
from prompts.phrases import last_call_phrase


async def tell_last_call(session: Session, enquiries: Enquiries) -> None:
    cost = await enquiries.last_call_of(session.endpoint)
    await session.say(last_call_phrase(cost, session.language))
