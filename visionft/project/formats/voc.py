"""Pascal VOC: an XML file per picture in `Annotations`, whose objects are present in the picture; lists in `ImageSets`.

Presence is all that it says of a whole picture: each class of which there is an object is a label, and each in whose
list (`cat_train.txt`) the picture stands with 1. Datumaro and CVAT write labels of pictures into these lists alone.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from visionft.data.types import Split
from visionft.errors import ProjectError
from visionft.files import is_file, list_folder
from visionft.foreign_text import printable
from visionft.project.formats.annotated import Annotated, annotated_listing, attempt
from visionft.project.formats.folders import walk
from visionft.project.formats.handing_out import Copier, LabelSet, xml_text
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import (
    AUTOMATIC,
    UNASSIGNED_FOLDER,
    ColumnChoice,
    Listing,
    Rejected,
    is_split_name,
    split_of,
)
from visionft.project.formats.locating import PictureFinder, data_folder
from visionft.project.formats.whole_files import Element, xml_elements

_TITLE = "Pascal VOC"
SETS = "ImageSets/Main"
_ANNOTATIONS, _PICTURES, _CLASSES = "Annotations", "JPEGImages", "labelmap.txt"
_ALL = "default"  # the list of all pictures, as datumaro calls it: what is in no list, it does not read
_BACKGROUND = "background"  # datumaro's class of pixels that show nothing
_PRESENT = re.compile(r"(?P<picture>.*\S)\s+(?P<flag>-1|0|1)")
_MASKS = ("SegmentationClass", "SegmentationObject")  # pictures that are labels of pixels


def read_voc(
    path: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a VOC folder, or of one of its XML files; arguments as `readers.read_csv`.

    Raises:
        ProjectError: No file of it describes a picture.
    """
    root = path if path.is_dir() else data_folder(path)
    files = [path] if is_file(path) else [file for file in walk(path, [], []) if file.suffix.casefold() == ".xml"]
    sets = _sets_in(root)
    entries: list[Annotated | Rejected] = []
    read: list[Path] = []
    described: set[str] = set()
    for file in files:
        entry = _entry(file)
        if entry is not None:
            names = _names_of(file, root)
            described.update(names)
            entries.append(sets.added_to(entry, names) if isinstance(entry, Annotated) else entry)
            read.append(file)
    if not any(isinstance(entry, Annotated) for entry in entries) and is_file(path):
        raise ProjectError(f"{path} is no {_TITLE} file.", "Choose the folder that holds it, or another file.")
    listed = [] if is_file(path) else [name for name in sets.pictures if name not in described]
    entries += [sets.added_to(Annotated(name=name, place=SETS), (name,)) for name in listed]
    finder = PictureFinder(root, is_confined=is_confined, beside=_folders(root, beside), root=root)
    masks = [file for name in _MASKS for file in list_folder(root / name)]
    listing = annotated_listing(
        path,
        _TITLE,
        entries,
        finder=finder,
        choice=choice,
        label_files=(*read, *sets.files, *masks),
        classes=sets.classes,
    )
    is_presence = any(each.labels for each in listing.files) and bool(read)
    interpretations = tuple(replace(each, is_from_marks=is_presence) for each in listing.interpretations)
    return replace(listing, interpretations=interpretations)


def _entry(file: Path) -> Annotated | Rejected | None:
    """Return what a file says of its picture, why it cannot be read, or None where it is none of these files."""
    try:
        elements = list(xml_elements(file))
    except ProjectError as error:
        return Rejected(printable(file), error.message.removeprefix(f"{file} "))
    tags = {element.tag for element in elements}
    if not tags & {"filename", "object"}:
        return None
    line = elements[0].line
    return attempt(file, f"line {line}", partial(_picture, file, elements))


def _picture(file: Path, elements: Iterable[Element]) -> Annotated:
    """Return what the children of `annotation` say; where no name stands, the picture is called like the file."""
    children = Element("annotation", {}, 1, list(elements))
    names: list[str] = []
    for each in children.all("object"):
        if not each.text_of("name"):
            raise ValueError(f"the object in line {each.line} has no name")
        names.append(each.text_of("name"))
    return Annotated(name=children.text_of("filename") or file.stem, place="line 1", labels=tuple(names))


def _folders(root: Path, beside: Sequence[Path]) -> tuple[Path, ...]:
    pictures = [entry for entry in list_folder(root) if entry.name.casefold() == _PICTURES.casefold()]
    return (*beside, *pictures)


