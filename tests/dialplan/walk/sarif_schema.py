"""What SARIF 2.1.0 wants of the objects that are written, as a JSON schema.

The schema itself is published by no package, so this holds the parts of it that are in use: which
properties an object may and must have, and of what kind. Source: OASIS, Static Analysis Results
Interchange Format 2.1.0, the sections named.
"""

from collections.abc import Mapping
from typing import Any

TEXT: Mapping[str, Any] = {"type": "string"}
LEVEL: Mapping[str, Any] = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10


def _object(*required: str, **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of every object of SARIF that is no property bag: nothing else may be in it (3.1)."""
    return {
        "type": "object",
        "properties": {**properties, "properties": {"type": "object"}},  # 3.8, a bag of one's own
        "required": [*required],
        "additionalProperties": False,
    }


def _several(each: Mapping[str, Any], *, at_least: int = 0) -> Mapping[str, Any]:
    return {"type": "array", "items": each, "minItems": at_least}


MESSAGE = _object("text", text=TEXT)  # 3.11: text, or the id of one
RULE = _object(  # 3.49
    "id",
    id=TEXT,
    shortDescription=_object("text", text=TEXT),
    help=_object("text", text=TEXT),
    defaultConfiguration=_object(level=LEVEL),
)
LOCATION = _object(  # 3.28
    message=MESSAGE,
    physicalLocation=_object(  # 3.29
        "artifactLocation",
        artifactLocation=_object(uri={"type": "string", "format": "uri-reference"}),  # 3.4
        region=_object(startLine={"type": "integer", "minimum": 1}),  # 3.30
    ),
    logicalLocations=_several(_object(fullyQualifiedName=TEXT, kind=TEXT)),  # 3.33
)
RESULT = _object(  # 3.27
    "message",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=MESSAGE,
    partialFingerprints={"type": "object", "additionalProperties": TEXT},  # 3.27.17
    locations=_several(LOCATION),
    codeFlows=_several(  # 3.36 to 3.38
        _object(
            "threadFlows",
            threadFlows=_several(
                _object("locations", locations=_several(_object(location=LOCATION), at_least=1)),
                at_least=1,
            ),
        )
    ),
)
DRIVER = _object(  # 3.19
    "name", name={"type": "string", "minLength": 1}, version=TEXT, rules=_several(RULE)
)
RUN = _object(  # 3.14
    "tool",
    tool=_object("driver", driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_several(RESULT),
)
SARIF = _object(  # 3.13
    "version",
    "runs",
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs=_several(RUN),
)
