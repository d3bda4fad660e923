"""The voice that comes with Tollgate, unpacked once for all tests."""

import pytest

from prompts.library import Library
from tests.prompts.voices import unpacked_once


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Both languages, unpacked as set-up does."""
    return unpacked_once(tmp_path_factory)
