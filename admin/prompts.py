"""`tollgate prompts`: record what callers hear, see that all of it is there, and listen to it."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from admin.context import AsJson, fail
from admin.output import print_json, say
from charging.language import LANGUAGES
from charging.money import Money, parse_money
from prompts.build import Built, build_voice, engine_for, to_speak
from prompts.engines import Engine, GttsEngine, RecordedEngine, Tool, espeak_engine, pico_engine
from prompts.errors import EngineFailed, EngineMissing, PromptError
from prompts.files import write_wav
from prompts.library import Health, Library, default_sounds_folder
from prompts.pack import PackEngine
from prompts.phrases import UnspokenError, balance_phrase
from prompts.texts import words_of
from settings import PromptSettings, SettingsError, SharedSections, load_sections
from telephony.tools import built_telephony

app = typer.Typer(
    no_args_is_help=True,
    help="Record what callers hear, see that all of it is there, and listen to it.",
)
terminal = Console(stderr=True)

Languages = Annotated[
    list[str] | None,
    typer.Option("--language", help=f"{' or '.join(LANGUAGES)}; may be repeated; else all"),
]
Sounds = Annotated[
    Path | None,
    typer.Option(
        envvar="TOLLGATE_PROMPTS__SOUNDS_FOLDER",
        help="Folder of the finished recordings, where not that of the settings.",
    ),
]


@app.command()
def build(
    engine: Annotated[
        str | None,
        typer.Option(
            envvar="TOLLGATE_PROMPTS__ENGINE",
            help="auto, pico, pack, espeak-ng, gtts or recorded, where not that of the settings.",
        ),
    ] = None,
    language: Languages = None,
    recorded: Annotated[
        Path | None,
        typer.Option(
            envvar="TOLLGATE_PROMPTS__RECORDED_FOLDER",
            help="Folder of your own recordings, LANGUAGE/SOUND.wav (or .flac, .mp3, .ogg).",
        ),
    ] = None,
    sounds: Sounds = None,
) -> None:
    """Record every sound of a language in one voice, and put it in place.

    Your own recordings win over every engine. Else "auto" takes the first
    that speaks here: gTTS if it can be reached, the voice pack that comes with
    Tollgate, pico, espeak-ng. gTTS asks Google for every sound, about 1,100 a
    language, and is refused at times: then "auto" takes the next one, and a
    later build goes on where this one was.

    What was recorded before is not recorded again. Callers hear the old voice
    until the new one is complete.
    """
    settings = _settings()
    library = _library(settings, sounds)
    folder = recorded or settings.recorded_folder
    engines = available_engines()
    spoken_by = set()
    for each in _languages(language):
        with _errors_in_one_sentence():
            built = _build_with(
                library,
                each,
                choice=engine or settings.engine,
                recorded=None if folder is None else RecordedEngine(folder),
                engines=engines,
            )
        spoken_by.add(built.engine)
        say(
            f"{each}: {built.clips} sounds in the voice of {built.engine}, {built.rendered} of them"
            f" new, in {library.folder(each)}"
        )
    if "pack" in spoken_by and _gtts_answers(engines):
        say("gTTS can be reached: TOLLGATE_PROMPTS__ENGINE=gtts make prompts makes it speak")


@app.command("list")
def list_sounds(
    language: Languages = None, sounds: Sounds = None, *, as_json: AsJson = False
) -> None:
    """Show every sound, its text and whether callers can hear it.

    "missing": there is no recording at 16 kHz and at 8 kHz. "outdated": it was
    recorded from another text than the present one. `prompts build` cures both.
    """
    library = _library(_settings(), sounds)
    every = [library.health(each) for each in _languages(language)]
    if as_json:
        print_json({health.language: _as_dict(health, library) for health in every})
        return
    for health in every:
        Console().print(_table(health, library))
        say(health)


@app.command()
def play(  # noqa: PLR0913, PLR0917 - one for each option of the command
    amount: Annotated[str, typer.Argument(help='An amount and its currency, as "12.40 GBP".')],
    output: Annotated[Path, typer.Option(help="The WAV file to write, 16 kHz.")],
    language: Annotated[str, typer.Option(help=" or ".join(LANGUAGES))] = "en",
    price: Annotated[
        str | None, typer.Option(help="Also say this price per minute, in the same currency.")
    ] = None,
    minutes: Annotated[
        int | None, typer.Option(min=0, help="Also say for about how many minutes it lasts.")
    ] = None,
    sounds: Sounds = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Write the balance sentence to a WAV file, as a caller hears it."""
    balance = _amount(amount)
    library = _library(_settings(), sounds)
    with _errors_in_one_sentence():
        phrase = balance_phrase(
            balance,
            _languages([language])[0],
            per_minute=None if price is None else _amount(f"{price} {balance.currency}"),
            minutes=minutes,
        )
        sound = library.sound_of(phrase, language)
        write_wav(output, sound)
    words = words_of(phrase, language)
    if as_json:
        said = {"words": words, "sounds": phrase.clips, "duration_s": round(sound.duration_s, 3)}
        print_json({**said, "output": str(output)})
    else:
        say(f'"{words}", {sound.duration_s:.1f} s, in {output}')


