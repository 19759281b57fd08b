"""Texts for the user: an English template with its values, translated where it is shown.

A `Message` is a string, its English text, for the command line, JSON and logs. The window looks its template up in the
catalogue of the language and fills in the values (`gui.kit.translation.tr`). A literal that goes straight to an error,
a notice, a progress or a field of settings needs no `Message`: `packaging/translations.py` finds it there.

The catalogues of gettext are in `resources/translations/<code>/LC_MESSAGES/visionft.mo`. The window has one language at
a time; a file made for a reader names its own.
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
MAX_NAME_CHARACTERS = 40  # in a sentence
# Of a message read from a file, which may be a stranger's.
_MAX_PLACEHOLDERS = 50
_MAX_MESSAGE_CHARS = 20_000  # characters


class Message(str):
    """An English text that knows its template (the message id) and values."""

    __slots__ = ("plural", "template", "values")
    template: str  # the text with `{placeholders}`; the singular where there is a plural
    plural: str  # the template of every `count` but 1; empty where nothing is counted
    values: dict[str, str | float]  # the values by placeholder: numbers and text, which may be messages themselves

    def __new__(cls, template: str, plural: str = "", /, **values: object) -> Self:
        """Fill a template, or another message's with more values; an integer `count` gets thousands separators."""
        given: dict[str, str | float] = {
            name: each if isinstance(each, str | int | float) else str(each) for name, each in values.items()
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
        """Return the message itself: `str(error)` keeps the template of an error's message."""
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, str | float]]:
        return (self.template, self.plural), self.values


Text: TypeAlias = LiteralString | Message


def fill(template: str, values: dict[str, Any]) -> str:
    """Return a template with its values; one without values is left as it is, braces included."""
    shown = {name: f"{each:,}" if name == "count" and isinstance(each, int) else each for name, each in values.items()}
    # Not str.format: a stored template may come from anybody, and "{x:9999999999}" would fill the memory.
    return _FIELD.sub(lambda found: str(shown.get(found[1], found[0])), template) if shown else template


def sentences(*messages: str, joint: str = " ") -> Message:
    """Return messages, or literals that are ids, one after another; empty ones are left out."""
    parts = {f"part{place}": Message(each) for place, each in enumerate(filter(None, messages))}
    return Message(joint.join(f"{{{name}}}" for name in parts), **parts)


def shortened(name: str, most: int = MAX_NAME_CHARACTERS) -> str:
    """Return the start of a longer name."""
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


def listed(names: Sequence[str], most: int) -> str:
    """Return at most `most` names, shortened, with commas, and the number of the others."""
    shown = ", ".join(map(shortened, names[:most]))
    return Message("{names} and {count} more", names=shown, count=len(names) - most) if len(names) > most else shown


def choose_one(names: Iterable[object]) -> Message:
    """Return the hint of an error about an unknown name: the known names."""
    return Message("Choose one of {names}.", names=", ".join(map(str, names)))


def store_message(message: str) -> str:
    """Return a message as text that `load_message` reads: JSON if it has values, else the text itself."""
    return (
        json.dumps(_parts(message), ensure_ascii=False) if isinstance(message, Message) and message.values else message
    )


def load_message(stored: str) -> Message:
    """Return a stored message; any other text, as earlier versions stored it, as a message without values."""
    try:
        return _message(json.loads(stored)) if stored.startswith('["') else Message(stored)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Message(stored)


def _parts(value: str | float) -> Any:
    if not isinstance(value, Message):
        return value
    return [value.template, value.plural, {name: _parts(each) for name, each in value.values.items()}]


def _message(parts: Any) -> Any:
    if not isinstance(parts, list):
        return parts
    template, plural, values = parts
    if max(template.count("{"), plural.count("{")) > _MAX_PLACEHOLDERS:
        raise ValueError("too many placeholders")
    message = Message(template, plural, **{name: _message(each) for name, each in values.items()})
    if len(message) > _MAX_MESSAGE_CHARS:  # messages within messages can double their length at each level
        raise ValueError("too long a message")
    return message


logger = logging.getLogger(__name__)
ENGLISH = "en"
DOMAIN = "visionft"
TRANSLATIONS_FOLDER = Path(resources.__file__).parent / "translations"


def languages() -> dict[str, str]:
    """Return {code: name in that language}, English first."""
    codes = sorted(path.parent.parent.name for path in TRANSLATIONS_FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
    names = {code: read_catalogue(code).info().get("x-language-name", code) for code in codes}
    return {ENGLISH: "English", **names}


def read_catalogue(code: str) -> gettext.NullTranslations:
    """Return the catalogue of a language; an empty one for English, and where it is missing or damaged."""
    if code == ENGLISH:
        return gettext.NullTranslations()
    try:
        return gettext.translation(DOMAIN, TRANSLATIONS_FOLDER, [code])
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
