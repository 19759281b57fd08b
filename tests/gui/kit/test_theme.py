"""The colours can be read in both themes; every token of the style sheet exists; every icon draws."""

import re
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QApplication

import resources
from gui.kit import theme
from gui.kit.icons import icon, pixmap

pytestmark = pytest.mark.usefixtures("styled")
ICONS = sorted(path.stem for path in (Path(resources.__file__).parent / "icons").glob("*.svg"))


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5(colours):
    faint = {pair: round(theme.contrast(*pair), 2) for pair in colours.text_pairs() if theme.contrast(*pair) < 4.5}
    assert not faint


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_every_rule_of_the_style_sheet_that_names_both_colours_can_be_read(colours):
    """Disabled controls are exempt (WCAG 2.2, 1.4.3)."""
    rules = [(selector, colour_pair(body)) for selector, body in style_rules() if "disabled" not in selector]
    pairs = {selector: pair for selector, pair in rules if pair is not None}
    assert len(pairs) > 10
    faint = {
        selector: (ink, ground)
        for selector, (ink, ground) in pairs.items()
        if theme.contrast(getattr(colours, ink), getattr(colours, ground)) < 4.5
    }
    assert not faint


def style_rules() -> list[tuple[str, str]]:
    sheet = (Path(resources.__file__).parent / "style" / "app.qss").read_text(encoding="utf-8")
    return re.findall(r"([^{}]+){([^{}]*)}", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL))


def colour_pair(body: str) -> tuple[str, str] | None:
    """Return the (text, background) tokens of a rule that names both."""
    found = dict(re.findall(r"(?:^|[;\s])(color|background)\s*:\s*\$(\w+)", body))
    return (found["color"], found["background"]) if len(found) == 2 else None


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_outlines_chart_lines_and_class_colours_have_a_contrast_of_at_least_3(colours):
    lines = (colours.outline, colours.train_line, colours.val_line, colours.test_line, colours.grey_line)
    assert min(theme.contrast(line, colours.surface) for line in (*lines, *theme.CLASS_COLOURS)) >= 3.0
    assert theme.contrast(colours.outline, colours.canvas) >= 3.0


def test_contrast_follows_wcag():
    assert theme.contrast("#FFFFFF", "#000000") == pytest.approx(21.0)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def test_applying_a_theme_changes_the_palette_and_what_widgets_ask_for(qapp: QApplication):
    theme.apply_theme(qapp, "dark")
    assert theme.colours() is theme.DARK
    theme.apply_theme(qapp, "light")
    assert theme.colours() is theme.LIGHT


def test_the_font_scale_reaches_the_application_font(qapp: QApplication):
    theme.apply_theme(qapp, "light", font_scale=1.5)
    assert qapp.font().pixelSize() == round(theme.FONT_PX * 1.5)
    assert theme.scaled(100) == pytest.approx(154, abs=4)
    theme.apply_theme(qapp, "light")


def test_the_style_sheet_is_in_force_without_a_token_left(qapp: QApplication):
    assert "QPushButton" in qapp.styleSheet() and "$" not in qapp.styleSheet()


def test_the_bundled_font_is_used(qapp: QApplication):
    assert qapp.font().family() == "Inter"


@pytest.mark.parametrize("name", ICONS)
def test_each_icon_draws_something(qapp: QApplication, name: str):
    picture = pixmap(name, "#000000", size=24, scale=1.0).toImage()
    inked = sum(QColor(picture.pixelColor(x, y)).alpha() > 60 for x in range(24) for y in range(24))
    assert inked > 12


def test_a_disabled_icon_is_greyer(qapp: QApplication):
    drawn = icon("check", "#000000", size=24)
    assert darkest(drawn.pixmap(24, 24, QIcon.Mode.Normal)) < darkest(drawn.pixmap(24, 24, QIcon.Mode.Disabled))


def darkest(picture: QPixmap) -> int:
    image = picture.toImage()
    colours = [image.pixelColor(x, y) for x in range(24) for y in range(24)]
    return min(colour.lightness() for colour in colours if colour.alpha() > 200)
