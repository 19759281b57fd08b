"""Recognise files by their text, and parse JSON and XML with limits on size and memory; errors have line numbers.

XML with a document type is rejected: entities could expand without limit, or open further files.
"""

import codecs
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast
from xml.parsers import expat

from visionft.core.amounts import size_text
from visionft.core.errors import ProjectError
from visionft.core.files import json_memory, open_regular, parse_json
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.project.formats.image_table import ImportRow, RejectedFile
from visionft.project.formats.split_names import is_split_name, split_of

MAX_BYTES = 200 * 2**20  # of a label file
MAX_MEMORY = 2 * 10**9  # bytes of its values, and the same for its images
_MAX_DEPTH = 50  # of nested elements; objects of VOC and CVAT have depth 4
# Memory of XML in bytes, without the characters.
_ELEMENT_BYTES = 300
_ATTRIBUTE_BYTES = 130
_TEXT_BYTES = 60
# Memory of an entry in bytes; 400 to 950 were measured for an image.
_IMAGE_BYTES = 1000
_LABEL_BYTES = 64
_REJECTED_BYTES = 400
_CHUNK_BYTES = 1 << 20
_MAX_TAG_BYTES = 4 << 20  # expat creates all attribute values of a tag at once
_EXPORT_AGAIN_HINT = Message("It may be cut short or edited by hand: export it again.")
_DIVIDE_HINT = Message("Divide it, or remove other data than labels, such as outlines and embedded images.")
_GLANCE_BYTES = 1 << 20  # of the beginning and of the end: COCO's `categories` come after all `annotations`
_NOT_ASCII = re.compile(r"[^\0-\x7f]")
_NOT_ASCII_PAIR = re.compile(r"[^\0-\x7f]{2}")
_CODE_PAGES = ("cp1252", "cp1250")  # of Western and Central Europe
# Of Russian, Japanese, Chinese, Korean, Greek, Turkish, Hebrew and Arabic.
_OTHER_CODE_PAGES = ("cp1251", "cp932", "gb18030", "cp949", "big5", "cp1253", "cp1254", "cp1255", "cp1256")
_FOREIGN_CELL = re.compile(r"[^\t\r\n,;|\"]*[^\0-\x7f][^\t\r\n,;|\"]*")
_MAX_TRIED_CELLS = 100  # cells with non-ASCII letters that are tried in each code page
_SIGN_WITHIN_WORD = re.compile(r"[^\W\d_][²³½¿¡][^\W\d_]")  # cp1252 signs within words are letters of another code page
_PUNCTUATION = "€‚„…‘’“”•–—°²³´µ·½¿¡§©®«»\xa0"
# Unsupported containers of images, by suffix.
_CONTAINER_FORMATS: dict[str, str] = {
    ".tfrecord": "TFRecord",
    ".tfrec": "TFRecord",
    ".tfrecords": "TFRecord",
    ".npz": "NumPy",
    ".npy": "NumPy",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".pkl": "Python (pickle)",
    ".pickle": "Python (pickle)",
    ".mdb": "LMDB",
    ".rec": "RecordIO",
    ".arrow": "Arrow",
    ".mat": "MATLAB",
}


def glance(file: Path) -> str:
    """Return the beginning and the end of a file as text; empty if it cannot be read."""
    try:
        with open_regular(file) as handle:
            data = handle.read(_GLANCE_BYTES)
            size = file.stat().st_size
            if size > len(data):
                handle.seek(max(len(data), size - _GLANCE_BYTES))
                data += handle.read(_GLANCE_BYTES)
    except OSError:
        return ""
    return data.decode(_encoding_of(data), "replace").removeprefix("\ufeff")


def text_encoding(file: Path, is_known: Callable[[str], bool] | None = None) -> str:
    """Return a file's encoding: UTF-16 by its byte order mark, as in Excel's “Unicode text”, UTF-8, or a code page.

    If the file is not UTF-8, the code page is the one with the most known cells, such as image names. Without known
    cells, code page 1252 or 1250 is used if non-ASCII characters are single letters within words.

    Raises:
        UnicodeError: The code page is unclear: other scripts give the same bytes another meaning.
    """
    with open_regular(file) as handle:
        encoding = _encoding_of(handle.read(2))
        handle.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while chunk := handle.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            handle.seek(0)
            data = handle.read(_GLANCE_BYTES)
            pages = _CODE_PAGES if encoding != "utf-16" else ()
            if is_known is not None and pages:
                known = {page: _known_cells(data, page, is_known) for page in (*pages, *_OTHER_CODE_PAGES)}
                if known[best := max(known, key=lambda page: known[page])]:
                    return best
            for page in pages:
                if _has_plausible_letters(data.decode(page, "replace")):
                    return page
            raise
    return encoding


