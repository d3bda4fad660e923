"""The settings file: what is wrong with it is said in one sentence, and nothing starts."""

from pathlib import Path

import pytest

from settings import SettingsError, load_settings

GOOD = """
[ari]
password = "ari-secret"
[ami]
secret = "ami-secret"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "tollgate.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_secrets_are_enough_and_the_rest_has_defaults(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.ari is not None
    assert settings.ari.app_name == "tollgate"
    assert settings.offices["main"].plan == "uk"


def test_secrets_do_not_show_in_representations(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, GOOD))
    assert "ari-secret" not in repr(settings)
    assert "ami-secret" not in f"{settings.model_dump()}"


def test_environment_overrides_one_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLGATE_ARI__USERNAME", "other")
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.ari is not None
    assert settings.ari.username == "other"
    assert settings.ari.password.get_secret_value() == "ari-secret"


def test_relative_paths_start_at_the_settings_file(tmp_path: Path) -> None:
    text = (
        GOOD + '[database]\nurl = "sqlite:///money.sqlite"\n[site]\nphones_file = "phones.toml"\n'
    )
    settings = load_settings(write(tmp_path, text))
    assert settings.database.url == f"sqlite:///{tmp_path / 'money.sqlite'}"
    assert settings.site.phones_file == tmp_path / "phones.toml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ari\n", "is not valid TOML"),
        ('[ari]\nusername = "x"\n', "ari: password or password_file has to be given"),
        (GOOD + "[call]\nring_timeout_s = 'soon'\n", "call.ring_timeout_s"),
        (GOOD + "[call]\nring_timout_s = 5\n", "call.ring_timout_s"),
        (GOOD + "[call]\ncut_off_early_s = 5\n", "call.cut_off_early_s"),
        (GOOD + '[agi.codes]\nprice = "*8"\n', 'price = "*8" and balance = "*80" cannot be told'),
        (GOOD + '[agi.codes]\nprice = "*80"\n', 'balance = "*80" and price = "*80" cannot be told'),
        (GOOD + '[agi.codes]\nprice = "999"\n', 'price = "999" is not * or #'),
        (GOOD + '[agi]\naddress = "0.0.0.0"\n', "0.0.0.0 is not of this machine alone"),
        (GOOD + "[agi]\nport = 70000\n", "agi.port"),
        (GOOD + '[site]\ncountry = "UK"\n', "site.country: 'UK' is not the ISO 3166 code"),
        (GOOD + '[site]\ncountry = "gb"\n', 'write "GB"'),
        (GOOD + '[site]\ncountry = ""\n', 'such as "GB" or "FR"'),
        (GOOD + '[site]\ncountry = "France"\n', 'write "FR"'),
        (GOOD + '[trunks.trunk]\ntimers = "always"\n', "trunks.trunk.timers"),
        (GOOD + "[trunks.trunk]\nrtp_timeout_s = -1\n", "trunks.trunk.rtp_timeout_s"),
        (GOOD + "[cal]\nring_timeout_s = 5\n", "a section that means nothing: cal"),
        ("[offices]\n", "names no office"),
        ('[offices."a:b"]\n', "'a:b' is no name of an office"),
        ("\x00\x01", "is not valid TOML"),
    ],
)
def test_damaged_file_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as refused:
        load_settings(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_without_any_file_the_ledger_lies_in_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLGATE_SETTINGS", raising=False)
    settings = load_settings()
    assert settings.database.url == f"sqlite:///{tmp_path / '.tollgate' / 'ledger.sqlite'}"
    assert settings.ari is None


def test_file_that_the_environment_names_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match=r"there is no settings file .*nowhere\.toml"):
        load_settings()


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no settings file"):
        load_settings(tmp_path / "nowhere.toml")
