"""Whether Asterisk finds the sounds that are recorded: it says "done" of a sentence in silence."""

import asyncio
from collections.abc import Iterable, Iterator
from http import HTTPStatus

from admin.checks.asterisk import AriError, ari_session, get_json
from admin.checks.findings import Finding, listed, ok, problem, warning
from admin.checks.site import good_offices
from charging.language import LANGUAGES
from prompts.playing import FOLDER
from prompts.texts import texts_of
from settings import Settings

LINK = (
    "link LANGUAGE/tollgate of the sounds folder into Asterisk's own (`core show settings` names"
    " its data folder), and restart Asterisk, which looks once, when it starts"
)


def check_sounds(settings: Settings) -> Iterator[Finding]:
    """Asterisk's own list of what it found; nothing is said where it cannot be asked for it."""
    if settings.ari is None:
        return
    spoken = {office.language for office in good_offices(settings).values()} or set(LANGUAGES)
    for language in sorted(spoken):
        try:
            status, found = asyncio.run(_sounds(settings, language))
        except AriError:
            return  # said by check_ari
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return  # said by check_ari
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:  # a file of its list is not there any more
            yield problem(
                f"{language}: sounds that Asterisk found when it started are not there any more:"
                " callers hear silence",
                LINK,
            )
            continue
        if status != HTTPStatus.OK or not isinstance(found, list):
            yield warning(
                "Asterisk does not list its sounds, so nobody knows whether it finds ours",
                "load res_ari_sounds.so: `asterisk -rx 'module load res_ari_sounds.so'`",
            )
            return
        yield from judge_sounds(language, {str(sound.get("id")) for sound in found})


def judge_sounds(language: str, found: Iterable[str]) -> Iterator[Finding]:
    wanted = {f"{FOLDER}/{clip}" for clip in texts_of(language)}
    missing = sorted(wanted.difference(found))
    if len(missing) == len(wanted):
        yield problem(f"{language}: Asterisk finds no sound of ours: callers hear silence", LINK)
    elif missing:
        yield problem(f"{language}: Asterisk does not find {listed(missing)}", LINK)
    else:
        yield ok(f"{language}: Asterisk finds all {len(wanted)} sounds")


async def _sounds(settings: Settings, language: str) -> tuple[int, object]:
    async with ari_session(settings) as session:
        return await get_json(session, f"sounds?lang={language}")
