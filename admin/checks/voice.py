"""What callers hear: every sound of every language, and who could record it anew."""

import os
from collections.abc import Iterator

from admin.checks.findings import Finding, listed, ok, problem, warning
from admin.checks.site import good_offices
from admin.prompts import available_engines
from charging.language import LANGUAGES
from dialplan.render import sounds_played
from prompts.build import to_speak
from prompts.engines import RecordedEngine
from prompts.errors import PromptError
from prompts.library import Library, default_sounds_folder
from settings import PromptSettings, Settings


def check_prompts(settings: Settings) -> Iterator[Finding]:
    library = Library(settings.prompts.sounds_folder or default_sounds_folder(os.environ))
    spoken = {office.language for office in good_offices(settings).values()} or set(LANGUAGES)
    for language in LANGUAGES:
        yield from _language(library, language, needed=language in spoken)


def _language(library: Library, language: str, *, needed: bool) -> Iterator[Finding]:
    bad = problem if needed else warning  # the other language is for phones that choose it
    remedy = f"`tollgate prompts build --language {language}`"
    health = library.health(language)
    if health.engine is None:
        yield bad(f"{language}: nothing is recorded in {health.folder}", remedy)
        return
    faults = library.faults(language)
    unheard = sorted({*health.missing, *faults.damaged})
    if health.missing:
        yield bad(f"{language}: missing: {listed(health.missing)}", remedy)
    if faults.damaged:
        yield bad(f"{language}: damaged: {listed(faults.damaged)}", remedy)
    by_asterisk = sorted(sounds_played().intersection(unheard))
    if by_asterisk:
        yield bad(
            f"{language}: Asterisk plays {listed(by_asterisk)} when the application cannot:"
            " callers would hear silence",
            remedy,
        )
    if health.outdated:
        yield warning(f"{language}: recorded from older texts: {listed(health.outdated)}", remedy)
    for fault, clips in (("too quiet", faults.quiet), ("clipped", faults.clipped)):
        if clips:
            yield warning(
                f"{language}: {fault}: {listed(clips)}", f"record them again, then {remedy}"
            )
    if health.complete and not faults.damaged:
        yield ok(str(health))


def check_engines(settings: Settings) -> Iterator[Finding]:
    """Whether gTTS can be reached is asked when it is built with, not here."""
    engines = available_engines()
    texts = to_speak(Library(default_sounds_folder(os.environ)).texts(LANGUAGES[0]))
    usable, why = [], {}
    for name in ("pack", "pico", "espeak-ng"):
        try:
            lacking = engines[name].lacks(LANGUAGES[0], texts)
        except PromptError as error:
            why[name] = str(error)
            continue
        if lacking:
            why[name] = f"it lacks {listed(lacking)}"
        else:
            usable.append(name)
    yield from judge_engines(settings.prompts, usable, why)
    yield from _recordings(settings.prompts)


def judge_engines(
    settings: PromptSettings, usable: list[str], why: dict[str, str]
) -> Iterator[Finding]:
    wanted = settings.engine
    if wanted == "recorded" and settings.recorded_folder is None:
        yield warning(
            "the settings want recordings of your own and do not say where they are",
            '[prompts] recorded_folder, with LANGUAGE/SOUND.wav in it; or engine = "auto"',
        )
    elif wanted in why:
        yield warning(
            f"the settings want {wanted}, which cannot record here: {why[wanted]}",
            f'[prompts] engine = "{usable[0] if usable else "gtts"}", or "auto"',
        )
    elif not usable:
        yield warning(
            "no voice of this machine can record",
            "install Tollgate again: it comes with a voice pack; or apt install espeak-ng",
        )
    else:
        yield ok(f"can record here: {', '.join(usable)}; in use: {wanted}")


def _recordings(settings: PromptSettings) -> Iterator[Finding]:
    if settings.recorded_folder is None:
        return
    recorded = RecordedEngine(settings.recorded_folder)
    for language in LANGUAGES:
        if not recorded.has_any(language):
            continue
        texts = to_speak(Library(settings.recorded_folder).texts(language))
        lacking = recorded.lacks(language, texts)
        if lacking:
            yield warning(
                f"{language}: {len(lacking)} recordings of your own are missing: {listed(lacking)}",
                f"record them into {recorded.folder / language}, then `tollgate prompts build`",
            )
