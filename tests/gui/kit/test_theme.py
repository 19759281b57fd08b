"""The colours can be read in both themes; every token of the style sheet exists; every icon draws."""

import re
from pathlib import Path

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

import resources
from gui.kit import theme
from gui.kit.icons import pixmap

pytestmark = pytest.mark.usefixtures("styled")
ICONS = sorted(path.stem for path in (Path(resources.__file__).parent / "icons").glob("*.svg"))


def contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_texts_outlines_lines_and_class_colours_can_be_told_from_their_background(colours):
    """4.5 for texts, 3 for the rest (WCAG 2.2, 1.4.3 and 1.4.11); disabled controls are exempt."""
    rules = [(selector, colour_pair(body)) for selector, body in style_rules() if "disabled" not in selector]
    named = [(getattr(colours, pair[0]), getattr(colours, pair[1])) for _, pair in rules if pair is not None]
    assert len(named) > 10
    pairs = {*text_pairs(colours), *named}
    assert not {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 4.5}
    lines = (colours.outline, colours.train_line, colours.val_line, colours.test_line, colours.grey_line)
    assert min(contrast(line, colours.surface) for line in (*lines, *theme.CLASS_COLOURS)) >= 3.0
    assert contrast(colours.outline, colours.canvas) >= 3.0


def text_pairs(of: theme.Colours) -> set[tuple[str, str]]:
    """Return every (foreground, background) pair used for text."""
    softs = {of.accent_soft, of.good_soft, of.warn_soft, of.bad_soft}
    signs = {(of.good, of.good_soft), (of.warn, of.warn_soft), (of.bad, of.bad_soft)}
    grounds = {of.canvas, of.surface, of.sunken, of.hover, *softs}
    plain = {(ink, ground) for ink in (of.text, of.muted) for ground in grounds}
    links = {(of.accent, ground) for ground in (of.canvas, of.surface, of.accent_soft)}
    on_surface = {(ink, of.surface) for ink in (of.good, of.warn, of.bad)}
    return plain | links | signs | on_surface | {(of.on_accent, of.accent), (of.on_accent, of.accent_hover)}


def style_rules() -> list[tuple[str, str]]:
    sheet = (Path(resources.__file__).parent / "style" / "app.qss").read_text(encoding="utf-8")
    return re.findall(r"([^{}]+){([^{}]*)}", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL))


def colour_pair(body: str) -> tuple[str, str] | None:
    """Return the (text, background) tokens of a rule with both."""
    found = dict(re.findall(r"(?:^|[;\s])(color|background)\s*:\s*\$(\w+)", body))
    return (found["color"], found["background"]) if len(found) == 2 else None


def test_a_theme_reaches_palette_style_sheet_and_font(qapp: QApplication):
    for name, colours, scale in (("dark", theme.DARK, 1.5), ("light", theme.LIGHT, 1.0)):
        theme.apply_theme(qapp, name, font_scale=scale)
        assert theme.colours() is colours and qapp.font().pixelSize() == round(theme.FONT_PX * scale)
        assert theme.scaled(100) == pytest.approx(100 * scale, abs=4) and qapp.font().family() == "Inter"
        assert "QPushButton" in qapp.styleSheet() and "$" not in qapp.styleSheet()


@pytest.mark.parametrize("name", ICONS)
def test_each_icon_draws_something(qapp: QApplication, name: str):
    image = pixmap(name, "#000000", size=24, scale=1.0).toImage()
    inked = sum(QColor(image.pixelColor(x, y)).alpha() > 60 for x in range(24) for y in range(24))
    assert inked > 12
