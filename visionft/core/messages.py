"""Texts for the user: English templates with values, translated when they are shown.

A `Message` is a `str` that holds the English text, for the command line, JSON and logs. The window looks up its
template in the language's catalogue and fills in the values (`gui.kit.translation.tr`). Literals passed directly to an
error, notice, progress event or settings field need no `Message`: `packaging/translations.py` finds them.

The gettext catalogues are in `resources/translations/<code>/LC_MESSAGES/visionft.mo`. The window has one language at a
time; exported files may be written in another one.
"""

import gettext
import json
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, LiteralString, Self, TypeAlias

import resources

_FIELD = re.compile(r"\{(\w+)\}")
MAX_NAME_CHARACTERS = 40  # longer names are shortened in a sentence
# Limits for messages read from a file, which may be untrusted.
_MAX_PLACEHOLDERS = 50
_MAX_MESSAGE_CHARS = 20_000


class Message(str):
    """An English text that knows its template (the message id) and values."""

    __slots__ = ("plural", "template", "values")
    template: str  # the text with `{placeholders}`, in the singular if there is a plural
    plural: str  # the template for every `count` other than 1; empty if the text has no plural
    values: dict[str, str | float]  # placeholder to value: numbers and strings, including messages

    def __new__(cls, template: str, plural: str = "", /, **values: object) -> Self:
        """Fill in a template, or add values to a message. An integer `count` gets thousands separators."""
        given: dict[str, str | float] = {
            name: value if isinstance(value, str | int | float) else str(value) for name, value in values.items()
        }
        if isinstance(template, Message):
            message = template
            return cls._filled(message.template, message.plural, message.values | given)
        return cls._filled(template, plural, given)

    @classmethod
    def _filled(cls, template: str, plural: str, values: dict[str, str | float]) -> Self:
        is_one = not plural or str(values.get("count")) == "1"
        message = super().__new__(cls, fill(template if is_one else plural, values))
        message.template, message.plural, message.values = template, plural, values
        return message

    def __str__(self) -> Self:
        """Return the message itself, so that `str(error)` keeps its template."""
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, str | float]]:
        return (self.template, self.plural), self.values


Text: TypeAlias = LiteralString | Message


def fill(template: str, values: dict[str, Any]) -> str:
    """Return a template with its values filled in, or unchanged (with its braces) if there are no values."""
    shown = {
        name: f"{value:,}" if name == "count" and isinstance(value, int) else value for name, value in values.items()
    }
    # Not str.format: a stored template may be untrusted, and "{x:9999999999}" would exhaust the memory.
    return _FIELD.sub(lambda match: str(shown.get(match[1], match[0])), template) if shown else template


def sentences(*messages: str, joint: str = " ") -> Message:
    """Join messages, or literal message ids, into one message; empty ones are left out."""
    parts = {f"part{index}": Message(message) for index, message in enumerate(filter(None, messages))}
    return Message(joint.join(f"{{{name}}}" for name in parts), **parts)


def shortened(name: str, max_chars: int = MAX_NAME_CHARACTERS) -> str:
    """Truncate a name longer than `max_chars` characters, with an ellipsis."""
    return name if len(name) <= max_chars else f"{name[: max_chars - 1].rstrip()}…"


def listed(names: Sequence[str], most: int) -> str:
    """Join at most `most` names with commas, each shortened, and add the number of further names."""
    shown = ", ".join(map(shortened, names[:most]))
    more = len(names) - most
    return Message("{names} and {count} more", names=shown, count=more) if more > 0 else shown


def choose_one(names: Iterable[object]) -> Message:
    """Return the hint for an error about an unknown name, which lists the known names."""
    return Message("Choose one of {names}.", names=", ".join(map(str, names)))


def store_message(message: str) -> str:
    """Serialise a message for `load_message`: as JSON if it has values, otherwise as its text."""
    if isinstance(message, Message) and message.values:
        return json.dumps(_to_parts(message), ensure_ascii=False)
    return message


def load_message(stored: str) -> Message:
    """Restore a message from `store_message`; plain text, as earlier versions stored it, has no values."""
    try:
        return _restore(json.loads(stored)) if stored.startswith('["') else Message(stored)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Message(stored)


def _to_parts(value: str | float) -> Any:
    """Convert a message to [template, plural, {name: value}], recursively; other values stay as they are."""
    if not isinstance(value, Message):
        return value
    return [value.template, value.plural, {name: _to_parts(item) for name, item in value.values.items()}]


def _restore(stored: Any) -> Any:
    """Restore a message from the lists of `_to_parts`, recursively; raises `ValueError` if it is too large."""
    if not isinstance(stored, list):
        return stored
    template, plural, values = stored
    if max(template.count("{"), plural.count("{")) > _MAX_PLACEHOLDERS:
        raise ValueError("too many placeholders")
    message = Message(template, plural, **{name: _restore(value) for name, value in values.items()})
    if len(message) > _MAX_MESSAGE_CHARS:  # nested messages can double in length at every level
        raise ValueError("message is too long")
    return message


logger = logging.getLogger(__name__)
ENGLISH = "en"
DOMAIN = "visionft"
TRANSLATIONS_FOLDER = Path(resources.__file__).parent / "translations"


def languages() -> dict[str, str]:
    """Return {language code: name of the language in itself}, English first."""
    codes = sorted(path.parent.parent.name for path in TRANSLATIONS_FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
    names = {code: read_catalogue(code).info().get("x-language-name", code) for code in codes}
    return {ENGLISH: "English", **names}


def read_catalogue(code: str) -> gettext.NullTranslations:
    """Return the catalogue of a language; it is empty for English, and if its file is missing or damaged."""
    if code == ENGLISH:
        return gettext.NullTranslations()
    try:
        return gettext.translation(DOMAIN, TRANSLATIONS_FOLDER, [code])
    except (OSError, ValueError) as error:
        logger.warning("No translation into %s: %s", code, error)
        return gettext.NullTranslations()


def translate(message: Message, catalogue: gettext.NullTranslations) -> str:
    """Translate a message with a catalogue, including the messages among its values."""
    shown = {
        name: translate(value, catalogue) if isinstance(value, Message) else value
        for name, value in message.values.items()
    }
    if message.plural:
        is_one = str(message.values.get("count")) == "1"
        template = catalogue.ngettext(message.template, message.plural, 1 if is_one else 2)
    else:
        template = catalogue.gettext(message.template) if message.template else ""
    return fill(template, shown)
