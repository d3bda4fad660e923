from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.site import Site, portal_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with portal_site(tmp_path) as opened:
        yield opened
