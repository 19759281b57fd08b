"""Names a person gives to classes, tags and projects: any Unicode, compared in NFC form, kept as they were given."""

import re
import unicodedata
from pathlib import Path

from visionft.errors import ProjectError
from visionft.foreign_text import is_unicode

MAX_NAME_LENGTH = 300
_DIGITS = re.compile("([0-9]+)")


def clean_name(name: str, what: str) -> str:
    """Return `name` without surrounding blanks. `what` says in messages what is named ("class", "tag").

    Raises:
        ProjectError: The name is empty, too long, or holds line breaks or other control characters, which no text
            format could carry.
    """
    cleaned = name.strip()
    if not cleaned:
        raise ProjectError(f"A {what} needs a name.", "Type at least one visible character.")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise ProjectError(
            f"The {what} name “{cleaned[:40]}…” has {len(cleaned)} characters.",
            f"Use at most {MAX_NAME_LENGTH}.",
        )
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in cleaned):
        raise ProjectError(
            f"The {what} name {cleaned!a} holds a control character or a line break.",
            "Use letters, digits, signs and blanks.",
        )
    return cleaned


def project_path(path: Path) -> Path:
    """Return a project's absolute path.

    Raises:
        ProjectError: It is not valid Unicode; neither the database nor a label file could name the pictures in it.
    """
    if not is_unicode(path.absolute()):
        raise ProjectError(f"The path {path} is not valid Unicode.", "Rename that folder, or choose another one.")
    return path.absolute()


def name_key(name: str) -> str:
    """Return what two equal names have in common: the NFC form."""
    return unicodedata.normalize("NFC", name)


def count_of(number: int, noun: str) -> str:
    """Return "1 picture", "2,000 pictures"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which runs of digits count as numbers: class 10 follows class 9."""
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part)