def _known_cells(data: bytes, page: str, is_known: Callable[[str], bool]) -> int:
    cells = islice(_FOREIGN_CELL.finditer(data.decode(page, "replace")), _MAX_TRIED_CELLS)
    return sum(is_known(cell[0].strip()) for cell in cells)


def _has_plausible_letters(text: str) -> bool:
    if _SIGN_WITHIN_WORD.search(text):
        return False
    signs = _NOT_ASCII.findall(text)
    pairs = sum(not pair.islower() for pair in _NOT_ASCII_PAIR.findall(text))
    return (
        "\0" not in text and 3 * pairs <= len(signs) and all(sign.isalpha() or sign in _PUNCTUATION for sign in signs)
    )


def _encoding_of(data: bytes) -> str:
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


@contextmanager
def reading_errors(file: Path) -> Generator[None]:
    """Convert errors of the file system and of decoding into a `ProjectError`."""
    try:
        yield
    except UnicodeError as error:
        message = Message("{file} is not UTF-8 text.", file=file)
        raise ProjectError(message, "Save it again as UTF-8; in Excel as “CSV UTF-8”.") from error
    except OSError as error:
        message = Message("{folder} cannot be read: {reason}.", folder=file, reason=error.strerror)
        raise ProjectError(message, "Check the path and its permissions.") from error


def has_signs(text: str, signs: Sequence[str]) -> bool:
    """Return whether a text matches all regular expressions in `signs`; False without any."""
    return bool(signs) and all(re.search(sign, text) for sign in signs)


def unread_store(files: Iterable[Path]) -> ProjectError | None:
    """Return the error for the first unsupported container of images, or None."""
    for file in files:
        if store := _CONTAINER_FORMATS.get(file.suffix.casefold()):
            message = Message("{file} is a store of {format}, whose images are not read.", file=file, format=store)
            hint = "Get the data set as image files, with its labels in class folders or in a CSV table."
            return ProjectError(message, hint)
    return None


@dataclass(slots=True)
class Element:
    """An element of an XML file; `line` is its first line."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list["Element"] = field(default_factory=list["Element"])
    text: str = ""

    def all(self, *tags: str) -> Iterator["Element"]:
        return (child for child in self.children if child.tag in tags)

    def text_of(self, tag: str) -> str:
        """Return the stripped text of the first child with a tag, or an empty text."""
        return next((child.text.strip() for child in self.all(tag)), "")


def check_size(file: Path) -> None:
    """Raise a `ProjectError` if a label file is too large or inaccessible."""
    with reading_errors(file):
        size = file.stat().st_size
    if size > MAX_BYTES:
        raise ProjectError(
            Message(
                "{file} has {size}; label files of at most {limit} are read.",
                file=file,
                size=size_text(size),
                limit=size_text(MAX_BYTES),
            ),
            _DIVIDE_HINT,
        )


@dataclass(slots=True)
class MemoryLimit:
    """The memory limit for reading a label file: a few bytes can expand to gigabytes. `used` is the estimate so far."""

    file: Path
    used: int = 0

    @property
    def left(self) -> int:
        """The number of bytes until the limit."""
        return MAX_MEMORY - self.used

    def add(self, size: int) -> None:
        """Count `size` more bytes; raise a `ProjectError` above the limit."""
        self.used += size
        if self.used > MAX_MEMORY:
            message = Message(
                "{file} would take more than {limit} of memory, the limit for label files.",
                file=self.file,
                limit=size_text(MAX_MEMORY),
            )
            raise ProjectError(message, _DIVIDE_HINT)

    def add_entry(self, entry: ImportRow | RejectedFile) -> None:
        """Count the memory of an image or a rejected entry."""
        if isinstance(entry, RejectedFile):
            self.add(_REJECTED_BYTES + len(entry.reason))
            return
        names = (*entry.labels, *entry.tags)
        self.add(_IMAGE_BYTES + 3 * len(entry.name) + len(names) * _LABEL_BYTES + sum(map(len, names)))


def xml_elements(file: Path) -> Iterator[Element]:
    """Yield the children of an XML file's root; a `ProjectError` with the line if parsing fails."""
    check_size(file)
    builder = _Builder(MemoryLimit(file))
    try:
        with reading_errors(file), open_regular(file) as handle:
            while chunk := handle.read(_CHUNK_BYTES):
                builder.parser.Parse(chunk, False)
                if handle.tell() - builder.parser.CurrentByteIndex > _MAX_TAG_BYTES:
                    raise ValueError(
                        Message("a tag or a comment is longer than {size}", size=size_text(_MAX_TAG_BYTES))
                    )
                yield from builder.taken()
        builder.parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        message = Message("{file} is not XML: line {line}: {reason}.", file=file, line=error.lineno, reason=reason)
        raise ProjectError(message, _EXPORT_AGAIN_HINT) from error
    except (ValueError, LookupError) as error:  # expat raises a LookupError for `encoding="uto-8"`
        line = builder.parser.CurrentLineNumber
        message = Message("{file} is not read: line {line}: {reason}.", file=file, line=line, reason=error)
        raise ProjectError(message, _EXPORT_AGAIN_HINT) from error
    yield from builder.taken()