@dataclass(frozen=True, slots=True)
class _Sets:
    """What the lists of a VOC folder say of each picture; its name there has no suffix.

    Attributes:
        files: The lists.
        classes: Those that `labelmap.txt` declares.
        splits: Those of the pictures that the list of a split names; `trainval` gives none.
        labels: The classes in whose lists a picture stands with 1.
    """

    files: tuple[Path, ...]
    classes: tuple[ClassLook, ...]
    splits: dict[str, Split]
    labels: dict[str, list[str]]

    @property
    def pictures(self) -> dict[str, None]:
        """Every picture that has a split or a class."""
        return dict.fromkeys((*self.splits, *self.labels))

    def added_to(self, entry: Annotated, names: Sequence[str]) -> Annotated:
        """Return an entry with the split and the classes that the lists give it under one of these names."""
        split = next((self.splits[name] for name in names if name in self.splits), None)
        labels = [label for name in dict.fromkeys(names) for label in self.labels.get(name, [])]
        return replace(entry, split=split, labels=(*entry.labels, *labels))


def _sets_in(root: Path) -> _Sets:
    classes = _declared(root / _CLASSES)
    lists = [file for file in list_folder(root / SETS) if file.suffix == ".txt"]
    splits: dict[str, Split] = {}
    labels: dict[str, list[str]] = {}
    for file in lists:
        split = split_of(file.stem) if is_split_name(file.stem) else None
        if split is not None:
            splits |= dict.fromkeys(_lines_of(file), split)
        name = _class_of_list(file, lists)
        for line in _lines_of(file) if name else ():
            found = _PRESENT.fullmatch(line)
            if found and found["flag"] == "1":
                labels.setdefault(found["picture"], []).append(name)
    used = {name for names in labels.values() for name in names}
    looks = tuple(ClassLook(name) for name in classes if name != _BACKGROUND or name in used)
    return _Sets((*lists, root / _CLASSES), looks, splits, labels)


def _class_of_list(file: Path, lists: Sequence[Path]) -> str:
    """Return the class that a list is of, `cat` for `cat_train.txt` beside `train.txt`; empty for one of all."""
    whole = (each.stem for each in lists if file.stem.endswith(f"_{each.stem}"))
    return next((file.stem.removesuffix(f"_{stem}") for stem in whole), "")


def _names_of(file: Path, root: Path) -> tuple[str, ...]:
    """Return what lists may call the picture of an XML file: with the folders below `Annotations`, or without."""
    inner = file.relative_to(root).with_suffix("").as_posix().removeprefix(f"{_ANNOTATIONS}/")
    return (inner, file.stem)


def _declared(file: Path) -> list[str]:
    """Return the classes of `labelmap.txt`: `name:colour:parts:actions`."""
    lines = _lines_of(file) if is_file(file) else ()
    return [line.rsplit(":", 3)[0] for line in lines if not line.startswith("#") and line.count(":") >= 3]


def _lines_of(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as handle:
            yield from filter(None, (line.strip() for line in handle))
    except OSError as error:
        raise ProjectError(f"{file} cannot be read: {error.strerror}.", "Check its permissions.") from error


def write_voc(labels: LabelSet, copier: Copier) -> None:
    """Write pictures, a file for each, the lists of the splits, and the classes; objects are as large as pictures."""
    sets: dict[str, list[str]] = {}
    for record, name in copier.copies(labels, lambda _: _PICTURES, has_own_stems=True):
        stem = Path(name).stem
        file = copier.folder / _ANNOTATIONS / f"{stem}.xml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(_annotation(Path(name).name, record.size, record.labels), encoding="utf-8", newline="\n")
        sets.setdefault(record.split or (UNASSIGNED_FOLDER if labels.has_splits else _ALL), []).append(stem)
    for split, stems in sets.items():
        (copier.folder / SETS).mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{stem}\n" for stem in stems)
        (copier.folder / SETS / f"{split}.txt").write_text(lines, encoding="utf-8", newline="\n")
    names = [name for name in labels.classes if not name.startswith("#") and ":" not in name]
    lines = "".join(f"{name}:::\n" for name in names)  # without it, datumaro and CVAT know the classes of VOC 2012 only
    (copier.folder / _CLASSES).write_text(lines, encoding="utf-8", newline="\n")


def _annotation(name: str, size: tuple[int, int], names: Sequence[str]) -> str:
    width, height = size
    lines = ["<annotation>", f"  <folder>{_PICTURES}</folder>", f"  <filename>{xml_text(name)}</filename>"]
    lines.append(f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
    box = f"<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{width}</xmax><ymax>{height}</ymax></bndbox>"
    for each in names:
        lines.append(f"  <object><name>{xml_text(each)}</name><difficult>0</difficult>{box}</object>")
    return "\n".join([*lines, "</annotation>", ""])
