"""The secret of the feature codes: a file that nobody else may read."""

import re
from pathlib import Path

import pytest

from agi.secret import secret_of
from assembly.routes import own_asterisk
from dialplan.render import OUR_CONTEXTS, RenderError, rendered_dialplan
from settings import Settings, SettingsError, load_settings

SECRET = "0123456789abcdef" * 4


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "tollgate.toml").write_text('[agi]\nsecret_file = "agi-secret"\n')
    return load_settings(tmp_path / "tollgate.toml")


def write(settings: Settings, content: bytes, *, mode: int = 0o600) -> None:
    file = settings.agi.secret_file
    assert file is not None
    file.write_bytes(content)
    file.chmod(mode)


@pytest.mark.parametrize(("content", "mode"), [(SECRET, 0o600), (f"{SECRET}\n", 0o640)])
def test_a_secret_is_read(settings: Settings, content: str, mode: int) -> None:
    write(settings, content.encode(), mode=mode)
    assert secret_of(settings) == SECRET


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (SECRET.encode(), 0o604, "everybody may read"),
        (b"", 0o600, "is not 32 to 256 letters and digits"),
        (b"short", 0o600, "openssl rand -hex 32"),
        (SECRET.encode() + b"\nmore", 0o600, "is not 32 to 256"),
        (SECRET.encode() * 9, 0o600, "is not 32 to 256"),
        (b"\xff" * 40, 0o600, "it is not letters and digits"),
    ],
)
def test_what_is_no_secret_stops_the_start(
    settings: Settings, content: bytes, mode: int, said: str
) -> None:
    write(settings, content, mode=mode)
    with pytest.raises(SettingsError, match=re.escape(said)) as refused:
        secret_of(settings)
    assert SECRET not in str(refused.value)


def test_a_missing_file_stops_the_start(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        secret_of(settings)
    assert secret_of(Settings()) is None


def test_the_dialplan_reads_the_secret_and_does_not_hold_it(settings: Settings) -> None:
    write(settings, SECRET.encode())
    written = rendered_dialplan(own_asterisk(settings))[OUR_CONTEXTS]
    assert f"FILE({settings.agi.secret_file},0,256)" in written
    assert SECRET not in written


def test_a_name_that_would_end_the_argument_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tollgate.toml").write_text('[agi]\nsecret_file = "a,b)"\n')
    with pytest.raises(RenderError, match="agi_secret_file"):
        rendered_dialplan(own_asterisk(load_settings(tmp_path / "tollgate.toml")))
