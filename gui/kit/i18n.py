"""The language of the window: every message passes `tr` once on its way to a widget.

A catalogue is a JSON file, `resources/translations/<code>.json`: English message -> translation, with the same
`{placeholders}`. A message it lacks stays English. What builds a label or a button (`gui.kit.parts`) looks up the
words that stand in the source; everything shown later is looked up at the call, `label.setText(tr("Saved"))`, and a
text put together from values is written `tr("{count} pictures", count=...)`. The name of a class, a file or a run never
is. Knows no widgets.
"""

import logging
import math
from pathlib import Path

import resources
from visionft.files import read_json

logger = logging.getLogger(__name__)
ENGLISH = "en"
PSEUDO = "pseudo"  # not a language: every message 40 % longer, for tests of layouts
_FOLDER = Path(resources.__file__).parent / "translations"
_LONGER, _PADDING = 0.4, "ö"


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


def language() -> str:
    """Return the code of the language now in force."""
    return _Language.code


def tr(message: str, /, **values: object) -> str:
    """Return a message in the language now in force, with `values` put in for its `{placeholders}`.

    Looking up a translation again gives the translation, so it does no harm when both page and widget ask.
    """
    found = _lengthened(message) if _Language.code == PSEUDO else _Language.catalogue.get(message, message)
    return found.format(**values) if values else found


def tr_count(one: str, many: str, count: int, /, **values: object) -> str:
    """Return the message for one or for several, with the number put in for `{count}`."""
    return tr(one if count == 1 else many, count=f"{count:,}", **values)


def _lengthened(message: str) -> str:
    is_words = sum(letter.isalpha() for letter in message) > 1
    if not is_words or message.endswith(_PADDING):
        return message
    more = math.ceil(len(message) * _LONGER)
    return message + " ".join(_PADDING * min(8, more - start) for start in range(0, more, 8))
