"""The theme: two colour systems, the spacing scale, the fonts, and applying them to the application.

The only file that names a colour. Widgets ask `colours()`; the style sheet (`resources/style/app.qss`) names tokens.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any, Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QProxyStyle

import resources

ThemeName = Literal["system", "light", "dark"]

# The spacing scale, in pixels: every margin and gap is one of these.
HAIR, TIGHT, SMALL, MEDIUM, LARGE, HUGE = 2, 4, 8, 12, 16, 24
RADIUS = 8
FONT_PX = 13
_FONT_FAMILY = "Inter"
_STYLE_FOLDER = Path(resources.__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """One colour system. `*_soft` is a background tint for text in the colour of the same name."""

    is_dark: bool
    canvas: str
    surface: str
    sunken: str
    hover: str
    border: str
    outline: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_soft: str
    good: str
    good_soft: str
    warn: str
    warn_soft: str
    bad: str
    bad_soft: str
    train_line: str
    val_line: str
    test_line: str
    grey_line: str


LIGHT = Colours(
    is_dark=False,
    canvas="#F4F5F8",
    surface="#FFFFFF",
    sunken="#EBEDF2",
    hover="#F0F2F6",
    border="#DCE0E8",
    outline="#848D9D",
    text="#151A24",
    muted="#525C6B",
    accent="#2B59D9",
    accent_hover="#1F48BD",
    on_accent="#FFFFFF",
    accent_soft="#E7EDFC",
    good="#116B3A",
    good_soft="#E2F4E9",
    warn="#7E4A00",
    warn_soft="#FDF1DC",
    bad="#AF1F26",
    bad_soft="#FDE9E9",
    train_line="#2B59D9",
    val_line="#C2500C",
    test_line="#6B4FBB",
    grey_line="#868E9D",
)

DARK = Colours(
    is_dark=True,
    canvas="#11141A",
    surface="#1A1E26",
    sunken="#0C0F14",
    hover="#232833",
    border="#2D3440",
    outline="#6C7789",
    text="#E8EBF1",
    muted="#A4ADBB",
    accent="#88A9FF",
    accent_hover="#A6BFFF",
    on_accent="#0D1424",
    accent_soft="#1F2A45",
    good="#6BD49A",
    good_soft="#14301F",
    warn="#F2BC66",
    warn_soft="#33260F",
    bad="#FF9A96",
    bad_soft="#3B1A1C",
    train_line="#88A9FF",
    val_line="#FFAC66",
    test_line="#BDA6FF",
    grey_line="#636D7E",
)

OVER_IMAGE = "#C80C0F14"  # the background of text over images, in both themes; its text has the colours of DARK

# Twelve class colours, distinguishable in this order with most colour blindness; never the only carrier of a meaning.
CLASS_COLOURS = (
    "#3B73E0",
    "#DD771C",
    "#2E9E6B",
    "#C2458B",
    "#8F63D2",
    "#A68D14",
    "#1E9DB3",
    "#C9493F",
    "#6C8A2B",
    "#7A6A5B",
    "#5563B8",
    "#9A4FA0",
)


ClassColour = int | str  # an index in the class list, or "#rrggbb" chosen by the user


def class_colour(colour: ClassColour) -> QColor:
    """Return the colour of a class: the user's choice, or the default of its index; defaults repeat after twelve."""
    return QColor(colour if isinstance(colour, str) else CLASS_COLOURS[colour % len(CLASS_COLOURS)])


def colours() -> Colours:
    window = QGuiApplication.palette().color(QPalette.ColorRole.Window)
    return DARK if window.lightness() < 128 else LIGHT


