"""Registry of the import and export formats, shared by import, export, drag and drop, dialogs and commands.

To add a format, write a module with its reader and writer, and add a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from visionft.core.errors import NextStep, ProjectError
from visionft.core.messages import Message
from visionft.project.formats.coco import read_coco, write_coco
from visionft.project.formats.cvat import read_cvat
from visionft.project.formats.handing_out import Copier, LabelSet, write_class_folders, write_yolo
from visionft.project.formats.hugging_face import read_parquet, write_image_folder
from visionft.project.formats.image_table import ImageTable, ReadOptions
from visionft.project.formats.label_studio import read_label_studio, write_label_studio
from visionft.project.formats.locating import data_folder
from visionft.project.formats.readers import read_table
from visionft.project.formats.voc import SETS, read_voc
from visionft.project.formats.whole_files import glance, has_signs
from visionft.project.formats.yolo import read_yolo


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    name: str  # as used in commands
    title: str
    words: str = ""  # its purpose, in one sentence
    suffixes: tuple[str, ...] = ()  # of its files, in lower case; empty for folders
    # Groups of regular expressions; a file has the format if all of one group match its text. Formats share suffixes.
    signs: tuple[tuple[str, ...], ...] = ()
    # Lists the images of a label file; raises a ProjectError for a file of another format. None for archives and
    # folders, which `importing.sources` opens.
    read: Callable[[Path, ReadOptions], ImageTable] | None = None
    folder: str = ""  # a subfolder that identifies the format
    is_text: bool = True
    is_per_image: bool = False  # a label file per image; `read` accepts their folder, too
    is_import: bool = True
    is_export: bool = True
    write: Callable[[LabelSet, Path], None] | None = None  # writes one file
    write_folder: Callable[[LabelSet, Copier], None] | None = None  # writes a new folder with copies of the images

    @property
    def is_file(self) -> bool:
        """Whether it is exported as one file; otherwise as a new folder with copies of the images."""
        return self.is_export and bool(self.suffixes) and self.write_folder is None


def _unsupported(name: str, title: str, hint: str, signs: tuple[tuple[str, ...], ...]) -> Format:
    """Return a JSON format that is recognised but not read; its error explains how to convert the labels."""

    def read(file: Path, _options: ReadOptions) -> ImageTable:
        message = Message("{file} is of {tool}, whose files are not read.", file=file, tool=title)
        raise ProjectError(message, hint, NextStep("import_unlabelled", path=data_folder(file)))

    return Format(name=name, title=title, suffixes=(".json",), read=read, is_import=False, is_export=False, signs=signs)


_SUPPORTED_FORMATS = (
    Format(
        name="folders",
        title=Message("Class folders"),
        write_folder=write_class_folders,
        words=Message("Copies of the images, sorted into a folder for each class."),
    ),
    Format(
        name="csv",
        title=Message("CSV table"),
        suffixes=(".csv", ".tsv", ".txt", ".lst"),
        read=read_table,
        words=Message("One line an image, for spreadsheets and scripts."),
    ),
    Format(
        name="spreadsheet",
        title=Message("Spreadsheet"),
        suffixes=(".xlsx", ".xlsm", ".xls", ".ods"),
        read=read_table,
        is_text=False,
        is_export=False,
    ),
    Format(
        name="jsonl",
        title=Message("JSON Lines"),
        suffixes=(".jsonl", ".ndjson", ".manifest"),
        read=read_table,
        words=Message("Everything, for other programs and for this one: labels, splits, tags, notes."),
    ),
    Format(
        name="parquet",
        title=Message("Parquet table"),
        suffixes=(".parquet",),
        read=read_parquet,
        is_text=False,
        is_export=False,
    ),
    Format(
        name="coco",
        title="COCO",
        suffixes=(".json",),
        read=read_coco,
        write=write_coco,
        words=Message("One file; labels of whole images, without boxes."),
        signs=((r'"images"\s*:', r'"categories"\s*:'),),
    ),
    Format(
        name="label_studio",
        title="Label Studio",
        suffixes=(".json",),
        read=read_label_studio,
        write=write_label_studio,
        words=Message("One file of tasks with choices; the images come from Label Studio's local storage."),
        signs=(
            (r"^\s*\[", r'"(annotations|completions)"\s*:', r'"data"\s*:', r'"result"\s*:'),
            (r"^\s*\[", r'"data"\s*:\s*\{', r'"annotations"\s*:\s*\['),
        ),
    ),
    Format(
        name="cvat",
        title="CVAT",
        suffixes=(".xml",),
        read=read_cvat,
        is_export=False,
        signs=((r"<annotations>", r"<image\s|<track\s"),),
    ),
    Format(
        name="yolo_boxes",
        title=Message("YOLO (boxes)"),
        suffixes=(".yaml", ".yml", ".names"),
        read=read_yolo,
        is_export=False,
        signs=((r"(?m)^names\s*:",), (r"\A\s*[^\s:#][^:\n]*(\n[^:\n]*)*\Z",)),
    ),
    Format(
        name="json",
        title=Message("JSON table"),
        suffixes=(".json",),
        read=read_table,
        is_export=False,
        signs=((r"^\s*[\[{]",),),
    ),
    Format(
        name="voc",
        title="Pascal VOC",
        suffixes=(".xml",),
        read=read_voc,
        is_export=False,
        folder=SETS,
        is_per_image=True,
        signs=((r"<annotation\b", r"<filename>|<object>"),),
    ),
    Format(
        name="huggingface",
        title=Message("Hugging Face image folder"),
        write_folder=write_image_folder,
        words=Message("Copies of the images, and a table of labels."),
    ),
    Format(
        name="yolo",
        title=Message("YOLO classification"),
        write_folder=write_yolo,
        words=Message("Copies of the images that have a class and a split, in folders of these."),
    ),
    Format(name="zip", title=Message("Zip archive"), suffixes=(".zip", ".tm"), is_export=False),
)
_UNSUPPORTED_FORMATS = (
    _unsupported(
        "fiftyone",
        "FiftyOne",
        Message("Export it from FiftyOne as an ImageClassificationDirectoryTree, and import that folder."),
        ((r'"classes"\s*:\s*(\[|null)', r'"labels"\s*:\s*\{'), (r'"samples"\s*:\s*\[', r'"filepath"\s*:')),
    ),
    _unsupported(
        "datumaro",
        "Datumaro",
        Message("Convert it to COCO (“datum convert -f coco”), or export it from CVAT as COCO."),
        ((r'"categories"\s*:\s*\{', r'"items"\s*:\s*\['),),
    ),
)
FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (*_SUPPORTED_FORMATS, *_UNSUPPORTED_FORMATS)}
FORMATS["json"] = FORMATS.pop("json")  # last, because it matches any JSON
LABEL_FILES = tuple(format_ for format_ in FORMATS.values() if format_.read)
IMPORT_FORMATS = ("auto", *(format_.name for format_ in FORMATS.values() if format_.is_import))
EXPORT_FORMATS = ("auto", *(format_.name for format_ in FORMATS.values() if format_.is_export))
_SUFFIXES = (suffix for format_ in FORMATS.values() if format_.is_import for suffix in format_.suffixes)
SOURCE_SUFFIXES = tuple(dict.fromkeys(_SUFFIXES))


def format_of(path: Path) -> Format | None:
    """Return the format of a file by its suffix, and by its text if formats share the suffix; None if unknown."""
    suffix = path.suffix.casefold()
    fitting = [
        format_ for format_ in FORMATS.values() if (format_.is_import or format_.read) and suffix in format_.suffixes
    ]
    text = glance(path) if any(format_.signs for format_ in fitting) else ""
    return next(
        (format_ for format_ in fitting if not format_.signs or any(has_signs(text, signs) for signs in format_.signs)),
        None,
    )
