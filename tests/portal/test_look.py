"""Contrasts, computed from the style itself; and what a style of ours never does."""

import re

import pytest

from portal.assets import FOLDER

TOKENS = (FOLDER / "tokens.css").read_text(encoding="utf-8")
STYLE = (FOLDER / "portal.css").read_text(encoding="utf-8")
TEXT_MIN = 4.5  # WCAG 2.2 AA, 1.4.3
CONTROL_MIN = 3.0  # 1.4.11

ON = [
    *(
        (text, ground, TEXT_MIN)
        for text in ("text", "muted", "accent", "accent-strong")
        for ground in ("page", "surface", "sunken")
    ),
    ("on-accent", "accent", TEXT_MIN),
    ("on-accent", "accent-strong", TEXT_MIN),
    *((state, f"{state}-tint", TEXT_MIN) for state in ("good", "warn", "bad")),
    *(("text", f"{state}-tint", TEXT_MIN) for state in ("good", "warn", "bad")),
    *((state, "surface", TEXT_MIN) for state in ("good", "warn", "bad")),
    *(("control-border", ground, CONTROL_MIN) for ground in ("page", "surface")),
]


def colours(scheme: str) -> dict[str, str]:
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", TOKENS.partition("@media")[0]))
    dark = TOKENS.partition("(prefers-color-scheme: dark)")[2].partition("@media")[0]
    return (
        light
        if scheme == "light"
        else light | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark))
    )


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#1a232d", "#ffffff") == pytest.approx(15.9, abs=0.1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), ON)
def test_everything_can_be_read(scheme: str, front: str, ground: str, least: float) -> None:
    known = colours(scheme)
    assert contrast(known[front], known[ground]) >= least


def test_every_colour_and_size_is_a_token() -> None:
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgb\(|hsl\(", STYLE)
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", STYLE))
    assert used <= set(re.findall(r"--([a-z0-9-]+):", TOKENS))


def test_nothing_moves_and_nothing_is_fetched() -> None:
    for style in (TOKENS, STYLE):
        assert not re.search(r"animation|transition|@import|url\(", style)
