"""What managers set, on both databases: every change is kept, and the last one is in force."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from charging.managers_settings import SettingChange
from charging.provenance import FromManager, Sourced
from charging.usecases import Charging
from db.audit_trail import changes
from db.ledger import read_from
from db.managers_settings import read_currencies, read_history, read_settings, store_setting
from tests.fakes.charging import gbp
from tests.fakes.clock import START

MOVED = SettingChange(
    office_id="nice", name="country", value="BE", actor="portal:anne", reason="moved", at=START
)
LATER = START + timedelta(hours=1)


def test_what_was_set_last_is_in_force_with_who_and_when(engine: Engine) -> None:
    assert read_from(engine, read_settings) == {}
    store_setting(engine, MOVED)
    store_setting(engine, replace(MOVED, value="FR", actor="cli:root", reason="", at=LATER))
    assert read_from(engine, read_settings) == {
        ("nice", ""): {"country": Sourced("FR", FromManager(actor="cli:root", at=LATER))}
    }


def test_offices_and_extensions_have_settings_of_their_own(engine: Engine) -> None:
    store_setting(engine, MOVED)
    store_setting(engine, replace(MOVED, office_id="main", value="IE"))
    store_setting(engine, replace(MOVED, endpoint="nice-1", name="language", value="fr"))
    found = read_from(engine, read_settings)
    assert {whose: dict(layer).keys() for whose, layer in found.items()} == {
        ("nice", ""): {"country"},
        ("main", ""): {"country"},
        ("nice", "nice-1"): {"language"},
    }


def test_what_was_unset_is_as_if_it_had_never_been_set_and_the_history_tells(
    engine: Engine,
) -> None:
    store_setting(engine, MOVED)
    store_setting(engine, replace(MOVED, value=None, at=LATER, reason="a slip"))
    assert read_from(engine, read_settings) == {}
    told = read_from(engine, lambda reader: read_history(reader, "nice", limit=9))
    assert [(change.value, change.reason) for change in told] == [(None, "a slip"), ("BE", "moved")]
    assert read_from(engine, lambda reader: read_history(reader, "main", limit=9)) == []


def test_what_changes_nothing_is_not_kept(engine: Engine) -> None:
    for change in (replace(MOVED, value=None), MOVED, replace(MOVED, at=LATER)):
        store_setting(engine, change)
    assert len(read_from(engine, lambda reader: read_history(reader, "nice", limit=9))) == 1


def test_a_change_stands_in_the_trail_of_changes(engine: Engine) -> None:
    store_setting(engine, MOVED, client_address="192.0.2.7")
    extension = replace(MOVED, endpoint="nice-1", name="day_limit", value="5.00")
    store_setting(engine, extension)
    of_extension, of_office = read_from(engine, lambda reader: changes(reader, "nice", limit=9))
    assert (of_office.change.action, of_office.change.subject) == ("office.set", "country")
    assert (of_office.change.before, of_office.change.after) == ("", "BE")
    assert of_office.change.client_address == "192.0.2.7"
    assert of_extension.change.subject == "nice-1.day_limit"


@pytest.mark.parametrize(
    "statement", ["UPDATE setting_changes SET value = 'GB'", "DELETE FROM setting_changes"]
)
def test_the_history_is_append_only(engine: Engine, statement: str) -> None:
    store_setting(engine, MOVED)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))


async def test_an_office_with_an_account_has_its_currency(
    engine: Engine, charging: Charging
) -> None:
    assert read_from(engine, read_currencies) == {}
    await charging.top_up("main", amount=gbp("5"), key="k", actor="test", reason="")
    assert read_from(engine, read_currencies) == {"main": "GBP"}
