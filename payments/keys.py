"""The secrets of card payments: from the settings or from files, and those the sandbox makes."""

import contextlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from settings import PaymentsSettings, SettingsError

_KEY_FILE = "key"
_SIZE_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What proves us to a processor, and it to us."""

    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)  # none: webhooks are not taken


def keys_of(payments: PaymentsSettings) -> Keys:
    """Raises SettingsError: the processor wants a key, and there is none that can be read."""
    if payments.processor == "sandbox":
        return sandbox_keys(payments.sandbox_folder)
    key = _secret(payments.stripe_key, payments.stripe_key_file, "stripe_key")
    if not key:
        raise SettingsError("payments: stripe_key or stripe_key_file is missing: Stripe wants one")
    told = _secret(payments.webhook_secret, payments.webhook_secret_file, "webhook_secret")
    return Keys(api_key=key, webhook_secrets=tuple(told.split()))


def _secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    if value is not None and file is not None:
        raise SettingsError(f"payments: {name} and {name}_file are both there: one of them, please")
    if value is not None:
        return value.get_secret_value().strip()
    if file is None:
        return ""
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(_SIZE_MAX).strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"payments: {name}_file: {file} cannot be read: {error}") from error


def sandbox_keys(folder: Path) -> Keys:
    """Made by whoever is first; the sandbox and `python -m payments` run as one user.

    Raises:
        SettingsError: the folder cannot be written or read.
    """
    file = folder / _KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make(file)
        key = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"payments: sandbox_folder: {file}: {error}") from error
    return Keys(api_key=f"sk_sandbox_{key}", webhook_secrets=(f"whsec_sandbox_{key}",))


def _make(file: Path) -> None:
    """Whole or not at all: another process may read it at this moment."""
    if file.exists():
        return
    draft = file.with_name(f"{_KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(secrets.token_hex(24))
    with contextlib.suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
