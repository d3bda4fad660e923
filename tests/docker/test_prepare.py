"""What the two containers are given, made once and left alone; `make images` runs all of it."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from dialplan.render import render
from settings import Settings, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    file = ROOT / "docker/tollgate/prepare.py"
    spec = importlib.util.spec_from_file_location("prepare_of_the_image", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prepared(module: ModuleType, root: Path, *, password: str = "") -> Settings:
    """Settings, phones and secrets of a first start, without ledger and sounds."""
    module.make_files(root, password)
    return load_settings(root / "tollgate/tollgate.toml")


def files_below(root: Path) -> Mapping[Path, str]:
    return {file: file.read_text() for file in root.rglob("*") if file.is_file()}


def test_what_is_there_is_the_admins(prepare: ModuleType, tmp_path: Path) -> None:
    prepared(prepare, tmp_path)
    settings = tmp_path / "tollgate/tollgate.toml"
    settings.write_text(settings.read_text() + "\n[call]\nring_timeout_s = 30\n")
    before = files_below(tmp_path)
    assert prepared(prepare, tmp_path).call.ring_timeout_s == 30
    assert files_below(tmp_path) == before
    assert {file.stat().st_mode & 0o077 for file in before} == {0}


def test_asterisk_gets_the_passwords_that_tollgate_has(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLGATE_ASTERISK__SIP_ADDRESS", "172.28.99.10")
    monkeypatch.setenv("TOLLGATE_ASTERISK__PUBLIC_ADDRESS", "192.0.2.10")
    settings = prepared(prepare, tmp_path)
    etc = render(prepare.asterisk_config(tmp_path, settings))
    assert settings.ari is not None
    assert (
        f"password = {settings.ari.password.get_secret_value()}" in (etc / "ari.conf").read_text()
    )
    pjsip = (etc / "pjsip.conf").read_text()
    assert "external_media_address = 192.0.2.10" in pjsip
    assert "local_net = 172.28.99.10/32" in pjsip
    assert "bindaddr = 127.0.0.1" in (etc / "http.conf").read_text()
    assert "bindaddr = 127.0.0.1" in (etc / "manager.conf").read_text()


def test_a_phone_keeps_its_password_and_a_new_one_gets_its_own(
    prepare: ModuleType, tmp_path: Path
) -> None:
    settings = prepared(prepare, tmp_path)
    first = dict(prepare.asterisk_config(tmp_path, settings).secrets.phones)
    assert set(first) == {"1001", "1002"}
    phones = tmp_path / "tollgate/phones.toml"
    phones.write_text(phones.read_text() + '\n[phones.1003]\nname = "Salle"\n')
    second = dict(prepare.asterisk_config(tmp_path, settings).secrets.phones)
    assert set(second) == {"1001", "1002", "1003"}
    assert {name: second[name] for name in first} == first
    assert len(set(second.values())) == 3


def test_a_password_means_postgresql_whatever_is_in_it(prepare: ModuleType, tmp_path: Path) -> None:
    odd = 'p@ss:/"word'
    settings = prepared(prepare, tmp_path, password=odd)
    assert settings.database.url == (
        "postgresql://tollgate:p%40ss%3A%2F%22word@postgresql/tollgate"
    )
    sqlite = prepared(prepare, tmp_path / "other")
    assert sqlite.database.url == f"sqlite:///{tmp_path / 'other/tollgate/ledger.sqlite'}"


@pytest.mark.parametrize(("written", "wanted"), [("", "secret"), ("secret", "")])
def test_a_ledger_never_seems_empty_because_another_profile_was_chosen(
    prepare: ModuleType, tmp_path: Path, written: str, wanted: str
) -> None:
    settings = prepared(prepare, tmp_path, password=written)
    prepare.require_the_same_database(settings, wants_postgresql=bool(written))
    with pytest.raises(prepare.PrepareError, match="a ledger is moved by hand"):
        prepare.require_the_same_database(settings, wants_postgresql=bool(wanted))
