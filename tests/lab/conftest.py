"""What the tests of the laboratory share: the tools, found or built once, and spoken clips."""

from collections.abc import Callable
from pathlib import Path
import subprocess

import pytest

from lab.telephony import Telephony, find_telephony

CLIPS = {
    "en": {
        "service-unavailable": "This service is not available at the moment",
        "number-not-valid": "The number you have dialled is not valid",
        "funds-exhausted": "Your funds have run out",
    }
}


@pytest.fixture(scope="session")
def telephony() -> Telephony:
    return find_telephony()


@pytest.fixture(scope="session")
def sounds(telephony: Telephony, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The few clips that the dialplan plays by itself, as prompts would lay them out."""
    folder = tmp_path_factory.mktemp("sounds")
    return folder
