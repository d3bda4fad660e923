"""A part of `make files`: no damaged file stops a reader or a call."""

import pytest

from trials.files import READERS, run


@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_refused_in_one_sentence_and_calls_go_on(kind: str) -> None:
    outcome = run(kind, files=150, seed=1)
    assert not outcome.problems
    assert 0 < outcome.accepted < outcome.tried
