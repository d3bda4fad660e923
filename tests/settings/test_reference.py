import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from settings import Settings, load_settings
from settings.reference import UndescribedSettingError, example_toml, sections

SECRETS = {"ari": "password", "ami": "secret"}
IN_A_FILE = (  # or there
    'password_file = "ari.password"',
    'secret_file = "ami.secret"',
    'smtp_password_file = "smtp.password"',
)


def loaded(text: str, folder: Path) -> Settings:
    file = folder / "tollgate.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_the_example_as_it_is_says_nothing_but_defaults(tmp_path: Path) -> None:
    example = loaded(example_toml(), tmp_path).model_dump(exclude=set(SECRETS))
    assert example == loaded("", tmp_path).model_dump(exclude=set(SECRETS))


def test_every_line_of_the_example_may_be_uncommented(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=[a-z_]+ = )", "", example_toml(), flags=re.MULTILINE)
    text = re.sub(rf"^({'|'.join(IN_A_FILE)})", "", text, flags=re.MULTILINE)
    every = loaded(text, tmp_path).model_dump()
    plain = loaded("", tmp_path).model_dump()
    for section in sections():
        found, expected = inside(every, section.heading), inside(plain, section.heading)
        assert found.keys() >= {setting.name for setting in section.settings}
        for setting in section.settings:
            if f"{setting.name} = {setting.example}" in IN_A_FILE:
                continue
            if setting.default is not None and expected:
                assert found[setting.name] == expected[setting.name], setting.name
            else:
                assert found[setting.name] is not None, setting.name


def inside(settings: dict[str, dict[str, object]], heading: str) -> dict[str, object]:
    found: object = settings
    for name in heading.split("."):
        found = found[name] if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def test_every_setting_of_the_model_is_there() -> None:
    names = {
        f"{section.heading}.{each.name}" for section in sections() for each in section.settings
    }
    assert {
        "ari.password",
        "agi.codes.balance",
        "offices.main.deck",
        "trunks.trunk.timers",
    } <= names
    assert len(names) == fields_below(Settings)


def fields_below(model: type[BaseModel]) -> int:
    """How many values the whole model holds."""
    return sum(
        fields_below(inner) if (inner := model_in(field.annotation)) else 1
        for field in model.model_fields.values()
    )


def model_in(annotation: object) -> type[BaseModel] | None:
    parts = getattr(annotation, "__args__", (annotation,))
    models = (part for part in parts if isinstance(part, type) and issubclass(part, BaseModel))
    return next(models, None)


def test_a_setting_without_a_word_about_it_stops_the_documents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Undescribed(BaseModel):
        """Something."""

        silent: int = 1

    monkeypatch.setattr(Settings.model_fields["database"], "annotation", Undescribed)
    with pytest.raises(UndescribedSettingError, match="silent"):
        example_toml()