def _build_with(
    library: Library,
    language: str,
    *,
    choice: str,
    recorded: RecordedEngine | None,
    engines: Mapping[str, Engine],
) -> Built:
    """One voice for all of the language; where gTTS was not asked for by name, it may give up."""
    texts = to_speak(library.texts(language))
    voice = engine_for(language, choice, recorded=recorded, engines=engines, texts=texts)
    try:
        return _build_with_progress(library, language, voice)
    except EngineFailed as error:
        if choice != "auto" or voice.name != "gtts":
            raise
        terminal.print(f"{error}; so another voice speaks all of it", markup=False)
    others = {name: engine for name, engine in engines.items() if name != "gtts"}
    return _build_with(library, language, choice=choice, recorded=recorded, engines=others)


def _build_with_progress(library: Library, language: str, engine: Engine) -> Built:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    seen = terminal.is_terminal  # else a log would fill with blank lines
    with Progress(*columns, console=terminal, transient=True, disable=not seen) as progress:
        task = progress.add_task(f"{language}, {engine.name}", total=None)
        return build_voice(
            library,
            language,
            engine,
            lambda ready, total: progress.update(task, completed=ready, total=total),
        )


def _table(health: Health, library: Library) -> Table:
    table = Table("sound", "text", "state")
    for clip, text in library.texts(health.language).items():
        missing, outdated = clip in health.missing, clip in health.outdated
        table.add_row(clip, text, "missing" if missing else "outdated" if outdated else "")
    return table


def _as_dict(health: Health, library: Library) -> dict[str, object]:
    texts = dict(library.texts(health.language))
    return {**asdict(health), "folder": str(health.folder), "texts": texts}


def available_engines() -> dict[str, Engine]:
    return {
        "pico": pico_engine(_tool("pico2wave")),
        "espeak-ng": espeak_engine(_tool("espeak-ng")),
        "pack": PackEngine(),
        "gtts": GttsEngine(),
    }


def _gtts_answers(engines: Mapping[str, Engine]) -> bool:
    """Asked once, with three seconds of patience."""
    gtts = engines.get("gtts")
    if not isinstance(gtts, GttsEngine):
        return False
    try:
        gtts.require_reachable(LANGUAGES[0])
    except EngineMissing:
        return False
    return True


def _tool(name: str) -> Tool:
    """The machine's own command, or that of the telephone tools where set-up has built them."""
    if shutil.which(name) is not None:
        return Tool((name,))
    telephony = built_telephony()
    if telephony is None or name not in telephony.tools:
        return Tool((name,))  # the engine then says that it cannot be run
    found = telephony.tools[name]
    root = telephony.root if "chroot" in found.argv else Path("/")
    return Tool(found.argv, root=root, env=found.env)


class _Read(SharedSections):
    prompts: PromptSettings = PromptSettings()


def _settings() -> PromptSettings:
    try:
        return load_sections(_Read).prompts
    except SettingsError as error:
        fail(str(error))


def _library(settings: PromptSettings, sounds: Path | None) -> Library:
    return Library(sounds or settings.sounds_folder or default_sounds_folder(os.environ))


def _languages(wanted: Sequence[str] | None) -> Sequence[str]:
    unknown = [language for language in wanted or () if language not in LANGUAGES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(LANGUAGES)}")
    return wanted or LANGUAGES


def _amount(text: str) -> Money:
    number, _, currency = text.strip().partition(" ")
    if not currency:
        raise typer.BadParameter(f'{text!r} is not an amount and its currency, as "12.40 GBP"')
    try:
        return parse_money(number, currency.strip().upper())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def _errors_in_one_sentence() -> Iterator[None]:
    try:
        yield
    except (PromptError, UnspokenError, OSError) as error:
        fail(str(error))
