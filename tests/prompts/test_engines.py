"""Commands that speak, recorded files, and gTTS against a stand-in for its endpoint."""

import base64
import io
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import gtts.tts
import pytest
import soundfile

from admin.prompts import available_engines
from prompts.audio import prompt_of
from prompts.build import build_voice, engine_for, to_speak
from prompts.engines import (
    GTTS_DELAYS_S,
    Engine,
    GttsEngine,
    RecordedEngine,
    Tool,
    espeak_engine,
    pico_engine,
)
from prompts.errors import ClipsMissing, EngineFailed, EngineMissing
from prompts.library import Library
from prompts.pack import PackEngine
from prompts.texts import texts_of
from tests.prompts.voices import ToneEngine, few_texts, tone

SPEAKER = """
import sys, pathlib, wave
arguments = sys.argv[1:]
flag = "--wave" if "--wave" in arguments else "-w"
file = {root!r} + arguments[arguments.index(flag) + 1]
with wave.open(file, "wb") as wav:
    wav.setnchannels(1), wav.setsampwidth(2), wav.setframerate(16000)
    wav.writeframes(b"\\x00\\x30\\x00\\xd0" * 8000)
pathlib.Path({log!r}).write_text(repr(arguments))
"""


@pytest.fixture
def speaker(tmp_path: Path) -> Callable[..., Tool]:
    """A command that writes half a second of noise where it is told, and notes how it was run."""

    def make(root: str = "") -> Tool:
        script = tmp_path / "speaker.py"
        script.write_text(SPEAKER.format(root=root, log=str(tmp_path / "arguments")))
        return Tool((sys.executable, str(script)), root=Path(root or "/"))

    return make


def test_pico_is_asked_for_the_voice_of_the_language(
    speaker: Callable[..., Tool], tmp_path: Path
) -> None:
    sound = pico_engine(speaker()).render("en", "12-pounds", "twelve pounds")
    assert sound.rate_hz == 16_000
    assert sound.duration_s == pytest.approx(1.0)
    arguments = (tmp_path / "arguments").read_text()
    assert "'--lang', 'en-GB', '<speed level=\"125\">twelve pounds</speed>'" in arguments


def test_espeak_is_asked_for_the_voice_of_the_language(
    speaker: Callable[..., Tool], tmp_path: Path
) -> None:
    espeak_engine(speaker()).render("fr", "12-pounds", "douze livres")
    assert "'-v', 'fr-fr', 'douze livres'" in (tmp_path / "arguments").read_text()


def test_a_word_is_spelt_as_the_voice_must_read_it(
    speaker: Callable[..., Tool], tmp_path: Path
) -> None:
    pico_engine(speaker()).render("fr", "60-pounds", "soixante livres")
    assert ">soissantt livres<" in (tmp_path / "arguments").read_text()
    pico_engine(speaker()).render("en", "24-pounds", "twenty-four pounds")
    assert ">twenty-fore pounds<" in (tmp_path / "arguments").read_text()
    espeak_engine(speaker()).render("en", "40-pence", "forty pence")
    assert "'forty pence'" in (tmp_path / "arguments").read_text()


def test_a_command_in_a_root_of_its_own_writes_inside_it(
    speaker: Callable[..., Tool], tmp_path: Path
) -> None:
    root = tmp_path / "root"
    (root / "tmp").mkdir(parents=True)
    assert pico_engine(speaker(str(root))).render("en", "a", "a").duration_s > 0
    assert list((root / "tmp").iterdir()) == []  # and leaves nothing there


def test_a_command_that_is_not_there_is_missing_not_failed() -> None:
    with pytest.raises(EngineMissing, match="no-such-command"):
        pico_engine(Tool(("no-such-command",))).lacks("en", few_texts("en"))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import sys; sys.exit('no voice')", "no voice"),
        ("raise SystemExit(3)", "status 3"),
        ("pass", "wrote no sound"),
    ],
)
def test_a_command_that_fails_says_why(script: str, why: str) -> None:
    with pytest.raises(EngineFailed, match=why):
        pico_engine(Tool((sys.executable, "-c", script))).render("en", "a", "a")


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompts.engines.TOOL_TIMEOUT_S", 0.2)
    waits_for_ever = Tool((sys.executable, "-c", "import threading; threading.Event().wait()"))
    with pytest.raises(EngineFailed, match=r"0\.2 s"):
        espeak_engine(waits_for_ever).render("en", "a", "a")


REACHABLE: Mapping[str, Engine] = {"gtts": GttsEngine(), "pack": PackEngine()}


def record(folder: Path, language: str, clips: list[str], suffix: str = ".wav") -> None:
    (folder / language).mkdir(parents=True, exist_ok=True)
    sound = tone(rate_hz=44_100)
    for clip in clips:
        soundfile.write(folder / language / f"{clip}{suffix}", sound.samples, sound.rate_hz)


