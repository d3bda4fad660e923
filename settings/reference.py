"""`make docs`: every setting in words, and a settings file to copy, made from `settings.model`.

What a setting means stands below it there, as a docstring.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeGuard, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from settings.model import NO_SECRET, Settings

ROOT = Path(__file__).parents[1]
EXAMPLE = Path("tollgate.example.toml")
CONFIGURE = Path("docs/configure.md")
LINE_WIDTH = 100

_EXAMPLE_HEAD = """\
# Every setting of Tollgate, with its default: copy what you change to tollgate.toml.
# Made from settings/model.py by `make docs`; docs/configure.md has the same as a table.
# A variable of the environment wins over the file: TOLLGATE_DATABASE__URL is [database] url.
# A relative path starts at the folder of the settings file.
"""
_CONFIGURE_HEAD = """\
# Settings

Made from `settings/model.py` by `make docs`. [tollgate.example.toml](../tollgate.example.toml) is
the same as a file to copy.

Tollgate reads the file that `TOLLGATE_SETTINGS` names, or else `tollgate.toml` of the current
folder, or else `/etc/tollgate/tollgate.toml`, or else nothing but the environment. Each setting may
also be a variable of the environment, which wins: `TOLLGATE_DATABASE__URL` is `url` of
`[database]`. Relative paths start at the file's folder. A section or a setting that Tollgate does
not know is refused.

Each process reads the sections that it needs and keeps nothing of the others: `python -m agi` knows
no password of ARI or AMI, and a mistake in `[ami]` does not stop it. `tollgate settings check` and
`tollgate doctor` look at all of them. A secret may be in a file of its own, which then only the
user of that process has to be able to read; with systemd:

    LoadCredential=ami.secret:/etc/tollgate/ami.secret

    [ami]
    secret_file = "/run/credentials/tollgate.service/ami.secret"
"""


class UndescribedSettingError(Exception):
    """A section or a setting of the model has no docstring."""


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    meaning: str
    values: str  # what may stand there, with its unit
    default: str | None  # as TOML; None: without one it is off, or has to be given
    example: str  # as TOML
    required: bool


class Section(NamedTuple):
    heading: str  # as TOML writes it: trunks.trunk
    meaning: str
    settings: list[Setting]
    optional: bool  # may be left out as a whole, and then there is no default


def sections() -> Iterator[Section]:
    """Every section of the model, in its order.

    Raises:
        UndescribedSettingError: something of it is not described.
    """
    for name, field in Settings.model_fields.items():
        model = _model_in(field.annotation)
        if get_origin(field.annotation) is dict:
            heading = f"{name}.{next(iter(field.default))}"
        else:
            heading = name
        yield from _sections_of(model, heading, optional=field.default is None)


def _sections_of(model: type[BaseModel], heading: str, *, optional: bool) -> Iterator[Section]:
    if not model.__doc__:
        raise UndescribedSettingError(heading)
    meanings = _docstrings(model)
    fields = model.model_fields
    inner = {name for name, field in fields.items() if _is_model(field.annotation)}
    settings = [
        _setting(name, field, meanings.get(name))
        for name, field in fields.items()
        if name not in inner
    ]
    yield Section(heading, _line(model.__doc__), settings, optional)
    for name in inner:
        within = _model_in(fields[name].annotation)
        yield from _sections_of(within, f"{heading}.{name}", optional=False)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each field."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    return {
        field.target.id: _line(text.value.value)
        for field, text in pairwise(getattr(body, "body", ()))
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


def _setting(name: str, field: FieldInfo, meaning: str | None) -> Setting:
    if meaning is None:
        raise UndescribedSettingError(name)
    required = field.is_required() or field.default == NO_SECRET
    default = None if required or field.default is None else _toml(field.default)
    example = _toml(field.examples[0]) if field.examples else default
    if example is None:
        raise UndescribedSettingError(f"{name} has neither a default nor an example")
    values = _values(name, field.annotation)
    return Setting(name, meaning, values, default, example, required)


_OTHER_KINDS: dict[Any, str] = {SecretStr: "a secret", Decimal: "a number", tuple: "a list"}


def _values(name: str, annotation: Any) -> str:
    """What may stand there: the unit is the end of the name."""
    kinds = {each for each in _parts(annotation) if each is not type(None)}
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{_toml(value)}`" for value in get_args(annotation))
    if name.endswith("_s"):
        return "seconds" if float in kinds else "whole seconds"
    if bool in kinds:
        return "`true`, `false`"
    if int in kinds:
        return "a port" if name.endswith("port") else "a whole number"
    if Path in kinds:
        return "a folder" if name.endswith("folder") else "a file"
    kind = next(iter(kinds))
    return _OTHER_KINDS.get(get_origin(kind) or kind, "text")


def _parts(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is UnionType:
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _model_in(annotation: Any) -> type[BaseModel]:
    parts = get_args(annotation) or (annotation,)
    return next(part for part in parts if _is_model(part))


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        str(value)
        if isinstance(value, int | float | Decimal)
        else json.dumps(value, ensure_ascii=False, default=str)
    )


def _line(text: str) -> str:
    return " ".join(text.split())


# --- the two documents -----------------------------------------------------------------------


def example_toml() -> str:
    return _EXAMPLE_HEAD + "".join(map(_section_as_toml, sections()))


def _section_as_toml(section: Section) -> str:
    lines = ["", *_comment(section.meaning), f"[{section.heading}]"]
    for setting in section.settings:
        assigned = f"{setting.name} = {setting.example}"
        lines += ["", *_comment(f"{setting.meaning} ({_plain(setting.values)})")]
        lines.append(assigned if setting.required else f"# {assigned}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("`", "")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, LINE_WIDTH - 2, break_on_hyphens=False)]


def configure_md() -> str:
    return _CONFIGURE_HEAD + "".join(map(_section_as_table, sections()))


def _section_as_table(section: Section) -> str:
    lines = ["", f"## [{section.heading}]", "", section.meaning, ""]
    lines += ["| setting | value | default | what it means |", "|---|---|---|---|"]
    for setting in section.settings:
        default = "must be given" if setting.required else _default_in_words(setting)
        meaning = setting.meaning.replace("|", "\\|")
        lines.append(f"| `{setting.name}` | {setting.values} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default_in_words(setting: Setting) -> str:
    return "none" if setting.default is None else f"`{setting.default}`"


def main() -> None:
    (ROOT / EXAMPLE).write_text(example_toml(), encoding="utf-8")
    (ROOT / CONFIGURE).write_text(configure_md(), encoding="utf-8")


if __name__ == "__main__":
    main()
