"""What was found, as SARIF 2.1.0: the form in which forges show what a check of code says.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0, sections 3.13 to 3.51.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dialplan.config_text import Line
from dialplan.walk.inspection import Finding, Key
from dialplan.walk.reached import Place
from dialplan.walk.rules import RULES, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(
    findings: Sequence[Finding], lines: Mapping[Key, Line], *, version: str
) -> Mapping[str, Any]:
    """One run; a finding without a place in a file has its place in the dialplan."""
    driver = {
        "name": "tollgate dialplan check",
        "version": version,
        "rules": [_rule(rule) for rule in RULES],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, lines) for each in findings],
            }
        ],
    }


def _rule(rule: Rule) -> Mapping[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.says},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": rule.level.value},
    }


def _result(finding: Finding, lines: Mapping[Key, Line]) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "ruleId": finding.rule.name,
        "ruleIndex": RULES.index(finding.rule),
        "level": finding.rule.level.value,
        "message": {"text": finding.message},
        "partialFingerprints": {"place/v1": f"{finding.context}:{_name(finding.key)}"},
    }
    if finding.key is not None:
        found["locations"] = [_location(finding.key, lines.get(finding.key))]
    if finding.witness:
        found["properties"] = {"context": finding.context, "dial": finding.witness}
    if finding.way:
        found["codeFlows"] = [{"threadFlows": [{"locations": [*_flow(finding.way)]}]}]
    return found


def _location(key: Key, line: Line | None) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": _name(key), "kind": "function"}]
    }
    if line is not None:
        found["physicalLocation"] = {
            "artifactLocation": {"uri": quote(line.file)},
            "region": {"startLine": line.number},
        }
    return found


def _flow(way: Iterable[Place]) -> Iterable[Mapping[str, Any]]:
    for place in way:
        yield {"location": {"message": {"text": str(place)}}}


def _name(key: Key | None) -> str:
    return "" if key is None else f"[{key[0]}] {key[1]},{key[2]}"
