"""`make api-fuzz`: every address of the API, asked for what is allowed and for what is not.

An answer must be one that the description declares, in the form that it declares, and no fault of
ours; what it does not allow must be refused, and nothing is told without a token.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.python.asgi import HOST
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from sqlalchemy import text

from charging.people import Role
from db.audit import audit
from portal.api import paths
from portal.app import portal_app
from tests.portal.programs import token
from tests.portal.served import lived_in
from tests.portal.site import Site

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]


def names(site: Site) -> Mapping[str, Any]:
    """Of what there is, so that not every answer is that there is nothing."""

    def one(query: str) -> Any:
        with site.engine.connect() as reader:
            return reader.execute(text(query)).scalar_one()

    return {
        "call_id": one("SELECT call_id FROM calls LIMIT 1"),
        "payment_id": one("SELECT payment_id FROM payments WHERE state = 'credited' LIMIT 1"),
        "endpoint": "1001",
        "country": "FR",
        "by": "day",
    }


def _strategies(operation: Any, known: Mapping[str, Any]) -> Iterator[Any]:
    """Requests that are allowed, of anything and of what there is; and requests that are not."""
    yield operation.as_strategy(GenerationMode.POSITIVE)
    yield operation.as_strategy(GenerationMode.NEGATIVE)
    fixed = {each.name: known.get(each.name) for each in operation.path_parameters}
    if fixed and None not in fixed.values():
        yield operation.as_strategy(GenerationMode.POSITIVE, path_parameters=fixed)


def fuzz(site: Site, examples: int) -> Counter[tuple[str, int]]:
    """Ask; how often each operation was answered by each status.

    Raises:
        Exception: schemathesis says what was asked and what came.
    """
    app = portal_app(site.parts, hosts={HOST})
    schema: Any = schemathesis.openapi.from_asgi(paths.OPENAPI, app)
    tokens = {role.value: token(site, role) for role in Role}
    answered: Counter[tuple[str, int]] = Counter()
    known = names(site)
    for found in schema.get_all_operations():
        operation = found.ok()
        role = operation.definition.raw["x-roles"][-1]
        headers = {"authorization": f"Bearer {tokens[role]}"}
        for strategy in _strategies(operation, known):
            for name, status in _asked(strategy, headers, examples):
                answered[name, status] += 1
    return answered


def _asked(strategy: Any, headers: Mapping[str, str], examples: int) -> list[tuple[str, int]]:
    answers: list[tuple[str, int]] = []

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: Any) -> None:
        answer = case.call_and_validate(headers=dict(headers), checks=CHECKS)
        answers.append((f"{case.method} {case.path}", answer.status_code))

    ask()
    return answers


def main(examples: int) -> None:
    with tempfile.TemporaryDirectory() as folder, lived_in(Path(folder)) as site:
        answered = fuzz(site, examples)
        problems = site.read(audit).problems
    said = [f"{count:6} {status} {name}" for (name, status), count in sorted(answered.items())]
    verdict = "; ".join(problems) or "sound"
    said.append(f"{answered.total()} answers, each declared, none a fault; the ledger: {verdict}")
    sys.stdout.write("\n".join(said) + "\n")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
