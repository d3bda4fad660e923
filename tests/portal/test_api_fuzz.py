"""A few requests of every kind to every address of the API; `make api-fuzz` sends many more."""

from pathlib import Path

from db.audit import audit
from portal.api.app import api_routes
from tests.portal.api_fuzz import fuzz
from tests.portal.served import lived_in

EXAMPLES = 3


def test_no_answer_is_a_fault_or_one_that_the_description_does_not_know(tmp_path: Path) -> None:
    with lived_in(tmp_path) as site:
        answered = fuzz(site, EXAMPLES)
        assert site.read(audit).problems == ()
    asked = {name for name, _ in answered}
    listed = {f"{method} {route.path}" for route in api_routes() for method in route.methods or ()}
    assert asked == listed
    assert {status for _, status in answered} >= {200, 201, 202, 401, 404, 422}
