"""The voice that comes with Tollgate, unpacked once for all tests."""

import pytest

from prompts.build import build_voice
from prompts.library import Library
from prompts.pack import PackEngine
from prompts.phrases import LANGUAGES


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Both languages, unpacked as set-up does where no engine runs."""
    library = Library(tmp_path_factory.mktemp("sounds"))
    for language in LANGUAGES:
        build_voice(library, language, PackEngine())
    return library
