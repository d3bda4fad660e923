"""Finding and building the telephone tools, with a stand-in for mmdebstrap that lends them."""

import threading
from pathlib import Path

import pytest

from lab.telephony import find_telephony
from telephony.tools import ASTERISK_FLOOR, FLOORS, GENERATION, Telephony, TelephonyError, Tool

ROOT = f"telephony-{GENERATION}"


class Bench:
    """A cache folder, a PATH to put programs on, and what was said."""

    def __init__(self, folder: Path, telephony: Telephony) -> None:
        self.cache = folder / "cache"
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.said: list[str] = []
        self._lent = telephony.root

    def program(self, name: str, script: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def lend_tools(self, *, more: str = "") -> None:
        """An mmdebstrap that notes that it ran and links the tools instead of fetching them."""
        ran = self.cache.parent / "ran"
        self.program(
            "mmdebstrap",
            f'echo x >> {ran}; for target; do :; done; {more}\nmkdir "$target"\n'
            f'ln -s {self._lent}/usr "$target/usr"',
        )

    @property
    def builds(self) -> int:
        ran = self.cache.parent / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0

    def find(self) -> Telephony:
        return find_telephony(self.said.append, cache=self.cache)


@pytest.fixture
def bench(tmp_path: Path, telephony: Telephony, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, telephony)
    monkeypatch.setenv("PATH", f"{bench.programs}:/usr/bin:/bin")
    return bench


def test_the_tools_are_built_once_and_then_found(bench: Bench) -> None:
    bench.lend_tools()
    first = bench.find()
    again = bench.find()
    assert first == again
    assert first.root == bench.cache / ROOT
    assert first.asterisk_version >= (22, 10, 1)
    assert (first.asterisk_modules / "chan_pjsip.so").exists()
    assert (first.asterisk_data / "rest-api").is_dir()
    assert (first.baresip_modules / "ctrl_tcp.so").exists()
    assert bench.builds == 1
    assert any("Unpacking" in line for line in bench.said)


def test_every_tool_says_how_to_start_it(telephony: Telephony) -> None:
    for name in ("asterisk", "sipp", "baresip", "espeak-ng"):
        command = telephony.tool(name).command("--option", Path("/file"))
        assert command[-2:] == ["--option", "/file"]
        assert Path(command[0]).exists()


def test_a_tool_that_is_not_there_is_named(telephony: Telephony) -> None:
    with pytest.raises(TelephonyError, match="the tool kamailio cannot be run"):
        telephony.tool("kamailio")


def test_a_tool_adds_to_the_environment_and_takes_nothing_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    environment = Tool("x", ("x",), {"PATH": "/sbin"}).environment()
    assert environment["HOME"] == "/home/someone"
    assert environment["PATH"] == "/sbin"


def test_two_set_ups_side_by_side_build_once(bench: Bench) -> None:
    bench.lend_tools(more=f"while [ ! -e {bench.cache.parent}/go ]; do :; done")
    found: list[Telephony] = []
    threads = [threading.Thread(target=lambda: found.append(bench.find())) for _ in range(2)]
    for thread in threads:
        thread.start()
    (bench.cache.parent / "go").touch()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 2
    assert found[0] == found[1]
    assert bench.builds == 1


def test_a_build_that_was_killed_leaves_nothing_that_is_used(bench: Bench) -> None:
    half = bench.cache / f"{ROOT}.building-killed" / "root" / "usr"
    half.mkdir(parents=True)
    bench.lend_tools()
    bench.find()
    assert not half.exists()
    assert {path.name for path in bench.cache.iterdir()} == {ROOT, f"{ROOT}.lock"}


@pytest.mark.parametrize("missing", ["usr", "usr/bin/sipp"])
def test_a_damaged_root_is_built_again(bench: Bench, missing: str) -> None:
    bench.lend_tools()
    root = bench.find().root
    lent = (root / "usr").readlink()
    (root / "usr").unlink()
    if missing != "usr":  # everything but one tool
        (root / "usr").mkdir()
        for name in ("lib", "lib64", "sbin", "share"):
            (root / "usr" / name).symlink_to(lent / name)
        (root / "usr/bin").mkdir()
    assert bench.find().tool("sipp")
    assert bench.builds == 2


def test_a_build_that_fails_says_why_in_one_sentence(bench: Bench) -> None:
    bench.program("mmdebstrap", "echo; echo 'E: no route to the mirror' >&2; exit 1")
    with pytest.raises(TelephonyError, match=r"mmdebstrap said: E: no route to the mirror$"):
        bench.find()
    assert [path.name for path in bench.cache.iterdir()] == [f"{ROOT}.lock"]


def test_a_machine_without_apt_is_told_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(bench.programs))
    with pytest.raises(
        TelephonyError, match=r"this machine has no apt: install Asterisk 22\.10\.1"
    ):
        bench.find()


def test_mmdebstrap_is_unpacked_where_it_cannot_be_installed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(bench.programs))
    for name in ("sh", "mkdir", "ln", "cat", "chmod"):
        (bench.programs / name).symlink_to(f"/bin/{name}")
    bench.lend_tools()
    lending = (bench.programs / "mmdebstrap").rename(bench.programs / "lend")
    # apt-get may fetch a package but not install one; dpkg-deb -x unpacks it; perl runs it.
    bench.program(
        "apt-get",
        'case "$*" in *install*) exit 1;; *download*) : > mmdebstrap_1_all.deb;; esac',
    )
    bench.program("sudo", "exit 1")
    bench.program(
        "dpkg-deb", f'mkdir -p "$3/usr/bin"; cat {lending} > "$3/usr/bin/mmdebstrap"; exit 0'
    )
    bench.program("perl", 'exec sh "$@"')
    assert bench.find().root == bench.cache / ROOT
    assert bench.said[-2:] != []
    assert "Unpacking mmdebstrap …" in bench.said


@pytest.mark.parametrize("version", ["Asterisk 20.5.0", "Asterisk 22.10.0", "nonsense"])
def test_an_asterisk_of_the_machine_that_is_too_old_is_not_used(bench: Bench, version: str) -> None:
    bench.lend_tools()
    bench.program("asterisk", f"echo '{version}'")
    assert str(bench.programs) not in bench.find().tool("asterisk").argv[0]


@pytest.mark.parametrize("name", FLOORS)
def test_a_tool_that_is_older_than_what_was_tried_is_refused_by_its_name(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.lend_tools()
    if name not in bench.find().tools:
        pytest.skip(f"this user cannot run {name} on this machine")
    monkeypatch.setitem(FLOORS, name, (10**9,))
    with pytest.raises(TelephonyError, match=rf"^{name} [0-9.]+ is older than 1000000000$"):
        bench.find()


def test_the_floors_are_those_of_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs/wrong-passwords.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for name, floor in {"Asterisk": ASTERISK_FLOOR, **FLOORS}.items():
        version = ".".join(map(str, floor))
        assert any(name in row and version in row for row in rows), name


def test_a_cache_that_cannot_be_written_is_told_in_one_sentence(
    bench: Bench,
) -> None:
    bench.cache.parent.mkdir(exist_ok=True)
    bench.cache.write_text("a file in the folder's place")
    with pytest.raises(TelephonyError, match=r"the cache folder .* cannot be used"):
        bench.find()
