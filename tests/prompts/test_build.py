"""A voice is built whole or not at all, once, and found incomplete before a caller finds it."""

from pathlib import Path

import pytest
import soundfile

from prompts.audio import Sound
from prompts.build import build_voice, first_usable
from prompts.errors import ClipsMissing, EngineFailed, EngineMissing
from prompts.files import write_wav
from prompts.library import NO_SOUND, NO_SOUND_FILE, Faults, Library, default_sounds_folder
from prompts.phrases import Phrase
from prompts.playing import media
from tests.prompts.voices import TEXTS, ToneEngine, few_texts, tone

PHRASE = Phrase(("your-balance-is", "12-pounds", "40"))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "sounds", few_texts)


def test_media_is_a_comma_list_that_asterisk_plays_without_a_gap() -> None:
    assert media(PHRASE) == (
        "sound:tollgate/your-balance-is,sound:tollgate/12-pounds,sound:tollgate/40"
    )


def test_every_clip_is_there_at_16_and_8_khz_as_asterisk_reads_them(library: Library) -> None:
    build_voice(library, "en", ToneEngine())
    for clip in TEXTS:
        wideband = soundfile.info(library.sounds / "en" / "tollgate" / f"{clip}.wav16")
        narrowband = soundfile.info(library.sounds / "en" / "tollgate" / f"{clip}.wav")
        assert (wideband.samplerate, narrowband.samplerate) == (16_000, 8_000)
        assert wideband.subtype == narrowband.subtype == "PCM_16"
        assert wideband.channels == narrowband.channels == 1
    assert library.missing("en") == ()
    assert library.outdated("en") == ()


def test_a_second_build_renders_nothing(library: Library) -> None:
    engine = ToneEngine()
    assert build_voice(library, "en", engine).rendered == len(TEXTS)
    assert build_voice(library, "en", engine).rendered == 0
    assert sorted(engine.rendered) == sorted(clip for clip in TEXTS if clip != "pause")


def test_a_changed_text_is_the_only_one_to_be_rendered_again(library: Library) -> None:
    build_voice(library, "en", ToneEngine())
    changed = Library(library.sounds, lambda lang: {**few_texts(lang), "goodbye": "See you."})
    assert changed.outdated("en") == ("goodbye",)
    engine = ToneEngine()
    build_voice(changed, "en", engine)
    assert engine.rendered == ["goodbye"]
    assert changed.outdated("en") == ()


def test_an_interrupted_build_leaves_the_old_voice_and_goes_on_where_it_was(
    library: Library,
) -> None:
    build_voice(library, "en", ToneEngine(name="old"))
    with pytest.raises(EngineFailed, match="goodbye"):
        build_voice(library, "en", ToneEngine(name="new", failing=("goodbye",), at_once=1))
    voice = library.voice("en")
    assert voice is not None
    assert voice.engine == "old"
    assert library.missing("en") == ()

    engine = ToneEngine(name="new")
    build_voice(library, "en", engine)
    assert engine.rendered == ["goodbye"]
    voice = library.voice("en")
    assert voice is not None
    assert voice.engine == "new"


def test_an_engine_that_lacks_a_clip_builds_nothing(library: Library) -> None:
    with pytest.raises(ClipsMissing, match="12-pounds"):
        build_voice(library, "en", ToneEngine(lacking=("12-pounds",)))
    assert not (library.sounds / "en").exists()


def test_an_engine_that_gives_silence_fails(library: Library) -> None:
    engine = ToneEngine()
    engine.sound.samples[:] = 0
    with pytest.raises(EngineFailed, match="silence"):
        build_voice(library, "en", engine)


def test_a_build_leaves_one_voice_and_nothing_unfinished(library: Library) -> None:
    for name in ("one", "two", "three"):
        build_voice(library, "en", ToneEngine(name=name))
    build_voice(library, "fr", ToneEngine())
    voices = sorted(path.name.split("-")[0] for path in (library.sounds / ".voices").iterdir())
    assert voices == ["en", "fr"]
    assert not list(library.sounds.rglob(".unfinished-*"))


def test_the_recordings_may_be_read_by_the_user_that_asterisk_runs_as(library: Library) -> None:
    build_voice(library, "en", ToneEngine())
    folder = library.folder("en").resolve()
    assert folder.stat().st_mode & 0o055 == 0o055
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in folder.iterdir())


def test_a_folder_of_somebody_else_is_not_overwritten(library: Library) -> None:
    library.folder("en").mkdir(parents=True)
    with pytest.raises(EngineFailed, match="somebody else"):
        build_voice(library, "en", ToneEngine())


