"""Pascal VOC: an XML file per image in `Annotations` with the objects in it; lists in `ImageSets`.

For a whole image, VOC only records presence: a class with an object is a label, and so is a class with the value 1
in its list (`cat_train.txt`). Datumaro and CVAT write image labels into these lists alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from models.messages import Message
from visionft.data.types import Split
from visionft.errors import ProjectError
from visionft.files import is_file, list_folder, open_regular
from visionft.foreign_text import printable
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_listing, attempt
from visionft.project.formats.folders import walk
from visionft.project.formats.handing_out import Copier, LabelSet, xml_text
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import DEFAULTS, Listing, ReadOptions, RejectedFile
from visionft.project.formats.locating import ImageFinder, data_folder
from visionft.project.formats.split_names import UNASSIGNED_FOLDER, is_split_name, split_of
from visionft.project.formats.whole_files import Element, MemoryLimit, check_size, reading_errors, xml_elements

_TITLE = "Pascal VOC"
SETS = "ImageSets/Main"
_ANNOTATIONS, _IMAGES, _CLASSES = "Annotations", "JPEGImages", "labelmap.txt"
_PRESENT = re.compile(r"(?P<image>.*\S)\s+(?P<flag>-1|0|1)")


def read_voc(path: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a VOC folder, or of one of its XML files."""
    root = path if path.is_dir() else data_folder(path)
    files = [path] if is_file(path) else [file for file in walk(path, [], []) if file.suffix.casefold() == ".xml"]
    sets = _sets_in(root)
    entries: list[Entry] = []
    read: list[Path] = []
    described: set[str] = set()
    for file in files:
        entry: Entry
        try:
            elements = list(xml_elements(file))
        except ProjectError as error:
            entry = RejectedFile(printable(file), error.message.removeprefix(f"{file} "))
        else:
            if not {element.tag for element in elements} & {"filename", "object"}:
                continue  # of another kind
            annotation = Element("annotation", {}, 1, elements)
            entry = attempt(file, f"line {elements[0].line}", partial(_image, file, annotation))
        # its possible names in the lists: with the folders below `Annotations`, or without
        inner = file.relative_to(root).with_suffix("").as_posix().removeprefix(f"{_ANNOTATIONS}/")
        names = (inner, file.stem)
        described.update(names)
        entries.append(sets.added_to(entry, names) if isinstance(entry, ImageAnnotation) else entry)
        read.append(file)
    if not any(isinstance(entry, ImageAnnotation) for entry in entries) and is_file(path):
        message = Message("{file} is no {title} file.", file=path, title=_TITLE)
        raise ProjectError(message, "Choose the folder that holds it, or another file.")
    listed = [] if is_file(path) else [name for name in sets.images if name not in described]
    entries += [sets.added_to(ImageAnnotation(name=name, place=SETS), (name,)) for name in listed]
    images = [entry for entry in list_folder(root) if entry.name.casefold() == _IMAGES.casefold()]
    finder = ImageFinder(root, replace(options, image_folders=(*options.image_folders, *images)))
    masks = [file for name in ("SegmentationClass", "SegmentationObject") for file in list_folder(root / name)]
    listing = annotated_listing(
        path, _TITLE, entries, options, finder=finder, label_files=(*read, *sets.files, *masks), classes=sets.classes
    )
    is_presence = any(each.labels for each in listing.files) and bool(read)
    interpretations = tuple(replace(each, is_from_marks=is_presence) for each in listing.interpretations)
    return replace(listing, interpretations=interpretations)


def _image(file: Path, annotation: Element) -> ImageAnnotation:
    """Return the entry of an image; without a name, it is named after the file."""
    names: list[str] = []
    for each in annotation.all("object"):
        if not each.text_of("name"):
            raise ValueError(Message("the object in line {line} has no name", line=each.line))
        names.append(each.text_of("name"))
    return ImageAnnotation(name=annotation.text_of("filename") or file.stem, labels=tuple(names))


