"""Find the label files of an image folder: tables by name and rows, other tools' files by their text."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from models.messages import Message
from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError, VisionFTError
from visionft.files import is_file, list_folder
from visionft.foreign_text import printable
from visionft.project.formats.folders import CONTAINERS, METADATA_FILES, scan_folder, split_folders, unwrap
from visionft.project.formats.labels_file import CLASSES_FILE
from visionft.project.formats.listing import Listing, ReadOptions
from visionft.project.formats.readers import lists_images
from visionft.project.formats.registry import FORMATS, LABEL_FILES, Format, format_of
from visionft.project.formats.split_names import is_split_name, split_of

# Suffixes of tables, label files and other programs' label stores.
_MAY_HOLD_LABELS = (
    ".arrow", ".csv", ".data", ".datum", ".db", ".json", ".jsonl", ".mat", ".names", ".ndjson", ".npy", ".npz", ".ods",
    ".parquet", ".pickle", ".pkl", ".sqlite", ".tfrecord", ".tsv", ".txt", ".xls", ".xlsx", ".xml", ".yaml", ".yml",
)  # fmt: skip
_TELLS_OF_THE_SET = re.compile(r"(?i)(readme|licen[cs]e|citation|notice|changelog|requirements)|.*classes\.json$")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A label file, or the folder of label files with one per image, and the split in its name."""

    format: Format
    path: Path
    split: Split | None = None


def read_label_files(folder: Path, base: Path, only: str, options: ReadOptions) -> list[tuple[LabelFile, Listing]]:
    """Read the label files of a folder, innermost `base`, of format `only` or "auto"; an error for rival ones."""
    splits = split_folders(base)

    def read(file: LabelFile) -> Listing:
        assert file.format.read is not None
        inside = (inner for outer, inner in splits.items() if file.split is None or split_of(outer.name) == file.split)
        return file.format.read(file.path, replace(options, image_folders=tuple(inside)))

    tables = [(table, read(table)) for table in _tables(base, splits, only)]
    # Images without a file may be found in the project by their content.
    if any(file.sha256 is not None or is_file(file.path) for _, listing in tables for file in listing.files):
        return tables
    if any(listing.files for _, listing in tables) and not options.choice.is_unlabelled:
        raise _unrelated(tables[0][0], folder)
    others = _annotations(folder, base, only)
    if not others or (only == "auto" and options.choice.is_unlabelled):
        return []
    is_sorted = any(each.class_folders for each in scan_folder(folder).interpretations)
    is_needed = only != "auto" or not is_sorted
    usable: list[tuple[LabelFile, Listing]] = []
    for each in others:
        try:
            listing = read(each)
        except ProjectError:
            # An arbitrary JSON array may list no images; with class folders, other label files are optional.
            if is_needed and (each.format.name != "json" or only != "auto"):
                raise
            continue
        has_only_marks = any(interpretation.has_only_marks for interpretation in listing.interpretations)
        if not (is_sorted and each.format.is_per_image and has_only_marks):  # outlines beside images in class folders
            usable.append((each, listing))
    fitting = [(each, listing) for each, listing in usable if any(is_file(file.path) for file in listing.files)]
    unrelated = [each for each, _ in usable if each.format.name != "json"]
    if is_needed and unrelated and not fitting:
        raise _unrelated(unrelated[0], folder)
    return _of_one_tool(folder, fitting)


def _unrelated(file: LabelFile, folder: Path) -> ProjectError:
    """Return the error for a label file unrelated to the images beside it."""
    values = {"file": file.path.name, "format": file.format.title, "folder": folder}
    message = Message("None of the images that {file} ({format}) names is in {folder}.", **values)
    step = NextStep("import_unlabelled", path=folder)
    return ProjectError(message, "Put them there, or import what is there without labels.", step)


def _of_one_tool(folder: Path, files: list[tuple[LabelFile, Listing]]) -> list[tuple[LabelFile, Listing]]:
    """Return the files of the single format; a generic array counts only where there is no other."""
    chosen = [pair for pair in files if pair[0].format.name != "json"] or files
    formats = list(dict.fromkeys(each.format.title for each, _ in chosen))
    if len(formats) > 1:
        names = ", ".join(formats)
        message = Message("{folder} holds labels of several tools: {names}.", folder=folder, names=names)
        raise ProjectError(message, "Import one of the files.")
    paths = ((pair, pair[0].path) for pair in chosen)
    of_splits = [pair for pair, path in paths if is_split_name(path.stem) or is_split_name(path.parent.name)]
    labelled = [
        (each, listing)
        for each, listing in chosen
        if any(entry.marked or entry.is_from_marks for entry in listing.interpretations)
        or any(file.labels for file in listing.files)
    ]
    if not of_splits and len(labelled) == 1:  # beside COCO's `image_info.json`, a file without labels
        return labelled
    if not of_splits and len(chosen) > 1:
        raise _several(folder, [each.path for each, _ in chosen])
    return of_splits or chosen


def _several(folder: Path, files: Sequence[Path]) -> ProjectError:
    """Return the error for several candidates without a preference."""
    names = ", ".join(file.name for file in files)
    message = Message("{base} holds several files that list its images: {names}.", base=folder, names=names)
    return ProjectError(message, "Import one of them.")


