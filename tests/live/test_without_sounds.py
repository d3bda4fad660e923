"""Asterisk finds no sounds: the call goes on, and nobody says that the balance was announced."""

from pathlib import Path

import pytest

from tests.live.conftest import FRANCE, StartOffice

pytestmark = pytest.mark.live


async def test_balance_that_asterisk_has_no_sound_for_was_not_announced(
    start_office: StartOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("balance_not_announced")
        await paid.application.wait_for("interval_debited")
        await phone.hang_up()
        said = [entry["event"] for entry in paid.application.entries()]
        assert "balance_announced" not in said