@dataclass(frozen=True, slots=True)
class _Sets:
    """The lists of a VOC folder; image names there have no suffix."""

    files: tuple[Path, ...]  # the lists
    classes: tuple[ClassLook, ...]  # declared in `labelmap.txt`: `name:colour:parts:actions`
    splits: dict[str, Split]  # {image: split}, from the lists of the splits; `trainval` gives none
    labels: dict[str, list[str]]  # {image: classes with the value 1 in their lists}

    @property
    def images(self) -> dict[str, None]:
        """Every image with a split or a class."""
        return dict.fromkeys((*self.splits, *self.labels))

    def added_to(self, entry: ImageAnnotation, names: Sequence[str]) -> ImageAnnotation:
        """Return an entry extended by the split and the classes of the lists under one of these names."""
        split = next((self.splits[name] for name in names if name in self.splits), None)
        labels = [label for name in dict.fromkeys(names) for label in self.labels.get(name, [])]
        return replace(entry, split=split, labels=(*entry.labels, *labels))


def _sets_in(root: Path) -> _Sets:
    lists = [file for file in list_folder(root / SETS) if file.suffix == ".txt"]
    splits: dict[str, Split] = {}
    labels: dict[str, list[str]] = {}
    for file in lists:
        split = split_of(file.stem) if is_split_name(file.stem) else None
        if split is not None:
            splits |= dict.fromkeys(_lines_of(file), split)
        # the class of `cat_train.txt` beside `train.txt` is `cat`
        stems = (each.stem for each in lists if file.stem.endswith(f"_{each.stem}"))
        name = next((file.stem.removesuffix(f"_{stem}") for stem in stems), "")
        for line in _lines_of(file) if name else ():
            found = _PRESENT.fullmatch(line)
            if found and found["flag"] == "1":
                labels.setdefault(found["image"], []).append(name)
    used = {name for names in labels.values() for name in names}
    lines = _lines_of(root / _CLASSES) if is_file(root / _CLASSES) else ()
    declared = [line.rsplit(":", 3)[0] for line in lines if not line.startswith("#") and line.count(":") >= 3]
    # datumaro has a class of background pixels
    looks = tuple(ClassLook(name) for name in declared if name != "background" or name in used)
    return _Sets((*lists, root / _CLASSES), looks, splits, labels)


def _lines_of(file: Path) -> Iterator[str]:
    check_size(file)
    memory = MemoryLimit(file)
    with reading_errors(file), TextIOWrapper(open_regular(file), encoding="utf-8", errors="replace") as handle:
        for line in filter(None, (line.strip() for line in handle)):
            memory.add(300 + len(line))
            yield line


def write_voc(labels: LabelSet, copier: Copier) -> None:
    """Write images, a file for each, the lists of the splits, and the classes; objects are as large as images."""
    sets: dict[str, list[str]] = {}
    for record, name in copier.copies(labels, lambda _: _IMAGES, has_own_stems=True):
        stem = Path(name).stem
        file = copier.folder / _ANNOTATIONS / f"{stem}.xml"
        file.parent.mkdir(exist_ok=True)
        width, height = record.size
        box = f"<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{width}</xmax><ymax>{height}</ymax></bndbox>"
        lines = ["<annotation>", f"  <folder>{_IMAGES}</folder>", f"  <filename>{xml_text(Path(name).name)}</filename>"]
        lines.append(f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
        for each in record.labels:
            lines.append(f"  <object><name>{xml_text(each)}</name><difficult>0</difficult>{box}</object>")
        file.write_text("\n".join([*lines, "</annotation>", ""]), encoding="utf-8", newline="\n")
        # datumaro reads only listed images, and calls the list of all `default`
        sets.setdefault(record.split or (UNASSIGNED_FOLDER if labels.has_splits else "default"), []).append(stem)
    for split, stems in sets.items():
        (copier.folder / SETS).mkdir(parents=True, exist_ok=True)
        listed = "".join(f"{stem}\n" for stem in stems)
        (copier.folder / SETS / f"{split}.txt").write_text(listed, encoding="utf-8", newline="\n")
    names = [name for name in labels.classes if not name.startswith("#") and ":" not in name]
    declared = "".join(f"{name}:::\n" for name in names)  # else datumaro and CVAT only know the classes of VOC 2012
    (copier.folder / _CLASSES).write_text(declared, encoding="utf-8", newline="\n")
