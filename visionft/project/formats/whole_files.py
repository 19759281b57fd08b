"""Label files that are read as a whole, JSON and XML: bounded in size, and what is no such file is refused by its line.

XML is read by expat without any document type, so that no entity exists: nothing grows, and nothing else is opened.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from visionft.amounts import size_text
from visionft.errors import ProjectError
from visionft.files import parse_json
from visionft.project.formats.recognising import not_utf_8, text_encoding

MAX_BYTES = 200 * 2**20  # of JSON: about six times as much memory while it is read
_MAX_DEPTH = 50
_CHUNK = 1 << 20
_AGAIN = "It may be cut short or edited by hand: export it again."


@dataclass(slots=True)
class Element:
    """An element of an XML file; `line` is where it begins."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list["Element"] = field(default_factory=list["Element"])
    text: str = ""

    def all(self, *tags: str) -> Iterator["Element"]:
        """Yield the children of these names."""
        return (child for child in self.children if child.tag in tags)

    def text_of(self, tag: str) -> str:
        """Return the text of the first child of a name, without the blanks around it; empty where there is none."""
        return next((child.text.strip() for child in self.all(tag)), "")


def check_size(file: Path) -> None:
    """Return when a label file is not too large to be read.

    Raises:
        ProjectError: It is, or cannot be looked at.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise _unreadable(file, error) from error
    if size > MAX_BYTES:
        raise ProjectError(
            f"{file} has {size_text(size)}; label files of at most {size_text(MAX_BYTES)} are read.",
            "Divide it, or leave out what is no label, such as outlines and pictures inside it.",
        )


def read_label_json(file: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        ProjectError: It is too large, cannot be read, or is no JSON; with the line.
    """
    check_size(file)
    try:
        return parse_json(file.read_bytes().decode(text_encoding(file)))
    except OSError as error:
        raise _unreadable(file, error) from error
    except UnicodeError as error:
        raise not_utf_8(file) from error
    except json.JSONDecodeError as error:
        raise ProjectError(f"{file} is no JSON: line {error.lineno}: {error.msg}.", _AGAIN) from error
    except ValueError as error:
        raise ProjectError(f"{file} is no JSON: {error}.", _AGAIN) from error


def xml_elements(file: Path) -> Iterator[Element]:
    """Yield the children of an XML file's root, each with all that is in it, once it is read whole.

    Raises:
        ProjectError: It is too large, cannot be read, is no XML, or declares a document type; with the line.
    """
    check_size(file)
    builder = _Builder()
    try:
        with file.open("rb") as handle:
            while chunk := handle.read(_CHUNK):
                builder.parser.Parse(chunk, False)
                yield from builder.taken()
        builder.parser.Parse(b"", True)
    except OSError as error:
        raise _unreadable(file, error) from error
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ProjectError(f"{file} is no XML: line {error.lineno}: {reason}.", _AGAIN) from error
    except ValueError as error:
        line = builder.parser.CurrentLineNumber
        raise ProjectError(f"{file} is not read: line {line}: {error}.", _AGAIN) from error
    yield from builder.taken()


class _Builder:
    """Puts elements together, and hands out those just below the root."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add_text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.buffer_text = True
        self._open: list[Element] = []
        self._done: list[Element] = []

    def taken(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        self._open.append(Element(tag, attributes, self.parser.CurrentLineNumber))

    def _end(self, _tag: str) -> None:
        element = self._open.pop()
        if len(self._open) == 1:
            self._done.append(element)
        elif self._open:
            self._open[-1].children.append(element)

    def _add_text(self, text: str) -> None:
        if len(self._open) > 1:
            self._open[-1].text += text

    def _refuse(self, *_declared: object) -> None:
        raise ValueError("it declares a document type, which label files do not need")


def _unreadable(file: Path, error: OSError) -> ProjectError:
    return ProjectError(f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions.")
