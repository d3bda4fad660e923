"""`tollgate prompts` as a person types it."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

from admin.prompts import app
from prompts.engines import GttsEngine
from prompts.errors import EngineMissing
from prompts.library import Library
from prompts.texts import texts_of
from tests.prompts.voices import ToneEngine, few_texts, tone

Prompts = Callable[..., Result]


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prompts:
    """Runs the command in a folder without settings, with an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLGATE_SETTINGS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """A folder of recordings of every English sound, each of 0.3 s."""
    folder = tmp_path / "studio" / "en"
    folder.mkdir(parents=True)
    soundfile.write(folder / "12-pounds.wav", tone(speech_s=0.3).samples, 16_000)
    for clip in texts_of("en").keys() - {"pause", "12-pounds"}:
        (folder / f"{clip}.wav").hardlink_to(folder / "12-pounds.wav")
    return folder.parent


def test_a_voice_is_built_listed_and_played(prompts: Prompts, studio: Path) -> None:
    built = prompts("build", "--recorded", studio, "--language", "en")
    assert built.exit_code == 0
    assert f"en: {len(texts_of('en'))} sounds in the voice of recorded" in built.output

    listed = json.loads(prompts("list", "--language", "en", "--json").output)
    assert listed["en"]["engine"] == "recorded"
    assert listed["en"]["missing"] == listed["en"]["outdated"] == []
    assert listed["en"]["texts"]["12-pounds"] == "twelve pounds"

    played = prompts("play", "12.40 GBP", "--output", "said.wav", "--json")
    said = json.loads(played.output)
    assert said["words"] == "You have twelve pounds forty"
    assert said["sounds"] == ["your-balance-is", "12-pounds", "40"]
    for where in ("nowhere/said.wav", "."):
        refused = prompts("play", "12.40 GBP", "--output", where)
        assert (refused.exit_code, type(refused.exception)) == (1, SystemExit)
        assert f"'{where}'" in refused.output
    file = soundfile.info(said["output"])
    assert (file.format, file.samplerate) == ("WAV", 16_000)
    assert file.duration == pytest.approx(said["duration_s"], abs=0.001)


def test_nothing_but_one_line_is_said_where_nobody_watches(prompts: Prompts, studio: Path) -> None:
    said = prompts("build", "--recorded", studio, "--language", "en").output.splitlines()
    assert len(said) == 1
    assert said[0].startswith("en: ")


def test_where_gtts_gives_up_halfway_another_voice_speaks_all_of_it(
    prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = {"gtts": ToneEngine("gtts", failing=("goodbye",)), "pack": ToneEngine("pack")}
    monkeypatch.setattr("admin.prompts.available_engines", lambda: engines)
    monkeypatch.setattr("admin.prompts.Library", partial(Library, texts=few_texts))
    built = prompts("build", "--language", "en")
    assert built.exit_code == 0
    assert "gtts did not speak goodbye; so another voice speaks all of it" in built.output
    assert "in the voice of pack" in built.output
    by_name = prompts("build", "--language", "en", "--engine", "gtts")
    assert by_name.exit_code == 1
    assert json.loads(prompts("list", "--json").output)["en"]["engine"] == "pack"


@pytest.mark.parametrize("reachable", [True, False])
def test_who_hears_the_pack_is_told_that_gtts_could_speak(
    prompts: Prompts, monkeypatch: pytest.MonkeyPatch, *, reachable: bool
) -> None:
    class Gtts(GttsEngine):
        def require_reachable(self, language: str) -> None:
            if not reachable:
                raise EngineMissing(f"no network for {language}")

    engines = {"gtts": Gtts(), "pack": ToneEngine("pack"), "pico": ToneEngine("pico")}
    monkeypatch.setattr("admin.prompts.available_engines", lambda: engines)
    monkeypatch.setattr("admin.prompts.Library", partial(Library, texts=few_texts))
    hint = "TOLLGATE_PROMPTS__ENGINE=gtts make prompts"
    by_pack = prompts("build", "--language", "en", "--engine", "pack")
    assert (hint in by_pack.output) is reachable
    assert hint not in prompts("build", "--language", "en", "--engine", "pico").output


def test_price_and_minutes_may_be_said_as_well(prompts: Prompts, studio: Path) -> None:
    prompts("build", "--recorded", studio, "--language", "en")
    played = prompts(
        "play", "12.40 GBP", "--price", "0.012", "--minutes", "9", "--output", "said.wav"
    )
    assert "one point two pence per minute. That is enough for about nine min" in played.output


def test_a_sound_that_is_missing_is_named(prompts: Prompts, studio: Path) -> None:
    (studio / "en" / "goodbye.wav").unlink(missing_ok=True)
    (studio / "en" / "funds-exhausted.wav").unlink()
    built = prompts("build", "--recorded", studio, "--language", "en")
    assert built.exit_code == 1
    assert "1 recordings are missing: funds-exhausted" in built.output

    listed = prompts("list", "--language", "en")
    assert "nothing is recorded; run `tollgate prompts build`" in listed.output
    played = prompts("play", "1 EUR", "--output", "said.wav")
    assert played.exit_code == 1
    assert "your-balance-is" in played.output
    assert not Path("said.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("play", "12.40", "--output", "x.wav"), "not an amount and its currency"),
        (("play", "much GBP", "--output", "x.wav"), "'much' is not an amount"),
        (("play", "--output", "x.wav", "--", "-1 GBP"), "a negative amount is never spoken"),
        (("play", "1 JPY", "--output", "x.wav"), "no clips for amounts in JPY"),
        (("play", "1 GBP", "--language", "de", "--output", "x.wav"), "'de' is not one of en, fr"),
        (("build", "--language", "xx"), "'xx' is not one of en, fr"),
        (("build", "--engine", "mouth"), "there is no engine 'mouth'"),
        (("build", "--engine", "recorded"), "there is no engine 'recorded'"),
        (("build", "--recorded", "nowhere", "--engine", "recorded"), "no recordings in nowhere/en"),
    ],
)
def test_bad_input_is_answered_in_one_sentence(
    prompts: Prompts, arguments: tuple[str, ...], said: str
) -> None:
    result = prompts(*arguments)
    assert result.exit_code in {1, 2}
    assert said in result.output
    assert "Traceback" not in result.output


def test_the_settings_of_the_site_are_obeyed(
    prompts: Prompts, tmp_path: Path, studio: Path
) -> None:
    (tmp_path / "tollgate.toml").write_text(
        f"""
        [ari]
        password = "a"
        [ami]
        secret = "b"
        [prompts]
        recorded_folder = "{studio.relative_to(tmp_path)}"
        sounds_folder = "site/sounds"
        """
    )
    assert prompts("build", "--language", "en").exit_code == 0
    assert (tmp_path / "site/sounds/en/tollgate/12-pounds.wav16").is_file()
    (tmp_path / "tollgate.toml").write_text("[prompts]\nengine = 3")
    assert "tollgate.toml" in prompts("list").output


def test_every_command_explains_itself(prompts: Prompts) -> None:
    for command in ("build", "list", "play"):
        explained = prompts(command, "--help")
        assert explained.exit_code == 0
        assert len(explained.output.splitlines()) > 8