def test_recorded_files_of_any_format_and_rate_are_a_voice(tmp_path: Path) -> None:
    library = Library(tmp_path / "sounds", few_texts)
    spoken = [clip for clip in few_texts("en") if clip != "pause"]
    record(tmp_path / "studio", "en", spoken[:2], ".wav")
    record(tmp_path / "studio", "en", spoken[2:], ".flac")
    build_voice(library, "en", RecordedEngine(tmp_path / "studio"))
    assert library.missing("en") == ()


def test_a_recording_that_is_not_there_stops_the_build_by_name(tmp_path: Path) -> None:
    record(tmp_path, "en", ["goodbye"])
    with pytest.raises(ClipsMissing, match="12-pounds"):
        build_voice(Library(tmp_path / "sounds", few_texts), "en", RecordedEngine(tmp_path))
    with pytest.raises(EngineMissing, match="no recordings"):
        RecordedEngine(tmp_path).lacks("fr", few_texts("fr"))


def test_a_damaged_recording_stops_the_build_by_name(tmp_path: Path) -> None:
    record(tmp_path, "en", list(few_texts("en")))
    (tmp_path / "en" / "goodbye.wav").write_bytes(b"not a sound")
    with pytest.raises(EngineFailed, match=r"goodbye\.wav"):
        build_voice(Library(tmp_path / "sounds", few_texts), "en", RecordedEngine(tmp_path))


def mp3(*, speech_s: float) -> bytes:
    file = io.BytesIO()
    sound = tone(speech_s=speech_s, rate_hz=24_000)
    soundfile.write(file, sound.samples, sound.rate_hz, format="MP3")
    return file.getvalue()


def reply_of(audio: bytes) -> bytes:
    spoken = _compact([base64.b64encode(audio).decode()])
    return (")]}'\n\n" + _compact([["wrb.fr", "jQ1olc", spoken, None]])).encode()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


GOOD = reply_of(mp3(speech_s=1.0))


@dataclass
class Answer:
    status: int = 200
    body: bytes = GOOD
    sent_bytes: int | None = None  # fewer than announced: the connection breaks


