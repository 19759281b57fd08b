"""Sanitising untrusted text (names of files and classes, licences) for a terminal, JSON or a spreadsheet.

Tokens and passwords are kept out of everything shown, logged or reported. The answer of a hub is never repeated, since
it may echo the request. Messages of libraries are searched for tokens, headers and the user part of an address.
"""

import re
from pathlib import Path

# Control characters, line breaks, bidirectional marks, and surrogates (which stand for bytes that are not UTF-8).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NO_UNICODE = re.compile("[\ud800-\udfff]")
# A cell that starts with one of these is run by a spreadsheet, in some languages also with a wide one. `'` is what we
# put before them.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def printable(text: str | Path, *, keep: str = "") -> str:
    r"""Return text as one printable line; control characters are escaped as `\x1b`, `\u202e`.

    Args:
        text: Text or a path; a byte of its name outside of UTF-8 is written as `\xe9`.
        keep: Characters to leave alone, such as line breaks.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), str(text))


def _escaped(sign: str) -> str:
    number = ord(sign)
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else ascii(sign)[1:-1]


def printable_json(text: str) -> str:
    r"""Return equal JSON without unprintable characters: `\udce9` stands for a byte outside of UTF-8.

    JavaScript and Python use the same escape; `os.fsencode` gives the name back.
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_unicode(text: str | Path) -> bool:
    """Return whether a name is valid Unicode, as the database and all label files require."""
    return _NO_UNICODE.search(str(text)) is None


def spreadsheet_cell(text: str) -> str:
    """Return a cell safe from formula execution in spreadsheets: with `'` before a possible formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def from_spreadsheet_cell(cell: str) -> str:
    """Return the original of a `spreadsheet_cell`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


SECRET = "<secret>"
_PATTERNS = (
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)[^\s\"',;}]+"), rf"\1{SECRET}"),
    (re.compile(r"(?i)\b((?:bearer|basic)(?:\s|%20|\+)+)(?=\S*[\d=_])[\w.~+/=%-]{8,}"), rf"\1{SECRET}"),
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), SECRET),
    (re.compile(r"(?<=://)[^\s/@]+(?=@)"), SECRET),
)


def without_secrets(text: str) -> str:
    """Return text with `<secret>` in place of tokens and passwords."""
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return text