class _Builder:
    """Builds elements from expat's events, and collects the children of the root."""

    def __init__(self, memory: MemoryLimit) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._on_start
        self.parser.EndElementHandler = self._on_end
        self.parser.CharacterDataHandler = self._on_text
        self.parser.StartDoctypeDeclHandler = self._on_doctype
        self.parser.buffer_text = True
        self._memory = memory
        self._open: list[Element] = []
        self._texts: list[list[str]] = []  # texts of each open element, joined at its end
        self._done: list[Element] = []

    def taken(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _on_start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise ValueError(Message("it is nested too deeply"))
        characters = sum(map(len, attributes.values()))
        self._memory.add(_ELEMENT_BYTES + _ATTRIBUTE_BYTES * len(attributes) + characters)
        self._open.append(Element(tag, attributes, self.parser.CurrentLineNumber))
        self._texts.append([])

    def _on_end(self, _tag: str) -> None:
        element = self._open.pop()
        element.text = "".join(self._texts.pop())
        if len(self._open) == 1:
            self._done.append(element)
        elif self._open:
            self._open[-1].children.append(element)

    def _on_text(self, text: str) -> None:
        if len(self._open) > 1:
            self._memory.add(_TEXT_BYTES + len(text))
            self._texts[-1].append(text)

    def _on_doctype(self, *_declared: object) -> None:
        raise ValueError("it declares a document type, which label files do not need")


def read_label_json(file: Path) -> Any:
    """Return the value of a JSON file; a `ProjectError` with the line if it is no JSON or too large."""
    check_size(file)
    try:
        with reading_errors(file):
            with open_regular(file) as handle:
                text = handle.read().decode(text_encoding(file))
            MemoryLimit(file).add(json_memory(text))
            return parse_json(text)
    except json.JSONDecodeError as error:
        message = Message("{file} is not JSON: line {line}: {reason}.", file=file, line=error.lineno, reason=error.msg)
        raise ProjectError(message, _EXPORT_AGAIN_HINT) from error
    except ValueError as error:
        raise ProjectError(
            Message("{file} is not JSON: {reason}.", file=file, reason=error), _EXPORT_AGAIN_HINT
        ) from error


def as_object(value: Any) -> dict[str, Any]:
    """Return a value as a JSON object; raise a ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return cast("dict[str, Any]", value)


def objects(values: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the values that are JSON objects."""
    return [cast("dict[str, Any]", value) for value in values if isinstance(value, dict)]


def as_list(value: Any) -> list[Any]:
    """Return a JSON array, empty for null; raise a ValueError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("not a JSON array")
    return cast("list[Any]", value)


def as_name(value: Any) -> str:
    """Return text or a number as the name of a class or a file; raise a ValueError for anything else."""
    if value is None:
        raise ValueError("a name is missing")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise ValueError(Message("{value} is not a name", value=repr(value)))
    return str(value).strip()


def as_split(value: Any) -> Split | None:
    """Return the split named by a value; None for any other value."""
    return split_of(value) if isinstance(value, str) and is_split_name(value) else None


@contextmanager
def structure_of(file: Path, title: str) -> Generator[None]:
    """Convert a `KeyError` or `ValueError` into the `ProjectError` for a file without the structure of its format."""
    try:
        yield
    except (KeyError, ValueError) as error:
        raise no_such_file(file, title) from error


def no_such_file(file: Path, title: str) -> ProjectError:
    """Return the error for a file without the structure of its format."""
    message = Message("{file} is not a {title} file.", file=file, title=title)
    return ProjectError(message, "Export it again, or choose another format.")