@dataclass
class GoogleStandIn:
    """Answers as told, one after another; the last answer repeats. Keeps what it was asked."""

    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    asked: list[tuple[str, str]] = field(default_factory=list)  # tld, text
    hold: threading.Event | None = None  # no answer before it is set

    def answer(self, path: str, form: str) -> Answer:
        request = json.loads(parse_qs(form)["f.req"][0])
        if self.hold is not None:
            self.hold.wait()
        self.asked.append((path.split("/")[1], json.loads(request[0][0][1])[0]))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleStandIn]:
    stand_in = GoogleStandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = stand_in.answer(self.path, form)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.sent_bytes])

        def log_message(self, *_: object) -> None:
            """Not on the terminal of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        _send_gtts_to(monkeypatch, server.server_port)
        yield stand_in
        server.shutdown()
        thread.join()


def _send_gtts_to(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(
        gtts.tts,
        "_translate_url",
        lambda tld="com", path="": f"http://127.0.0.1:{port}/{tld}/{path}",
    )


def _closed_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port: int = closed.getsockname()[1]
        return port


def no_pause(_: float) -> None:
    pytest.fail("this was not worth another try")


def test_gtts_speaks_with_the_accent_of_the_language(google: GoogleStandIn) -> None:
    engine = GttsEngine()
    assert engine.render("en", "a", "twelve pounds").duration_s > 1
    assert engine.render("fr", "a", "douze livres").duration_s > 1
    assert google.asked == [("co.uk", "twelve pounds"), ("fr", "douze livres")]


@pytest.mark.parametrize(
    "refusal",
    [
        Answer(status=429),
        Answer(status=503),
        Answer(sent_bytes=len(GOOD) // 2),  # the connection breaks
        Answer(body=reply_of(mp3(speech_s=1.0)[:40])),  # whole reply, cut sound
        Answer(body=GOOD[:-60].replace(b'"]', b"")),  # no sound in it
        Answer(body=GOOD.replace(b'[\\"', b'[\\"A')),  # damaged base64
    ],
    ids=["429", "503", "connection broken", "sound cut off", "no sound", "damaged"],
)
def test_gtts_tries_again_after_a_while(google: GoogleStandIn, refusal: Answer) -> None:
    google.answers = [refusal, refusal, Answer()]
    pauses: list[float] = []
    assert GttsEngine(pause=pauses.append).render("en", "a", "twelve pounds").duration_s > 1
    assert pauses == list(GTTS_DELAYS_S[:2])


def test_gtts_gives_up_in_the_end_and_says_why(google: GoogleStandIn) -> None:
    google.answers = [Answer(status=429)]
    pauses: list[float] = []
    with pytest.raises(EngineFailed, match="429"):
        GttsEngine(pause=pauses.append).render("en", "goodbye", "Goodbye.")
    assert pauses == list(GTTS_DELAYS_S)


def test_gtts_does_not_repeat_a_request_that_is_wrong(google: GoogleStandIn) -> None:
    google.answers = [Answer(status=403)]
    with pytest.raises(EngineFailed, match="403"):
        GttsEngine(pause=no_pause).render("en", "goodbye", "Goodbye.")
    assert len(google.asked) == 1


def test_gtts_without_a_network_is_an_engine_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    _send_gtts_to(monkeypatch, _closed_port())
    pauses: list[float] = []
    with pytest.raises(EngineFailed, match="Failed to connect"):
        GttsEngine(pause=pauses.append).render("en", "goodbye", "Goodbye.")
    assert pauses == list(GTTS_DELAYS_S)


def test_a_refused_gtts_build_goes_on_where_it_was(google: GoogleStandIn, tmp_path: Path) -> None:
    library = Library(tmp_path, few_texts)
    google.answers = [Answer(), Answer(), Answer(status=403)]
    with pytest.raises(EngineFailed):
        build_voice(library, "en", GttsEngine(pause=no_pause))
    google.answers = [Answer()]
    google.asked.clear()
    build_voice(library, "en", GttsEngine())
    assert len(google.asked) == 2  # of the four that are spoken, those that were refused


def test_engines_obey_the_protocol_that_tests_use(tmp_path: Path) -> None:
    engines: list[Engine] = [
        pico_engine(),
        espeak_engine(),
        GttsEngine(),
        RecordedEngine(tmp_path),
        ToneEngine(),
    ]
    assert [engine.name for engine in engines] == ["pico", "espeak-ng", "gtts", "recorded", "tone"]


def test_recordings_win_then_the_choice_then_the_order(tmp_path: Path) -> None:
    record(tmp_path / "studio", "en", ["goodbye"])  # one is enough to mean it
    engines: dict[str, Engine] = {
        "pico": ToneEngine("pico", missing=True),
        "pack": ToneEngine("pack"),
        "espeak-ng": ToneEngine("espeak-ng"),
        "gtts": ToneEngine("gtts"),
    }

    def chosen(language: str, choice: str) -> str:
        recorded = RecordedEngine(tmp_path / "studio")
        texts = few_texts(language)
        return engine_for(language, choice, recorded=recorded, engines=engines, texts=texts).name

    assert chosen("en", "auto") == chosen("en", "gtts") == "recorded"
    assert chosen("fr", "auto") == chosen("fr", "gtts") == "gtts"
    del engines["gtts"]
    assert chosen("fr", "auto") == "pack"
    engines["pack"] = ToneEngine("pack", missing=True)
    assert chosen("fr", "auto") == "espeak-ng"  # pico does not run
    engines["pico"] = ToneEngine("pico")
    assert chosen("fr", "auto") == "pico"
    with pytest.raises(EngineMissing, match="mouth"):
        chosen("fr", "mouth")


def test_gtts_speaks_by_itself_where_it_can_be_reached(google: GoogleStandIn) -> None:
    assert engine_for_auto("en", REACHABLE) == "gtts"
    assert google.asked == [("co.uk", "1")]  # one request, before any of the texts


@pytest.mark.parametrize("answer", [Answer(status=429), Answer(sent_bytes=10)], ids=["429", "cut"])
def test_pack_speaks_where_gtts_does_not_answer_properly(
    google: GoogleStandIn, answer: Answer
) -> None:
    google.answers = [answer]
    assert engine_for_auto("en", REACHABLE) == "pack"
    assert len(google.asked) == 1


def test_pack_speaks_where_there_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    _send_gtts_to(monkeypatch, _closed_port())
    assert engine_for_auto("fr", REACHABLE) == "pack"


def test_gtts_is_not_waited_for_long(
    google: GoogleStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prompts.engines.GTTS_PROBE_TIMEOUT_S", 0.2)
    google.hold = threading.Event()
    try:
        assert engine_for_auto("fr", REACHABLE) == "pack"
    finally:
        google.hold.set()


def test_recordings_win_without_asking_anybody(google: GoogleStandIn, tmp_path: Path) -> None:
    record(tmp_path, "en", ["goodbye"])
    recorded = RecordedEngine(tmp_path)
    assert engine_for("en", "auto", recorded=recorded, engines=REACHABLE, texts={}) is recorded
    assert google.asked == []


@pytest.mark.live
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_engines_of_the_telephone_tools_speak_every_kind_of_text(language: str) -> None:
    engines = available_engines()
    pico = engines["pico"]
    try:
        pico.lacks(language, texts_of(language))
    except EngineMissing:  # neither root nor user namespaces here: then the pack must do
        assert engine_for_auto(language, {**engines, "gtts": ToneEngine(missing=True)}) == "pack"
        pico = engines["pack"]
    for engine in (pico, engines["espeak-ng"]):
        for clip in ("your-balance-is", "21-pounds", "40", "funds-exhausted"):
            text = texts_of(language)[clip]
            sound = prompt_of(engine.render(language, clip, text), text)
            assert 0.3 < sound.duration_s < 12, (engine.name, clip)


def engine_for_auto(language: str, engines: Mapping[str, Engine]) -> str:
    texts = to_speak(texts_of(language))
    return engine_for(language, "auto", recorded=None, engines=engines, texts=texts).name
