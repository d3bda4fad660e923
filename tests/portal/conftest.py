from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.site import Site, migrated, portal_site


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("portal"))


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Iterator[Site]:
    with portal_site(template, tmp_path) as opened:
        yield opened
