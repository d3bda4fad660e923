"""Where the secrets of card payments come from, and who sees them."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from payments.keys import Keys, keys_of, sandbox_keys
from settings import PaymentsSettings, SettingsError


def stripe_settings(**fields: Any) -> PaymentsSettings:
    return PaymentsSettings(processor="stripe", **fields)


def test_keys_come_from_the_settings_or_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk_live_1\n")
    (tmp_path / "secret").write_text("whsec_new whsec_old\n")
    in_files = stripe_settings(
        stripe_key_file=tmp_path / "key", webhook_secret_file=tmp_path / "secret"
    )
    told = stripe_settings(
        stripe_key=SecretStr("sk_live_1"), webhook_secret=SecretStr("whsec_new whsec_old")
    )
    expected = Keys(api_key="sk_live_1", webhook_secrets=("whsec_new", "whsec_old"))
    assert keys_of(in_files) == keys_of(told) == expected


def test_no_key_is_ever_shown() -> None:
    told = stripe_settings(stripe_key=SecretStr("sk_live_1"), webhook_secret=SecretStr("whsec_1"))
    shown = f"{told!r} {told} {keys_of(told)!r}"
    assert "sk_live_1" not in shown
    assert "whsec_1" not in shown


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "stripe_key or stripe_key_file is missing"),
        ({"stripe_key": SecretStr("  ")}, "is missing"),
        ({"stripe_key_file": Path("/nowhere")}, "cannot be read"),
        ({"stripe_key": SecretStr("k"), "stripe_key_file": Path("/x")}, "are both there"),
    ],
)
def test_a_missing_key_stops_the_start_in_one_sentence(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        keys_of(stripe_settings(**fields))


def test_without_a_webhook_secret_the_endpoint_is_off() -> None:
    assert keys_of(stripe_settings(stripe_key=SecretStr("k"))).webhook_secrets == ()


def test_the_sandboxs_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: sandbox_keys(folder).api_key, range(32)))
    assert len(made) == 1
    assert sandbox_keys(tmp_path / "other").api_key not in made
    assert [file.name for file in folder.iterdir()] == ["key"]
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    assert keys_of(PaymentsSettings(sandbox_folder=folder)).api_key in made


def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="sandbox_folder"):
        sandbox_keys(tmp_path / "file")


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "0.0.0.0"},  # noqa: S104 - what is refused
        {"address": "example.com"},
        {"sandbox_url": "https://x/y"},
        {"processor": "paypal"},
        {"port": 0},
        {"port": 70000},
    ],
)
def test_settings_that_would_open_a_hole_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PaymentsSettings(**fields)
