"""Feature code: hear everything in the other language from now on."""

from agi.session import Session
from charging.enquiries import Enquiries
from charging.language import LANGUAGES
from prompts.phrases import (
    language_phrase,
)


async def switch_language(session: Session, enquiries: Enquiries) -> None:
    enquiries.require_known(session.endpoint)
    language = next_language(session.language)
    await session.remember_language(language)
    await session.speak(language)
    await session.say(language_phrase(language))


def next_language(language: str) -> str:
    return LANGUAGES[(LANGUAGES.index(language) + 1) % len(LANGUAGES)]
