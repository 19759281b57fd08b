"""The language of the window: every message passes `tr` once on its way to a widget.

A catalogue is a JSON file, `resources/translations/<code>.json`: English message -> translation, with the same
`{placeholders}`. A message it lacks stays English. What builds a label or a button (`gui.kit.parts`) looks up the
words that stand in the source; everything shown later is looked up at the call, `label.setText(tr("Saved"))`, and a
text put together from values is written `tr("{count} pictures", count=...)`. The name of a class, a file or a run never
is.

What the engine says (stages, notices, errors) comes with its values already put in: "Trying ResNet-18". A message that
the catalogue lacks is taken for the one whose placeholders fit, "Trying {network}", or sentence by sentence. Knows no
widgets.
"""

import logging
import math
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import resources
from gui.kit.singulars import OF_ONE
from visionft.files import read_json

logger = logging.getLogger(__name__)
ENGLISH = "en"
PSEUDO = "pseudo"  # not a language: every message 40 % longer, for tests of layouts
_FOLDER = Path(resources.__file__).parent / "translations"
_LONGER, _PADDING = 0.4, "ö"
_PLACEHOLDER = re.compile(r"{(\w+)}")
_SENTENCE_END = re.compile(r"(?<=[.!?:]) (?=[A-Z“])")
_LEAST_LETTERS = 4  # of a pattern: with fewer it would fit anything
_NUMBERS = ("count", "done", "total")  # placeholders that hold nothing else
_SAID = ("reason", "error", "what")  # those that hold words of the program too


class _Language:
    """The language now in force."""

    code: str = ENGLISH
    catalogue: dict[str, str] = {}  # noqa: RUF012 (replaced whole, never changed)


def languages() -> dict[str, str]:
    """Return {code: name in that language}, English first."""
    found = {path.stem: read_catalogue(path.stem).get("English", path.stem) for path in sorted(_FOLDER.glob("*.json"))}
    return {ENGLISH: "English", **found}


def read_catalogue(code: str) -> dict[str, str]:
    """Return the messages of a language; empty when there is no such catalogue or it is damaged."""
    try:
        return dict(read_json(_FOLDER / f"{code}.json"))
    except (OSError, ValueError) as error:
        logger.warning("No translation into %s: %s", code, error)
        return {}


def use_language(code: str) -> None:
    """Let `tr` answer in this language; widgets that are built already keep their texts."""
    _Language.code = code
    _Language.catalogue = {} if code in (ENGLISH, PSEUDO) else read_catalogue(code)
    _templates.cache_clear()
    _fitted.cache_clear()


def language() -> str:
    """Return the code of the language now in force."""
    return _Language.code


def tr(message: str, /, **values: object) -> str:
    """Return a message in the language now in force, with `values` put in for its `{placeholders}`.

    Where a `count` is 1, what is said of one is taken (`gui.kit.singulars`).

    Looking up a translation again gives the translation, so it does no harm when both page and widget ask.
    """
    if str(values.get("count")) == "1":
        message = OF_ONE.get(message, message)
    if _Language.code == PSEUDO:
        found = _lengthened(message)
    else:
        found = _Language.catalogue.get(message) or (message if values else _fitted(message))
    return found.format(**values) if values else found


@cache
def _templates() -> Sequence[tuple[str, str]]:
    """Return the messages with placeholders, each behind its longest part; what says most by itself comes first."""
    parts = {message: _PLACEHOLDER.sub("\n", message).split("\n") for message in _Language.catalogue}
    letters = {message: sum(map(str.isalpha, "".join(found))) for message, found in parts.items() if len(found) > 1}
    chosen = sorted((each for each in letters if letters[each] >= _LEAST_LETTERS), key=lambda each: -letters[each])
    return [(max(parts[message], key=len), message) for message in chosen]


@cache
def _pattern(message: str) -> re.Pattern[str]:
    """Return what fits a message with its values in it."""
    parts, seen = _PLACEHOLDER.split(message), set[str]()
    for place, part in enumerate(parts):
        is_name = place % 2
        parts[place] = _group(part, part in seen) if is_name else re.escape(part)
        seen |= {part} if is_name else set()
    return re.compile("".join(parts), re.DOTALL)


def _group(name: str, is_again: bool) -> str:
    what = r"[\d.,]+" if name in _NUMBERS else ".+?"
    return f"(?P={name})" if is_again else f"(?P<{name}>{what})"


@lru_cache(maxsize=512)
def _fitted(message: str) -> str:
    """Return the translation of a message that came with its values in it; the message where none fits."""
    for part, template in _templates():
        if part in message and (fit := _pattern(template).fullmatch(message)) is not None:
            values = {name: tr(value) if name in _SAID else value for name, value in fit.groupdict().items()}
            return _Language.catalogue[template].format(**values)
    sentences = _SENTENCE_END.split(message)
    return " ".join(map(tr, sentences)) if len(sentences) > 1 else message


def _lengthened(message: str) -> str:
    is_words = sum(letter.isalpha() for letter in message) > 1
    if not is_words or message.endswith(_PADDING):
        return message
    more = math.ceil(len(message) * _LONGER)
    return message + " ".join(_PADDING * min(8, more - start) for start in range(0, more, 8))
