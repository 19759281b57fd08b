"""Pascal VOC: an XML file per image in `Annotations` with its objects; lists in `ImageSets`.

VOC labels whole images by presence: a class is a label if it has an object, or the value 1 in its list
(`cat_train.txt`). Datumaro and CVAT write image labels only into these lists.
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from visionft.core.errors import ProjectError
from visionft.core.files import is_file, list_folder, open_regular
from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_table, attempt
from visionft.project.formats.folders import walk
from visionft.project.formats.image_table import DEFAULT_OPTIONS, ImageTable, ReadOptions, RejectedFile
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.locating import ImageFinder, data_folder
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.whole_files import Element, MemoryLimit, check_size, reading_errors, xml_elements

_TITLE = "Pascal VOC"
SETS = "ImageSets/Main"
_ANNOTATIONS, _IMAGES, _CLASSES = "Annotations", "JPEGImages", "labelmap.txt"
_MASK_FOLDERS = ("SegmentationClass", "SegmentationObject")  # folders of masks, not of images of the data set
_LIST_LINE = re.compile(r"(?P<image>.*\S)\s+(?P<flag>-1|0|1)")  # `000007  1` in `car_train.txt` of VOC 2007


def read_voc(path: Path, options: ReadOptions = DEFAULT_OPTIONS) -> ImageTable:
    """List the images of a VOC folder, or of one of its XML files."""
    root = path if path.is_dir() else data_folder(path)
    sets = _sets_in(root)
    entries: list[Entry] = []
    xml_files: list[Path] = []
    described: set[str] = set()
    for file, entry in _annotation_entries(path):
        names = _listed_names(file, root)
        described.update(names)
        entries.append(sets.added_to(entry, names) if isinstance(entry, ImageAnnotation) else entry)
        xml_files.append(file)
    if is_file(path):
        if not any(isinstance(entry, ImageAnnotation) for entry in entries):
            message = Message("{file} is not a {title} file.", file=path, title=_TITLE)
            raise ProjectError(message, "Choose the folder that holds it, or another file.")
    else:
        entries += sets.entries_without(described)
    masks = [file for name in _MASK_FOLDERS for file in list_folder(root / name)]
    table = annotated_table(
        path,
        _TITLE,
        entries,
        options,
        finder=_image_finder(root, options),
        label_files=(*xml_files, *sets.files, *masks),
        classes=sets.classes,
    )
    is_presence = any(row.labels for row in table.rows) and bool(xml_files)
    interpretations = tuple(replace(entry, is_from_marks=is_presence) for entry in table.interpretations)
    return replace(table, interpretations=interpretations)


def _annotation_entries(path: Path) -> Iterator[tuple[Path, Entry]]:
    """Yield (file, entry or rejection) for each XML file of VOC; other XML files are skipped."""
    files = [path] if is_file(path) else [file for file in walk(path, [], []) if file.suffix.casefold() == ".xml"]
    for file in files:
        try:
            elements = list(xml_elements(file))
        except ProjectError as error:
            yield file, RejectedFile(printable(file), error.message.removeprefix(f"{file} "))
            continue
        if {element.tag for element in elements} & {"filename", "object"}:
            annotation = Element("annotation", {}, 1, elements)
            yield file, attempt(file, f"line {elements[0].line}", partial(_image, file, annotation))


def _listed_names(file: Path, root: Path) -> tuple[str, str]:
    """Return the possible names of an image in the lists: `day/0001` and `0001` for `Annotations/day/0001.xml`."""
    inner = file.relative_to(root).with_suffix("").as_posix().removeprefix(f"{_ANNOTATIONS}/")
    return inner, file.stem


def _image_finder(root: Path, options: ReadOptions) -> ImageFinder:
    """Return a finder that also searches `JPEGImages`, because names in VOC's files have no folder."""
    images = [entry for entry in list_folder(root) if entry.name.casefold() == _IMAGES.casefold()]
    return ImageFinder(root, replace(options, image_folders=(*options.image_folders, *images)))


