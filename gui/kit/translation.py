"""The language of the window: every text passes `tr` once on its way to a widget.

The catalogues are GNU gettext's, `resources/translations/<code>/LC_MESSAGES/visionft.po`, compiled by
`packaging/translations.py`. The message id is the English template with its `{placeholders}`; a missing one stays
English. A text of the engine is a `Message` and carries its template and values. Builders of labels and buttons
(`gui.kit.parts`) translate literal texts; a text shown later is translated at the call,
`label.setText(tr("Saved"))`, one with values is written `tr("Open {name}", name=name)`, and one that counts
`tr("{count} image", "{count} images", count=number)`. Names of classes, files and runs are never translated.
"""

import gettext
import logging
import math
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QTranslator

import resources
from models.messages import Message, fill

logger = logging.getLogger(__name__)
ENGLISH = "en"
PSEUDO = "pseudo"  # not a language: every message 40 % longer, for tests of layouts
DOMAIN = "visionft"
_FOLDER = Path(resources.__file__).parent / "translations"
_PADDING = "ö"


class _Language:
    """The current language."""

    code: str = ENGLISH
    catalogue: gettext.NullTranslations = gettext.NullTranslations()
    of_qt: QTranslator | None = None


def languages() -> dict[str, str]:
    """Return {code: name in that language}, English first."""
    codes = sorted(path.parent.parent.name for path in _FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
    names = {code: read_catalogue(code).info().get("x-language-name", code) for code in codes}
    return {ENGLISH: "English", **names}


def read_catalogue(code: str) -> gettext.NullTranslations:
    """Return the catalogue of a language; an empty one if it is missing or damaged."""
    try:
        return gettext.translation(DOMAIN, _FOLDER, [code])
    except (OSError, ValueError) as error:
        logger.warning("No translation into %s: %s", code, error)
        return gettext.NullTranslations()


def use_language(code: str) -> None:
    """Set the language of `tr`; existing widgets keep their texts."""
    if code != _Language.code:
        _translate_qt(code)
    _Language.code = code
    _Language.catalogue = gettext.NullTranslations() if code in (ENGLISH, PSEUDO) else read_catalogue(code)


def _translate_qt(code: str) -> None:
    """Let Qt's own texts (names of keys, buttons of its dialogs) follow."""
    app, shown = QCoreApplication.instance(), _Language.of_qt
    if app is None:
        return
    if shown is not None:
        app.removeTranslator(shown)
    _Language.of_qt = QTranslator(app)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if code not in (ENGLISH, PSEUDO) and _Language.of_qt.load(f"qtbase_{code}", folder):
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
    shown = {name: tr(each) if isinstance(each, Message) else each for name, each in whole.values.items()}
    is_one = not whole.plural or str(whole.values.get("count")) == "1"
    if _Language.code == PSEUDO:
        template = _lengthened(whole.template if is_one else whole.plural)
    elif whole.plural:
        template = _Language.catalogue.ngettext(whole.template, whole.plural, 1 if is_one else 2)
    else:
        template = _Language.catalogue.gettext(whole.template) if whole.template else ""
    return fill(template, shown)


def capitalised(words: str) -> str:
    """Return a translated text with a capital letter first."""
    return words[:1].upper() + words[1:]


def _lengthened(message: str) -> str:
    is_words = sum(letter.isalpha() for letter in message) > 1
    if not is_words or message.endswith(_PADDING):
        return message
    more = math.ceil(len(message) * 0.4)
    return message + " ".join(_PADDING * min(8, more - start) for start in range(0, more, 8))
