"""The formats that labelled pictures come in and go out in: one table for import, export, drops, dialogs, commands.

Adding one is a file of its own with the functions that read and write it, and a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from visionft.project.formats.coco import read_coco, write_coco
from visionft.project.formats.create_ml import read_create_ml, write_create_ml
from visionft.project.formats.cvat import read_cvat, write_cvat
from visionft.project.formats.datumaro import read_datumaro
from visionft.project.formats.fiftyone import read_fiftyone, write_fiftyone
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.hugging_face import read_parquet, write_image_folder
from visionft.project.formats.label_studio import read_label_studio, write_label_studio
from visionft.project.formats.labelme import read_labelme, write_labelme
from visionft.project.formats.listing import Listing
from visionft.project.formats.readers import read_csv, read_json_table, read_jsonl
from visionft.project.formats.recognising import bears, glance
from visionft.project.formats.voc import SETS, read_voc, write_voc
from visionft.project.formats.yolo import write_yolo

SourceFormat = str  # a name of `FORMATS`, or "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        name: What commands call it.
        title: What people call it.
        words: What it is good for, in a sentence.
        suffixes: Of its files, lower case; empty for a folder.
        signs: What the text of a file holds, all of one group (regular expressions): formats share a suffix. Empty
            where the suffix says enough.
        read: Lists the pictures of a label file (see `readers.read_csv`); None for what `importing.sources` opens
            itself: archives of any of these, class folders, and folders whose layout or tables tell it by themselves.
        folder: A folder below that of the pictures which tells the format by itself; empty for none.
        is_text: Whether its files can be looked into as text.
        is_per_picture: There is a label file for each picture; `read` takes their folder, too.
        is_import: Whether pictures come in in it.
        is_export: Whether labels go out in it (`exporting.export_labels`).
        write: Writes labels into one file.
        write_folder: Writes labels and copies of the pictures into a new folder.
    """

    name: str
    title: str
    words: str = ""
    suffixes: tuple[str, ...] = ()
    signs: tuple[tuple[str, ...], ...] = ()
    read: Callable[..., Listing] | None = None
    folder: str = ""
    is_text: bool = True
    is_per_picture: bool = False
    is_import: bool = True
    is_export: bool = True
    write: Callable[[LabelSet, Path], None] | None = None
    write_folder: Callable[[LabelSet, Copier], None] | None = None

    @property
    def is_file(self) -> bool:
        """Whether its labels go out as one file; else they do as a new folder with copies of the pictures."""
        return self.is_export and bool(self.suffixes) and self.write_folder is None


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            name="folders",
            title="Class folders",
            words="Copies of the pictures, sorted into a folder for each class.",
        ),
        Format(
            name="csv",
            title="CSV table",
            words="One line a picture, for spreadsheets and scripts.",
            suffixes=(".csv", ".tsv", ".txt"),
            read=read_csv,
        ),
        Format(
            name="jsonl",
            title="JSON Lines",
            words="Everything, for other programs and for this one: labels, splits, tags, notes.",
            suffixes=(".jsonl", ".ndjson"),
            read=read_jsonl,
        ),
        Format(
            name="parquet",
            title="Parquet table",
            suffixes=(".parquet",),
            read=read_parquet,
            is_text=False,
            is_export=False,
        ),
        Format(
            name="coco",
            title="COCO",
            words="One file; labels of whole pictures, without boxes.",
            suffixes=(".json",),
            signs=((r'"images"\s*:', r'"categories"\s*:'),),
            read=read_coco,
            write=write_coco,
        ),
        Format(
            name="label_studio",
            title="Label Studio",
            words="One file of tasks with choices; the pictures come from Label Studio's local storage.",
            suffixes=(".json",),
            signs=(
                (r"^\s*\[", r'"(annotations|completions)"\s*:', r'"data"\s*:', r'"result"\s*:'),
                (r"^\s*\[", r'"data"\s*:\s*\{', r'"annotations"\s*:\s*\['),
            ),
            read=read_label_studio,
            write=write_label_studio,
        ),
        Format(
            name="fiftyone",
            title="FiftyOne",
            words="Copies of the pictures, with one file of their classes; one of both for each split.",
            suffixes=(".json",),
            signs=(
                (r'"classes"\s*:\s*(\[|null)', r'"labels"\s*:\s*\{'),
                (r'"samples"\s*:\s*\[', r'"filepath"\s*:'),
            ),
            read=read_fiftyone,
            write_folder=write_fiftyone,
        ),
        Format(
            name="datumaro",
            title="Datumaro",
            suffixes=(".json",),
            signs=((r'"categories"\s*:\s*\{', r'"items"\s*:\s*\['),),
            read=read_datumaro,
            is_export=False,
        ),
        Format(
            name="labelme",
            title="labelme",
            words="Copies of the pictures, each with a file of its flags.",
            suffixes=(".json",),
            signs=((r'"imagePath"\s*:', r'"(shapes|flags)"\s*:'),),
            read=read_labelme,
            is_per_picture=True,
            write_folder=write_labelme,
        ),
        Format(
            name="create_ml",
            title="Create ML",
            words="One file; the labels of each picture.",
            suffixes=(".json",),
            signs=((r"^\s*\[", r'(?i)"(image(filename|url)?|filename)"\s*:', r'"annotations?"\s*:'),),
            read=read_create_ml,
            write=write_create_ml,
        ),
        Format(
            name="json",
            title="JSON table",
            suffixes=(".json",),
            signs=((r"^\s*\[\s*\{",),),
            read=read_json_table,
            is_export=False,
        ),
        Format(
            name="cvat",
            title="CVAT",
            words="One file; the tags of each picture, splits as subsets.",
            suffixes=(".xml",),
            signs=((r"<annotations>", r"<image\s|<track\s"),),
            read=read_cvat,
            write=write_cvat,
        ),
        Format(
            name="voc",
            title="Pascal VOC",
            words="Copies of the pictures, each with a file of the classes that are present.",
            suffixes=(".xml",),
            signs=((r"<annotation\b", r"<filename>|<object>"),),
            read=read_voc,
            folder=SETS,
            is_per_picture=True,
            write_folder=write_voc,
        ),
        Format(
            name="huggingface",
            title="Hugging Face image folder",
            words="Copies of the pictures and a table, as its data sets load.",
            write_folder=write_image_folder,
        ),
        Format(
            name="yolo",
            title="YOLO classification",
            words="Copies of the pictures that have a class and a split, in folders of these.",
            write_folder=write_yolo,
        ),
        Format(name="zip", title="Zip archive", suffixes=(".zip",), is_export=False),
    )
}
LABEL_FILES = tuple(each for each in FORMATS.values() if each.read)
IMPORT_FORMATS = ("auto", *(each.name for each in FORMATS.values() if each.is_import))
EXPORT_FORMATS = ("auto", *(each.name for each in FORMATS.values() if each.is_export))
_SUFFIXES = (suffix for each in FORMATS.values() if each.is_import for suffix in each.suffixes)
SOURCE_SUFFIXES = tuple(dict.fromkeys(_SUFFIXES))


def format_of(path: Path) -> Format | None:
    """Return the format that a file's name says, and its text where formats share the name; None for no known one."""
    suffix = path.suffix.casefold()
    fitting = [each for each in FORMATS.values() if each.is_import and suffix in each.suffixes]
    text = glance(path) if any(each.signs for each in fitting) else ""
    return next((each for each in fitting if not each.signs or any(bears(text, signs) for signs in each.signs)), None)
