"""What is written as SARIF is SARIF, whatever was found and wherever it is written."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from dialplan.config_text import Line
from dialplan.walk import rules
from dialplan.walk.inspection import Finding
from dialplan.walk.reached import Place
from dialplan.walk.sarif import sarif
from tests.dialplan.walk.sarif_schema import SARIF

VALID = jsonschema_rs.Draft7Validator(json.loads(json.dumps(SARIF)), validate_formats=True)
KEY = ("office", "_0X.", 1)
PLACE = Place("office", "0033142685300", 1)
FOUND = [
    Finding(rule=rule, message=f"{rule.name} “…”", context="office", key=key, witness="00", way=way)
    for rule in rules.RULES
    for key in (KEY, None)
    for way in ((PLACE, PLACE), ())
]


@pytest.mark.parametrize("lines", [{}, {KEY: Line("tollgate/my file.conf", 7)}])
def test_every_rule_s_finding_is_valid_with_and_without_a_place(
    lines: dict[tuple[str, str, int], Line],
) -> None:
    document = written(lines)
    assert [error.message for error in VALID.iter_errors(document)] == []
    (run,) = document["runs"]
    assert len(run["results"]) == len(FOUND)


def test_nothing_found_is_valid_too() -> None:
    assert VALID.is_valid(json.loads(json.dumps(sarif([], {}, version="1"))))


def _without_message(run: dict[str, Any]) -> None:
    del run["results"][0]["message"]


def _line_nought(run: dict[str, Any]) -> None:
    run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0


def _empty_flow(run: dict[str, Any]) -> None:
    run["results"][0]["codeFlows"][0]["threadFlows"] = []


def _word_of_our_own(run: dict[str, Any]) -> None:
    run["results"][0]["dial"] = "00"


@pytest.mark.parametrize("spoil", [_without_message, _line_nought, _empty_flow, _word_of_our_own])
def test_what_is_not_valid_is_seen(spoil: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(written({KEY: Line("extensions.conf", 7)}))
    spoil(document["runs"][0])
    assert not VALID.is_valid(document)


def written(lines: dict[tuple[str, str, int], Line]) -> Any:
    return json.loads(json.dumps(sarif(FOUND, lines, version="1.0")))
