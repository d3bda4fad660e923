"""What stays of a trial."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from trials.evidence import kept_if_wrong


@dataclass(frozen=True)
class Outcome:
    problems: tuple[str, ...]


async def trial(folder: Path, problems: tuple[str, ...]) -> Outcome:
    (folder / "carrier.log").write_text("answered")
    return Outcome(problems)


@pytest.fixture(autouse=True)
def _folders_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_nothing_stays_of_a_trial_in_which_nothing_was_wrong(tmp_path: Path) -> None:
    said: list[str] = []

    asyncio.run(kept_if_wrong("soak", lambda folder: trial(folder, ()), said.append))

    assert not list(tmp_path.iterdir())
    assert said == []


def test_what_a_trial_saw_stays_where_something_was_wrong(tmp_path: Path) -> None:
    said: list[str] = []

    asyncio.run(kept_if_wrong("soak", lambda folder: trial(folder, ("a wrong call",)), said.append))

    (kept,) = tmp_path.iterdir()
    assert (kept / "carrier.log").exists()
    assert str(kept) in said[0]


def test_what_a_trial_saw_stays_where_the_trial_itself_fails(tmp_path: Path) -> None:
    async def fails(folder: Path) -> Outcome:
        (folder / "carrier.log").touch()
        raise RuntimeError("no Asterisk")

    said: list[str] = []
    with pytest.raises(RuntimeError, match="no Asterisk"):
        asyncio.run(kept_if_wrong("soak", fails, said.append))

    (kept,) = tmp_path.iterdir()
    assert (kept / "carrier.log").exists()
    assert str(kept) in said[0]
