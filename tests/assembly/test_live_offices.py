"""Every file takes effect when it is saved; of a wrong one, what was last good counts."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from assembly.live_offices import LiveOffices
from assembly.offices import OfficesError
from charging.errors import UnknownExtension, UnknownOffice
from charging.offices import OfficesSnapshot
from plans.files import SHIPPED_PLANS
from settings import load_settings

SETTINGS = """\
[site]
plans_folder = "plans"
phones_file = "phones.toml"
[offices.main]
plan = "uk"
"""
NICE = '[offices.nice]\nplan = "france"\n'
LACKING = "[phones.nice-1] is of the office 'nice', which the settings lack"
NICE_PHONE = '[phones.nice-1]\nextension = "1001"\noffice = "nice"\n'


class Folder:
    """Files as an admin keeps them, and the offices that a process makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plans").mkdir()
        for name in ("uk", "france"):
            shutil.copy(SHIPPED_PLANS / f"{name}.toml", folder / "plans" / f"{name}.toml")
        self.write("phones.toml", "[phones.1001]\n")
        self.write("tollgate.toml", SETTINGS)
        self.told: list[str] = []
        self.changes = 0

    def write(self, name: str, text: str) -> None:
        """As editors do: a new file in the old one's place."""
        new = self.folder / f"{name}.new"
        new.write_text(text, encoding="utf-8")
        new.replace(self.folder / name)

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def start(self) -> LiveOffices:
        settings = load_settings(self.folder / "tollgate.toml")
        return LiveOffices(settings, report=self.told.append, changed=self._count)

    def _count(self, offices: OfficesSnapshot) -> None:
        del offices
        self.changes += 1


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def in_words(live: LiveOffices) -> Mapping[str, str]:
    offices = live.snapshot()
    return {office.id: office.plan.title for office in offices.offices} | {
        extension.endpoint: f"{extension.number} of {extension.office_id}"
        for extension in offices.extensions.values()
    }


def test_a_plan_takes_effect_when_it_is_saved(folder: Folder) -> None:
    live = folder.start()
    before = live.snapshot()
    folder.change("plans/uk.toml", 'title = "UK"', 'title = "Ours"')
    assert live.snapshot() is before
    live.refresh()
    live.refresh()
    assert live.snapshot().office("main").plan.title == "Ours"
    assert folder.changes == 1
    assert before.office("main").plan.title == "UK"
    assert folder.told == []


def test_a_phone_takes_effect_when_it_is_saved(folder: Folder) -> None:
    live = folder.start()
    folder.write("phones.toml", '[phones.1002]\nlanguage = "fr"\n')
    live.refresh()
    assert live.snapshot().extension("1002").language == "fr"
    with pytest.raises(UnknownExtension):
        live.snapshot().extension("1001")


def test_an_office_is_added_changed_and_removed_without_a_restart(folder: Folder) -> None:
    live = folder.start()
    folder.write("tollgate.toml", SETTINGS + NICE)
    folder.write("phones.toml", "[phones.1001]\n" + NICE_PHONE)
    live.refresh()
    assert in_words(live) == {
        "main": "UK",
        "nice": "France",
        "1001": "1001 of main",
        "nice-1": "1001 of nice",
    }
    assert live.snapshot().extension_at("nice", "1001").endpoint == "nice-1"
    folder.write("tollgate.toml", f'{SETTINGS}{NICE}country = "BE"\n')
    live.refresh()
    assert live.snapshot().office("nice").site.country == "BE"
    folder.write("tollgate.toml", SETTINGS)
    folder.write("phones.toml", "[phones.1001]\n")
    live.refresh()
    with pytest.raises(UnknownOffice):
        live.snapshot().office("nice")
    assert folder.told == []


@pytest.mark.parametrize("first", ["settings", "phones"])
def test_files_that_belong_together_may_be_saved_in_any_order(folder: Folder, first: str) -> None:
    live = folder.start()
    saves = [("tollgate.toml", SETTINGS + NICE), ("phones.toml", f"[phones.1001]\n{NICE_PHONE}")]
    for save in saves if first == "settings" else reversed(saves):
        folder.write(*save)
        live.refresh()
        live.refresh()
    assert in_words(live)["nice-1"] == "1001 of nice"
    assert folder.told == (
        [] if first == "settings" else [f"{folder.folder}/phones.toml: {LACKING}"]
    )