def _image(file: Path, annotation: Element) -> ImageAnnotation:
    """Return the entry of an image; by default the image is named like the file."""
    names: list[str] = []
    for element in annotation.all("object"):
        if not element.text_of("name"):
            raise ValueError(Message("the object in line {line} has no name", line=element.line))
        names.append(element.text_of("name"))
    return ImageAnnotation(name=annotation.text_of("filename") or file.stem, labels=tuple(names))


@dataclass(frozen=True, slots=True)
class _Sets:
    """The lists of a VOC folder; image names there have no suffix."""

    files: tuple[Path, ...]  # the lists
    classes: tuple[ClassLook, ...]  # declared in `labelmap.txt`: `name:colour:parts:actions`
    splits: dict[str, Split]  # {image: split} from the lists of splits except `trainval`
    labels: dict[str, list[str]]  # {image: classes with the value 1 in their lists}

    def entries_without(self, described: Set[str]) -> Iterator[ImageAnnotation]:
        """Yield the entries of the listed images that are not in `described`."""
        for name in dict.fromkeys((*self.splits, *self.labels)):
            if name not in described:
                yield self.added_to(ImageAnnotation(name=name, place=SETS), (name,))

    def added_to(self, entry: ImageAnnotation, names: Sequence[str]) -> ImageAnnotation:
        """Return an entry with the split and classes that the lists give for one of these names."""
        split = next((self.splits[name] for name in names if name in self.splits), None)
        labels = [label for name in dict.fromkeys(names) for label in self.labels.get(name, [])]
        return replace(entry, split=split, labels=(*entry.labels, *labels))


def _sets_in(root: Path) -> _Sets:
    """Return the lists in `ImageSets/Main` of a VOC folder."""
    lists = [file for file in list_folder(root / SETS) if file.suffix == ".txt"]
    labels = _classes_in(lists)
    used = {name for names in labels.values() for name in names}
    looks = _declared_classes(root / _CLASSES, used)
    return _Sets((*lists, root / _CLASSES), looks, _splits_in(lists), labels)


def _splits_in(lists: Sequence[Path]) -> dict[str, Split]:
    """Return {image: split} of the lists named after a split: `train.txt`."""
    splits: dict[str, Split] = {}
    for file in lists:
        split = split_of(file.stem) if is_split_name(file.stem) else None
        if split is not None:
            splits |= dict.fromkeys(_lines_of(file), split)
    return splits


def _classes_in(lists: Sequence[Path]) -> dict[str, list[str]]:
    """Return {image: classes} of the lists of a class, such as `cat` for `cat_train.txt` beside `train.txt`."""
    labels: dict[str, list[str]] = {}
    for file in lists:
        stems = (other.stem for other in lists if file.stem.endswith(f"_{other.stem}"))
        name = next((file.stem.removesuffix(f"_{stem}") for stem in stems), "")
        for line in _lines_of(file) if name else ():
            match = _LIST_LINE.fullmatch(line)
            if match and match["flag"] == "1":
                labels.setdefault(match["image"], []).append(name)
    return labels


def _declared_classes(file: Path, used: Set[str]) -> tuple[ClassLook, ...]:
    """Return the classes in `labelmap.txt`; without `background`, Datumaro's class of pixels, unless it is in `used`.

    A line is `name:colour:parts:actions`, such as `cat:64,0,0::`.
    """
    lines = _lines_of(file) if is_file(file) else ()
    declared = [line.rsplit(":", 3)[0] for line in lines if not line.startswith("#") and line.count(":") >= 3]
    return tuple(ClassLook(name) for name in declared if name != "background" or name in used)


def _lines_of(file: Path) -> Iterator[str]:
    check_size(file)
    memory = MemoryLimit(file)
    with reading_errors(file), TextIOWrapper(open_regular(file), encoding="utf-8", errors="replace") as handle:
        for line in filter(None, (line.strip() for line in handle)):
            memory.add(300 + len(line))
            yield line