def _tables(base: Path, splits: Mapping[Path, Path], only: str) -> Iterator[LabelFile]:
    """Yield the tables with the split in their folder or name, if any."""
    formats = [each for each in LABEL_FILES if not each.signs and only in ("auto", each.name)]
    suffixes = {suffix for each in formats for suffix in each.suffixes}
    if only == "auto":  # beside class folders, plain text is usually a split's list of names
        suffixes -= {".txt"}
    found = False
    for folder in (base, *splits):
        split = split_of(folder.name) if folder != base else None
        named = [folder / name for name in METADATA_FILES if (folder / name).suffix in suffixes]
        files = [file for file in named if is_file(file)]
        if not files and only != "auto":
            files = [file for file in list_folder(folder) if file.suffix.casefold() in suffixes]
        if files:
            found = True
            yield _table(files[0], split)
    if not found:
        tables = list(_tables_of_images(base, tuple(splits.values()), suffixes))
        inner = (table for outer, own in splits.items() for table in _tables_of_images(outer, (own,), suffixes))
        yield from tables or inner


def _tables_of_images(folder: Path, image_folders: Sequence[Path], suffixes: Set[str]) -> Iterator[LabelFile]:
    """Yield tables of any name with the images of a folder: `train.csv` beside `train/`, or a lone one."""
    files = [file for file in list_folder(folder) if file.suffix.casefold() in suffixes and is_file(file)]
    tables = [file for file in files if _lists_images(file, image_folders)]
    of_splits = [file for file in tables if is_split_name(file.stem)]
    others = [file for file in tables if file not in of_splits]
    if not of_splits and len(others) > 1:
        raise _several(folder, others)
    for file in of_splits or others:
        yield _table(file, split_of(file.stem if file in of_splits else folder.name))


def _lists_images(file: Path, image_folders: Sequence[Path]) -> bool:
    """Return whether the rows of a table name existing images."""
    format_ = format_of(file)
    if format_ is None or format_.read is None or format_.is_text:
        return lists_images(file, image_folders)
    try:
        return any(is_file(entry.path) for entry in format_.read(file, ReadOptions(image_folders=image_folders)).files)
    except ProjectError:
        return False


def _table(file: Path, split: Split | None) -> LabelFile:
    format_ = format_of(file)
    assert format_ is not None
    return LabelFile(format_, file, split)


def _annotations(folder: Path, base: Path, only: str) -> list[LabelFile]:
    """Return other tools' label files in a folder and its sub-folders; deeper ones belong to another data set."""
    formats = [each for each in LABEL_FILES if each.signs and only in ("auto", each.name)]
    suffixes = {suffix for each in formats for suffix in each.suffixes}
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for place in _places(folder, base):
        files = [file for file in _listed(place) if file.suffix.casefold() in suffixes and is_file(file)]
        files = [file for file in files if not file.name.endswith(CLASSES_FILE)]
        for file in files[:12]:  # with a file per image, all are of one format
            format_ = format_of(file)
            if format_ is not None and only in ("auto", format_.name):
                found[format_.name].append(file)
    for format_ in formats:
        if format_.folder and any(list_folder(top / format_.folder) for top in _tops(folder, base)):
            found[format_.name].append(base / format_.folder)
    label_files: list[LabelFile] = []
    for name, files in found.items():
        if FORMATS[name].is_per_image:
            label_files.append(LabelFile(FORMATS[name], base))
            continue
        for file in files:
            split = split_of(file.stem if is_split_name(file.stem) else file.parent.name)
            label_files.append(LabelFile(FORMATS[name], file, split))
    return label_files


def _places(folder: Path, base: Path) -> Iterator[Path]:
    """Yield the folders to search for label files, each once."""
    tops = _tops(folder, base)
    inner = [entry for top in tops for entry in _folders_in(top)]
    deeper = [entry for each in inner if _is_of_images(each) for entry in _folders_in(each) if _is_of_images(entry)]
    yield from islice(dict.fromkeys((*tops, *inner, *deeper)), 500)


def _tops(folder: Path, base: Path) -> list[Path]:
    """Return the innermost folder and the wrapper folders around it, outwards."""
    return [base, *(above for above in base.parents if above.is_relative_to(folder))]


def _is_of_images(folder: Path) -> bool:
    return is_split_name(folder.name) or folder.name.casefold() in CONTAINERS


def _folders_in(folder: Path) -> list[Path]:
    shown = [entry for entry in _listed(folder) if not entry.name.startswith(".")]
    return [entry for entry in shown if entry.is_dir() and not entry.is_symlink()]


def _listed(folder: Path) -> list[Path]:
    """Return the entries of a folder; empty for an unreadable one, since the image scan reports it."""
    try:
        return list_folder(folder)
    except VisionFTError:
        return []


def unread_files(folder: Path, read: Set[Path]) -> tuple[str, ...]:
    """Return the names of possible label files in a folder and near its images, except the read ones."""
    base = unwrap(folder)
    files = (file for place in _places(folder, base) for file in _listed(place)[:5000])
    fitting = [file for file in files if file.suffix.casefold() in _MAY_HOLD_LABELS and is_file(file)]
    others = [file for file in fitting if file not in read and not _TELLS_OF_THE_SET.match(file.name)]
    return tuple(printable(file.relative_to(folder).as_posix()) for file in others)
