"""The languages of the program: gettext catalogues in `resources/translations/<code>/LC_MESSAGES/visionft.mo`.

The window has one language at a time (`gui.kit.translation`); a file made for a reader names its own.
"""

import gettext
import logging
from pathlib import Path

import resources
from visionft.core.messages import Message, fill

logger = logging.getLogger(__name__)
ENGLISH = "en"
DOMAIN = "visionft"
FOLDER = Path(resources.__file__).parent / "translations"


def languages() -> dict[str, str]:
    """Return {code: name in that language}, English first."""
    codes = sorted(path.parent.parent.name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
    names = {code: read_catalogue(code).info().get("x-language-name", code) for code in codes}
    return {ENGLISH: "English", **names}


def read_catalogue(code: str) -> gettext.NullTranslations:
    """Return the catalogue of a language; an empty one for English, and where it is missing or damaged."""
    if code == ENGLISH:
        return gettext.NullTranslations()
    try:
        return gettext.translation(DOMAIN, FOLDER, [code])
    except (OSError, ValueError) as error:
        logger.warning("No translation into %s: %s", code, error)
        return gettext.NullTranslations()


def translate(message: Message, catalogue: gettext.NullTranslations) -> str:
    """Return a message in the language of a catalogue, with its values, messages among them translated too."""
    shown = {
        name: translate(each, catalogue) if isinstance(each, Message) else each for name, each in message.values.items()
    }
    if message.plural:
        is_one = str(message.values.get("count")) == "1"
        template = catalogue.ngettext(message.template, message.plural, 1 if is_one else 2)
    else:
        template = catalogue.gettext(message.template) if message.template else ""
    return fill(template, shown)
