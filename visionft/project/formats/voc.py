"""Pascal VOC: an XML file per picture in `Annotations`, whose objects are present in the picture; lists in `ImageSets`.

Presence is all that it says of a whole picture: each class of which there is an object is a label.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from visionft.data.types import Split
from visionft.errors import ProjectError
from visionft.files import is_file, list_folder
from visionft.foreign_text import printable
from visionft.project.formats.annotated import Annotated, annotated_listing, attempt
from visionft.project.formats.folders import walk
from visionft.project.formats.handing_out import Copier, LabelSet, xml_text
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Listing, Rejected, is_split_name, split_of
from visionft.project.formats.locating import PictureFinder, data_folder
from visionft.project.formats.whole_files import Element, xml_elements

_TITLE = "Pascal VOC"
_ANNOTATIONS, _PICTURES, _SETS = "Annotations", "JPEGImages", "ImageSets/Main"
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
    splits, lists = _sets(root)
    entries: list[Annotated | Rejected] = []
    read: list[Path] = []
    for file in files:
        entry = _entry(file)
        if entry is not None:
            entries.append(replace(entry, split=splits.get(file.stem)) if isinstance(entry, Annotated) else entry)
            read.append(file)
    if not any(isinstance(entry, Annotated) for entry in entries) and is_file(path):
        raise ProjectError(f"{path} is no {_TITLE} file.", "Choose the folder that holds it, or another file.")
    finder = PictureFinder(root, is_confined=is_confined, beside=_folders(root, beside), root=root)
    masks = [file for name in _MASKS for file in list_folder(root / name)]
    listing = annotated_listing(
        path, _TITLE, entries, finder=finder, choice=choice, label_files=(*read, *lists, *masks)
    )
    is_presence = any(each.labels for each in listing.files)
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


def _sets(root: Path) -> tuple[dict[str, Split], list[Path]]:
    """Return the split of each picture that a list names, and the lists; `trainval` and lists of a class name none."""
    splits: dict[str, Split] = {}
    lists = [file for file in list_folder(root / _SETS) if file.suffix == ".txt"]
    for file in lists:
        split = split_of(file.stem) if is_split_name(file.stem) else None
        if split is not None:
            splits |= dict.fromkeys(_names_in(file), split)
    return splits, lists


def _names_in(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as handle:
            for line in handle:
                yield from line.split()[:1]
    except OSError as error:
        raise ProjectError(f"{file} cannot be read: {error.strerror}.", "Check its permissions.") from error


def write_voc(labels: LabelSet, copier: Copier) -> None:
    """Write pictures, a file for each, and the lists of the splits. An object is as large as its picture."""
    sets: dict[Split, list[str]] = {}
    for record, name in copier.copies(labels, lambda _: _PICTURES, has_own_stems=True):
        stem = Path(name).stem
        file = copier.folder / _ANNOTATIONS / f"{stem}.xml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(_annotation(Path(name).name, record.size, record.labels), encoding="utf-8", newline="\n")
        if record.split:
            sets.setdefault(record.split, []).append(stem)
    for split, stems in sets.items():
        (copier.folder / _SETS).mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{stem}\n" for stem in stems)
        (copier.folder / _SETS / f"{split}.txt").write_text(lines, encoding="utf-8", newline="\n")


def _annotation(name: str, size: tuple[int, int], names: Sequence[str]) -> str:
    width, height = size
    lines = ["<annotation>", f"  <folder>{_PICTURES}</folder>", f"  <filename>{xml_text(name)}</filename>"]
    lines.append(f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
    box = f"<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{width}</xmax><ymax>{height}</ymax></bndbox>"
    for each in names:
        lines.append(f"  <object><name>{xml_text(each)}</name><difficult>0</difficult>{box}</object>")
    return "\n".join([*lines, "</annotation>", ""])
