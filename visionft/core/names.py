"""Names of classes, tags and projects: any Unicode, compared in NFC form, kept as entered."""

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from visionft.core.errors import ProjectError
from visionft.core.foreign_text import is_unicode, printable
from visionft.core.messages import Message

MAX_NAME_LENGTH = 300  # characters; a folder of iNaturalist, `00003_Animalia_Annelida_..._terrestris`, has 79
_DIGITS = re.compile("([0-9]+)")


@lru_cache(4096)  # the classes of an import recur with every image
def clean_name(name: str, what: str) -> str:
    """Return a name without surrounding blanks; a `ProjectError` for an unfit one. `what`: "class", "tag" ..."""
    cleaned = name.strip()
    if not cleaned:
        raise ProjectError(Message("A {kind} needs a name.", kind=what), "Type at least one visible character.")
    if len(cleaned) > MAX_NAME_LENGTH:
        message = Message(
            "The {kind} name “{name}…” has {count} characters.", kind=what, name=cleaned[:40], count=len(cleaned)
        )
        raise ProjectError(message, Message("Use at most {MAX_NOTE_LENGTH}.", MAX_NOTE_LENGTH=MAX_NAME_LENGTH))
    if not is_unicode(cleaned):
        message = Message("The {kind} name {name} is not valid Unicode.", kind=what, name=printable(cleaned))
        raise ProjectError(message, "It comes from an older system: type the name again, or rename the folder.")
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in cleaned):
        message = Message(
            "The {kind} name {name} holds a control character or a line break.", kind=what, name=ascii(cleaned)
        )
        raise ProjectError(message, "Use letters, digits, signs and blanks.")
    return cleaned


def project_path(path: Path) -> Path:
    """Return a project's absolute path; a `ProjectError` unless it is valid Unicode, as paths in files must be."""
    if not is_unicode(path.absolute()):
        message = Message("The path {path} is not valid Unicode.", path=path)
        raise ProjectError(message, "Rename that folder, or choose another one.")
    return path.absolute()


def name_key(name: str) -> str:
    """Return the comparison key of a name: its NFC form."""
    return unicodedata.normalize("NFC", name)


_NOUNS = {
    "accepted label": Message("{count} accepted label", "{count} accepted labels"),
    "class": Message("{count} class", "{count} classes"),
    "duplicate": Message("{count} duplicate", "{count} duplicates"),
    "finding": Message("{count} finding", "{count} findings"),
    "held-out validation image": Message("{count} held-out validation image", "{count} held-out validation images"),
    "image": Message("{count} image", "{count} images"),
    "label conflict": Message("{count} label conflict", "{count} label conflicts"),
    "labelled image": Message("{count} labelled image", "{count} labelled images"),
    "missing image": Message("{count} missing image", "{count} missing images"),
    "suggestion": Message("{count} suggestion", "{count} suggestions"),
    "test image": Message("{count} test image", "{count} test images"),
    "unfinished file": Message("{count} unfinished file", "{count} unfinished files"),
    "validation image": Message("{count} validation image", "{count} validation images"),
}


def count_of(number: int, noun: str) -> str:
    """Return "1 image", "2,000 images"; a `Message` for the nouns shown in the window."""
    if noun in _NOUNS:
        return Message(_NOUNS[noun], count=number)
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a natural sort key, with digits compared as numbers: class 10 follows class 9."""
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part)
