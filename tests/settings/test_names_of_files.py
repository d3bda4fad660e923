"""Settings may name a file with anything; who is told of it reads one plain sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

from charging.plain_text import is_plain
from dialplan.phones import PhonesError, load_phones
from plans.files import PlanFileError, read_plan
from settings import SettingsError, load_settings
from settings.toml_file import NAME_MAX, SENTENCE_MAX, named

LONGEST = SENTENCE_MAX + NAME_MAX + len("there is no settings file …")
READERS = {"plan": read_plan, "phones": load_phones, "settings": load_settings}


@pytest.mark.parametrize("name", ["uk\u202egol.toml", "a\nb.toml", "x" * 5000, "d/" * 2500])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_file_of_any_name_is_told_of_in_one_plain_sentence(
    read: Callable[[Path], object], name: str, tmp_path: Path
) -> None:
    with pytest.raises((PlanFileError, PhonesError, SettingsError)) as refused:
        read(tmp_path / name)
    assert is_plain(str(refused.value))
    assert len(str(refused.value)) <= LONGEST


def test_of_a_long_name_the_end_is_told() -> None:
    assert named(Path("/etc/tollgate/uk.toml")) == "/etc/tollgate/uk.toml"
    assert named(Path(f"/{'x' * 500}/uk.toml")).endswith("xxx/uk.toml")
    assert named(Path("uk\u202e.toml")) == r"uk\u202e.toml"
