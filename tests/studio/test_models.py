"""Models that are joined from parts: whole or not at all, and once."""

import hashlib
from pathlib import Path

import pytest

from studio.models import EAR, VOICE, Model, ModelMissingError, folder_of

PARTS = {"part1/a.bin": b"first ", "part2/b.bin": b"second"}


def model(*, sha256: str = hashlib.sha256(b"first second").hexdigest()) -> Model:
    return Model(
        name="small", requirements="", parts={"all.bin": tuple(PARTS)}, sha256={"all.bin": sha256}
    )


def put(_: Model, target: Path) -> None:
    for name, content in PARTS.items():
        (target / name).parent.mkdir(parents=True)
        (target / name).write_bytes(content)


def refuse(_: Model, target: Path) -> None:
    pytest.fail(f"fetched into {target} a second time")


def test_a_model_is_joined_from_its_parts_and_fetched_once(tmp_path: Path) -> None:
    folder = folder_of(model(), cache=tmp_path, fetch=put)
    assert (folder / "all.bin").read_bytes() == b"first second"
    assert folder_of(model(), cache=tmp_path, fetch=refuse) == folder
    assert [file.name for file in folder.parent.iterdir()] == ["small"]  # and no parts are left


def test_another_model_than_the_one_that_was_tried_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"all\.bin is not the one that was tried"):
        folder_of(model(sha256="0" * 64), cache=tmp_path, fetch=put)
    assert list((tmp_path / "models").iterdir()) == []


def test_packages_without_a_part_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"hold no .*part1/a\.bin"):
        folder_of(model(), cache=tmp_path, fetch=lambda _model, _target: None)


@pytest.mark.parametrize("known", [EAR, VOICE], ids=lambda known: str(known.name))
def test_every_file_of_a_known_model_has_its_checksum(known: Model) -> None:
    assert known.parts.keys() == known.sha256.keys()
