"""The description of the API as a page shows it. Pure: from OpenAPI to what a table holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.api.problems import MEDIA_TYPE
from portal.api.reference import name_of


@dataclass(frozen=True, slots=True)
class ShownField:
    name: str
    place: str  # "path", "query", "header", "body"; "" of a type
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    status: str
    what: str  # the type of what is sent, or the codes of the problems


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    summary: str
    roles: Sequence[str]
    fields: Sequence[ShownField]
    answers: Sequence[ShownAnswer]

    @property
    def anchor(self) -> str:
        return f"{self.method}{self.path}".lower().translate(str.maketrans("/{}", "---"))


@dataclass(frozen=True, slots=True)
class ShownType:
    name: str
    fields: Sequence[ShownField]
    kind: str  # of what has no fields

    @property
    def anchor(self) -> str:
        return f"type-{self.name}"


def operations(document: Mapping[str, Any]) -> list[Operation]:
    return [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        roles=operation["x-roles"],
        fields=[*_parameters(operation), *_body(operation)],
        answers=[_answer(status, each) for status, each in operation["responses"].items()],
    )


def _parameters(operation: Mapping[str, Any]) -> Iterator[ShownField]:
    for each in operation.get("parameters", ()):
        kind, required = kind_of(each["schema"]), each.get("required", False)
        yield ShownField(each["name"], each["in"], kind, required)


def _body(operation: Mapping[str, Any]) -> Iterator[ShownField]:
    body = operation.get("requestBody")
    if body is not None:
        [content] = body["content"].values()
        yield ShownField("", "body", kind_of(content["schema"]), required=True)


def _answer(status: str, answer: Mapping[str, Any]) -> ShownAnswer:
    content = answer.get("content", {})
    if MEDIA_TYPE in content:
        return ShownAnswer(status, answer["description"])
    named = [kind_of(each["schema"]) for each in content.values()]
    return ShownAnswer(status, ", ".join(named))


def types(document: Mapping[str, Any]) -> list[ShownType]:
    return [_type(name, each) for name, each in document["components"]["schemas"].items()]


def _type(name: str, schema: Mapping[str, Any]) -> ShownType:
    properties = schema.get("properties")
    if properties is None:
        return ShownType(name, (), kind_of(schema))
    required = schema.get("required", ())
    fields = [
        ShownField(each, "", kind_of(of), each in required) for each, of in properties.items()
    ]
    return ShownType(name, fields, "")


def kind_of(schema: Mapping[str, Any]) -> str:
    """A type in a few words of JSON Schema."""
    if "$ref" in schema:
        return name_of(schema)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(kind_of(each) for each in schema[several]))
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values is not None:
        return " | ".join(map(str, values))
    of = schema.get("additionalProperties")
    match schema.get("type"):
        case "array":
            return f"[{kind_of(schema['items'])}]"
        case "object" if isinstance(of, dict):
            return f"{{…: {kind_of(of)}}}"
        case plain:
            return str(schema.get("format") or plain or "")