def test_an_office_that_still_has_phones_is_not_removed(folder: Folder) -> None:
    folder.write("tollgate.toml", SETTINGS + NICE)
    folder.write("phones.toml", NICE_PHONE)
    live = folder.start()
    folder.write("tollgate.toml", SETTINGS)
    folder.change("plans/uk.toml", 'title = "UK"', 'title = "Ours"')
    live.refresh()
    live.refresh()
    assert in_words(live) == {"main": "Ours", "nice": "France", "nice-1": "1001 of nice"}
    (told,) = folder.told
    assert LACKING in told


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("tollgate.toml", "[offices.", "is not valid TOML"),
        ("tollgate.toml", "[offices]\n", "names no office"),
        ("tollgate.toml", SETTINGS + '[offices.nice]\nplan = "lost"\n', "lost.toml, line 1"),
        ("phones.toml", "[phones.1]\n", "is not an extension"),
        ("plans/uk.toml", "nonsense", "line 1"),
    ],
)
def test_a_wrong_file_is_refused_once_and_the_last_good_one_counts(
    folder: Folder, name: str, text: str, reason: str
) -> None:
    live = folder.start()
    before = live.snapshot()
    good = (folder.folder / name).read_text(encoding="utf-8")
    folder.write(name, text)
    for _ in range(3):
        live.refresh()
    assert live.snapshot() is before
    assert len(folder.told) == 1
    assert reason in folder.told[0]
    folder.write(name, good)
    live.refresh()
    folder.write(name, text)  # and told again when it is wrong again
    live.refresh()
    assert len(folder.told) == 2


def test_a_file_that_is_gone_leaves_what_it_said_in_force(folder: Folder) -> None:
    live = folder.start()
    before = live.snapshot()
    for name in ("plans/uk.toml", "phones.toml", "tollgate.toml"):
        (folder.folder / name).unlink()
        live.refresh()
        live.refresh()
    assert live.snapshot() is before
    assert len(folder.told) == 3


def test_a_file_replaced_by_another_of_the_same_time_and_size_is_noticed(folder: Folder) -> None:
    live = folder.start()
    file = folder.folder / "plans" / "uk.toml"
    status = file.stat()
    folder.change("plans/uk.toml", 'title = "UK"', 'title = "XY"')
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    live.refresh()
    assert live.snapshot().office("main").plan.title == "XY"


@pytest.mark.parametrize("name", ["tollgate.toml", "phones.toml", "plans/uk.toml"])
def test_nothing_starts_with_a_file_that_was_never_good(folder: Folder, name: str) -> None:
    settings = load_settings(folder.folder / "tollgate.toml")
    folder.write(name, "nonsense")
    with pytest.raises(OfficesError, match=Path(name).name):
        LiveOffices(settings, report=folder.told.append)


def test_a_plan_of_another_currency_is_refused_once_an_account_has_postings(
    folder: Folder,
) -> None:
    live = folder.start()
    live.take({}, {"main": "GBP"})
    before = live.snapshot()
    folder.change("tollgate.toml", 'plan = "uk"', 'plan = "france"')
    folder.write("phones.toml", "[phones.1001]\n[phones.1002]\n")
    live.refresh()
    live.refresh()
    assert live.snapshot().office("main") == before.office("main")
    assert live.snapshot().extension("1002")  # what is right takes effect
    assert folder.told == [
        "office main has an account in GBP, and its plan france is in EUR",
    ]
    folder.change("plans/uk.toml", 'currency = "GBP"', 'currency = "EUR"')
    folder.change("tollgate.toml", 'plan = "france"', 'plan = "uk"')
    live.refresh()
    assert live.snapshot().office("main").currency == "GBP"


def test_without_postings_an_office_may_change_its_currency(folder: Folder) -> None:
    live = folder.start()
    live.take({}, {"another": "GBP"})
    folder.change("tollgate.toml", 'plan = "uk"', 'plan = "france"')
    live.refresh()
    assert live.snapshot().office("main").currency == "EUR"


def test_a_currency_that_was_wrong_from_the_start_is_told_and_holds_up_nothing_else(
    folder: Folder,
) -> None:
    """The database was away when it began."""
    folder.write("tollgate.toml", SETTINGS + NICE)
    live = folder.start()
    live.take({}, {"main": "EUR"})
    assert folder.told == ["office main has an account in EUR, and its plan uk is in GBP"]
    folder.write("phones.toml", NICE_PHONE)
    live.refresh()
    assert live.snapshot().extension("nice-1")
    assert len(folder.told) == 1
