"""The language of the window: every text passes `tr` once on its way to a widget.

The catalogues are GNU gettext's, `resources/translations/<code>/LC_MESSAGES/visionft.po`, compiled by
`packaging/translations.py`. The message id is the English template with its `{placeholders}`; a missing one stays
English. A text of the engine is a `Message` and carries its template and values. Builders of labels and buttons
(`gui.kit.parts`) translate literal texts; a text shown later is translated at the call,
`label.setText(tr("Saved"))`, one with values is written `tr("Open {name}", name=name)`, and one that counts
`tr("{count} image", "{count} images", count=number)`. Names of classes, files and runs are never translated.
"""

import gettext

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QTranslator

from visionft.core.messages import ENGLISH, Message, read_catalogue, translate


class _Language:
    """The current language."""

    code: str = ENGLISH
    catalogue: gettext.NullTranslations = gettext.NullTranslations()
    of_qt: QTranslator | None = None


def use_language(code: str) -> None:
    """Set the language of `tr`; existing widgets keep their texts."""
    if code != _Language.code:
        _translate_qt(code)
    _Language.code = code
    _Language.catalogue = read_catalogue(code)


def _translate_qt(code: str) -> None:
    """Let Qt's own texts (names of keys, buttons of its dialogs) follow."""
    app = QCoreApplication.instance()
    shown = _Language.of_qt
    if app is None:
        return
    if shown is not None:
        app.removeTranslator(shown)
    _Language.of_qt = QTranslator(app)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if code != ENGLISH and _Language.of_qt.load(f"qtbase_{code}", folder):
        app.installTranslator(_Language.of_qt)


def language() -> str:
    return _Language.code


def tr(message: str, plural: str = "", /, **values: object) -> str:
    """Return a message in the current language with its values, messages among them translated too.

    Translating a translation returns it unchanged, so page and widget may both call this.

    Args:
        message: The English template (the singular, if there is a plural), or a `Message`.
        plural: The template for every `count` but 1.
        **values: The values of the placeholders; an integer `count` gets thousands separators.
    """
    whole = message if isinstance(message, Message) and not values else Message(message, plural, **values)
    return translate(whole, _Language.catalogue)


def capitalised(words: str) -> str:
    """Return a translated text with a capital letter first."""
    return words[:1].upper() + words[1:]
