"""phones.toml: what may stand in it, and how a mistake is told."""

from pathlib import Path

import pytest

from dialplan.phones import EXAMPLE, Phone, PhonesError, load_phones


def written(folder: Path, text: str) -> Path:
    file = folder / "phones.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_example_lists_two_phones() -> None:
    assert [phone.endpoint for phone in load_phones()] == ["1001", "1002"]


def test_the_examples_third_phone_is_one_entry_to_uncomment(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    start = lines.index("# [phones.1003]")
    entry = [line.removeprefix("# ") for line in lines[start:]]
    file = written(tmp_path, "\n".join([*lines[:start], *entry]))
    assert load_phones(file)[-1] == Phone(
        endpoint="1003",
        number="1003",
        name="Salle de réunion",
        language="fr",
        incoming=("442079460103",),
        said={"name": "Salle de réunion", "language": "fr"},
    )


def test_an_entry_needs_nothing_but_its_extension(tmp_path: Path) -> None:
    (phone,) = load_phones(written(tmp_path, "[phones.2001]"))
    assert phone == Phone(endpoint="2001", number="2001", name="2001", language=None, office="main")


def test_two_offices_may_have_the_same_extension(tmp_path: Path) -> None:
    london, nice = load_phones(
        written(tmp_path, '[phones.1001]\n[phones.nice-1]\nextension = "1001"\noffice = "nice"')
    )
    assert (london.endpoint, london.number, london.office) == ("1001", "1001", "main")
    assert (nice.endpoint, nice.number, nice.office) == ("nice-1", "1001", "nice")
    assert nice.name == "1001"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[phones.1001", "is not valid TOML"),
        ("", "it lists no phone"),
        ("[phones]", "it lists no phone"),
        ("phones = 3", "it lists no phone"),
        ("[phones.1001]\n[telephones.1002]", r"a section \[telephones\] means nothing"),
        ("[phones]\n1001 = 'Reception'", r"phones.1001 must be a section"),
        ("[phones.reception]", r"\[phones.reception\] is not an extension"),
        ("[phones.1]", r"\[phones.1\] is not an extension"),
        ('[phones."1001&PJSIP"]', "is no name of a phone"),
        ('[phones."\u0661\u0660"]', "is no name of a phone"),
        ('[phones.trunk]\nextension = "1001"', "is no name of a phone"),
        ("[phones.nice-1]\nextension = 1001", "extension = 1001 is not 2 to 8 digits in quotes"),
        ('[phones.nice-1]\nextension = "1"', "extension = '1' is not 2 to 8 digits"),
        (
            '[phones.1001]\n[phones.nice-1]\nextension = "1001"',
            r"\[phones.nice-1\] extension 1001 of the office main already rings 1001",
        ),
        ("[phones.1001]\nnaem = 'x'", r"\[phones.1001\] has a field that means nothing: naem"),
        ("[phones.1001]\nname = 3", "name must be text in quotes"),
        ("[phones.1001]\nname = 'a\"b'", "name: 'a\"b' is not up to 60 letters"),
        ('[phones.1001]\nname = "a\\nb"', "is not up to 60 letters"),
        ("[phones.1001]\nlanguage = 'de'", "language: 'de' is not a language with prompts: en, fr"),
        (
            "[phones.1001]\noffice = 'Main Office'",
            "office = 'Main Office' is not a lower",
        ),
        ("[phones.1001]\nenabled = 'yes'", "enabled must be true or false"),
        ("[phones.1001]\nincoming = '44207'", "incoming must be a list"),
        ("[phones.1001]\nincoming = [44207]", "incoming holds 44207, which is not a number"),
        ("[phones.1001]\nincoming = ['x']", "incoming holds 'x', which is not a number"),
        (
            "[phones.1001]\nincoming = ['4420']\n[phones.1002]\nincoming = ['4420']",
            r"\[phones.1002\] incoming 4420 already rings 1001",
        ),
        (
            "[phones.1001]\nincoming = ['1002']\n[phones.1002]",
            r"\[phones.1001\] incoming 1002 already rings 1002",
        ),
    ],
)
def test_a_mistake_is_refused_with_the_file_and_the_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(PhonesError, match=reason) as refused:
        load_phones(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhonesError, match=r"there is no phones file .*absent\.toml"):
        load_phones(tmp_path / "absent.toml")


def test_a_folder_in_the_files_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhonesError, match="cannot be read"):
        load_phones(tmp_path)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "phones.toml"
    file.write_bytes(b'[phones.1001]\nname = "r\xe9union"\n')
    with pytest.raises(PhonesError, match="is not UTF-8 text"):
        load_phones(file)