def test_progress_ends_with_every_different_text(library: Library) -> None:
    seen: list[tuple[int, int]] = []
    build_voice(library, "en", ToneEngine(), lambda ready, total: seen.append((ready, total)))
    assert seen[0] == (0, len(TEXTS))
    assert seen[-1] == (len(TEXTS), len(TEXTS))


def test_a_missing_or_empty_clip_is_found(library: Library) -> None:
    assert set(library.missing("en")) == {*TEXTS, NO_SOUND}
    build_voice(library, "en", ToneEngine())
    assert library.missing("en") == ()
    (library.folder("en") / NO_SOUND_FILE).unlink()
    assert library.missing("en") == (NO_SOUND,)
    build_voice(library, "en", ToneEngine())
    (library.folder("en") / "12-pounds.wav").unlink()
    cut_off = library.folder("en") / "goodbye.wav16"
    cut_off.unlink()
    cut_off.write_bytes(b"RIFF")
    assert library.missing("en") == ("12-pounds", "goodbye")
    with pytest.raises(ClipsMissing, match="goodbye"):
        library.sound_of(Phrase(("your-balance-is", "goodbye")), "en")


def test_a_damaged_a_quiet_and_a_clipped_clip_are_found(library: Library) -> None:
    build_voice(library, "en", ToneEngine())
    assert library.faults("en") == Faults(damaged=(), quiet=(), clipped=())
    folder = library.folder("en")
    _replace(folder / "12-pounds.wav16", Sound(tone().samples * 0.01, 16_000))
    _replace(folder / "40.wav", Sound(tone(rate_hz=8_000).samples * 9, 8_000))
    _replace(folder / "goodbye.wav", tone())  # 16 kHz where 8 kHz should be
    (folder / "your-balance-is.wav").unlink()
    (folder / "your-balance-is.wav").write_bytes(b"no sound" * 10)
    assert library.faults("en") == Faults(
        damaged=("your-balance-is", "goodbye"), quiet=("12-pounds",), clipped=("40",)
    )


def test_a_build_mends_what_is_missing_or_damaged_and_nothing_else(library: Library) -> None:
    build_voice(library, "en", ToneEngine())
    folder = library.folder("en")
    (folder / "12-pounds.wav").unlink()
    (folder / "goodbye.wav16").write_bytes(b"no sound" * 10)  # in the store as well: one file
    engine = ToneEngine()
    build_voice(library, "en", engine)
    assert "goodbye" in engine.rendered
    assert "your-balance-is" not in engine.rendered
    assert library.missing("en") == library.faults("en").damaged == ()


def _replace(file: Path, sound: Sound) -> None:
    file.unlink()  # a link into the store, which stays as it is
    write_wav(file, sound)


def test_a_phrase_sounds_as_long_as_its_clips(library: Library) -> None:
    build_voice(library, "en", ToneEngine())
    sound = library.sound_of(PHRASE, "en")
    assert sound.rate_hz == 16_000
    assert 1.7 < sound.duration_s < 2.0


def test_nothing_is_known_of_a_voice_that_was_not_built(library: Library) -> None:
    assert library.voice("en") is None
    library.folder("en").mkdir(parents=True)
    (library.folder("en") / "voice.json").write_text("[]")
    assert library.voice("en") is None


def test_the_first_engine_that_can_speak_everything_is_chosen() -> None:
    engines = [
        ToneEngine("a", missing=True),
        ToneEngine("b", lacking=("goodbye",)),
        ToneEngine("c"),
    ]
    assert first_usable(engines, "en", TEXTS).name == "c"
    with pytest.raises(EngineMissing, match=r"a: .*not installed; b: 1 clips are missing, goodbye"):
        first_usable(engines[:2], "en", TEXTS)


def test_the_sounds_folder_is_in_the_cache_of_the_user() -> None:
    assert default_sounds_folder({"HOME": "/home/ann"}) == Path("/home/ann/.cache/tollgate/sounds")
    assert default_sounds_folder({"XDG_CACHE_HOME": "/c", "HOME": "/home/ann"}) == Path(
        "/c/tollgate/sounds"
    )


def test_voices_may_be_moved_with_their_folder(library: Library, tmp_path: Path) -> None:
    build_voice(library, "en", ToneEngine())
    library.sounds.rename(tmp_path / "elsewhere")
    assert Library(tmp_path / "elsewhere", few_texts).missing("en") == ()