class PlainTextStyle(QProxyStyle):
    """Fusion style that keeps Qt from interpreting the names of classes, files, notes and runs as markup.

    Qt guesses: a label, tooltip or message box with text like HTML is laid out as HTML, with images, links and
    headlines. So every label is set to plain text before its first layout, including Qt's own (tooltips, item tooltips,
    message boxes, input dialogs). A label with real markup declares it with `setTextFormat`.
    """

    def __init__(self) -> None:
        super().__init__("Fusion")

    def polish(self, target: Any) -> Any:
        """Prepare a widget (or the application, or its palette) for display; Qt calls this before the first layout."""
        if isinstance(target, QLabel) and target.textFormat() == Qt.TextFormat.AutoText:
            target.setTextFormat(Qt.TextFormat.PlainText)
        return super().polish(target)


def apply_theme(app: QApplication, name: ThemeName, *, font_scale: float = 1.0) -> Colours:
    """Set the application's style, palette, font and style sheet; may be called repeatedly."""
    scheme = {"system": Qt.ColorScheme.Unknown, "light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}[name]
    app.styleHints().setColorScheme(scheme)
    is_dark = name == "dark" or (name == "system" and app.styleHints().colorScheme() == Qt.ColorScheme.Dark)
    chosen = DARK if is_dark else LIGHT
    if app.findChild(PlainTextStyle) is None:  # `app.style()` is Qt's own wrapper once there is a style sheet
        app.setStyle(PlainTextStyle())
    load_fonts()
    font = QFont(_FONT_FAMILY)
    font.setPixelSize(round(FONT_PX * font_scale))
    sheet = style_sheet(chosen, font_scale)
    palette = _palette(chosen)
    if (app.styleSheet(), app.palette(), app.font()) == (sheet, palette, font):
        return chosen  # avoids restyling each widget without a change
    app.setStyleSheet("")  # on replacement Qt styles each widget once for each of its ancestors (2.0 s in place of .35)
    app.setPalette(palette)
    app.setFont(font)
    app.setStyleSheet(sheet)
    return chosen


def _palette(colours: Colours) -> QPalette:
    roles = {
        "Window": colours.canvas,
        "WindowText": colours.text,
        "Base": colours.surface,
        "AlternateBase": colours.hover,
        "Text": colours.text,
        "PlaceholderText": colours.muted,
        "Button": colours.surface,
        "ButtonText": colours.text,
        "BrightText": colours.bad,
        "Highlight": colours.accent,
        "HighlightedText": colours.on_accent,
        "Link": colours.accent,
        "LinkVisited": colours.accent,
        "ToolTipBase": colours.text,
        "ToolTipText": colours.canvas,
        "Mid": colours.border,
        "Accent": colours.accent,
    }
    palette = QPalette()
    for role, value in roles.items():
        palette.setColor(QPalette.ColorRole[role], QColor(value))
    for role in ("WindowText", "Text", "ButtonText"):
        palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole[role], QColor(colours.outline))
    return palette


def load_fonts() -> None:
    """Register the bundled font (Inter, OFL-1.1): the same metrics, so the same layout, on every system."""
    if _FONT_FAMILY not in QFontDatabase.families():
        for file in sorted((_STYLE_FOLDER / "fonts").glob("*.ttf")):
            QFontDatabase.addApplicationFont(str(file))


def scaled(pixels: int) -> int:
    """Return `pixels`, given for the normal font size, at the current font size."""
    return round(pixels * QGuiApplication.font().pixelSize() / FONT_PX)


def style_sheet(colours: Colours, font_scale: float) -> str:
    """Return the style sheet of the application in a colour system and at a text size."""
    sizes = {"text_small": 12, "text_body": FONT_PX, "text_heading": 15, "text_title": 22, "text_hero": 30}
    scaled_sizes = {name: f"{round(px * font_scale)}px" for name, px in sizes.items()}
    template = Template((_STYLE_FOLDER / "style" / "app.qss").read_text(encoding="utf-8"))
    icons = (_STYLE_FOLDER / "icons").as_posix()
    shade = "dark" if colours.is_dark else "light"
    return template.substitute(asdict(colours), radius=f"{RADIUS}px", icons=icons, shade=shade, **scaled_sizes)
