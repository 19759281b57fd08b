"""Label files of other tools for the same twelve images (`fixtures/label_formats`), and layouts in the wild.

Written by datumaro 1.13.12, FiftyOne 1.22.1 and datasets 5.2.0; docs/formats.md lists the other tested tools.
"""

import shutil
from pathlib import Path

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.queries import find_images, image_rows
from visionft.project.store import ProjectStore

FIXTURES = Path(__file__).parents[3] / "fixtures/label_formats"
NAMES = [
    "a.jpg",
    "with blank.jpg",
    "comma, x.jpg",
    "Ümläut.jpg",
    "sub/same.jpg",
    "other/same.jpg",
    "007.jpg",
    "sub/deep/x.jpg",
    "it's.jpg",
    "b.jpg",
    "c.jpg",
    "d.c.jpg",
]
CLASSES = ["glass", "Ümläut", "a, b", "007", "null", "with blank"]
SPLITS = ["train", "val", "test"]
SINGLE = [(CLASSES[number % 6],) if number != 9 else () for number in range(12)]
SEVERAL = [tuple(CLASSES[number % 6 :][: number % 4]) for number in range(12)]


def read(source: Path, project: ProjectStore, folder: Path) -> dict[str, tuple[set[str], str | None]]:
    """Import, and return each image's labels by its name below `folder`."""
    import_source(project, source)
    rows = image_rows(project, find_images(project))
    return {row.path.relative_to(folder).as_posix(): (set(row.labels), row.split) for row in rows}


@pytest.mark.parametrize(
    ("tool", "images", "labels", "has_splits"),
    [
        ("voc_lists", lambda n, _: f"JPEGImages/{n}", SEVERAL, True),
        ("cvat", lambda n, _: f"images/{n}", SEVERAL, True),
        ("coco", lambda n, _: f"images/default/{n}", SINGLE, False),
        ("fiftyone_csv", lambda n, _: f"data/{n.replace('other/same', 'same-2').rpartition('/')[2]}", SINGLE, False),
        ("hugging_face_numpy", lambda n, _: n, SEVERAL, True),
    ],
)
def test_what_other_tools_wrote_comes_in_whole(tool: str, images, labels, has_splits: bool, tmp_path, draw) -> None:
    folder = Path(shutil.copytree(FIXTURES / tool, tmp_path / "source"))
    places = [images(name, SPLITS[number % 3]) for number, name in enumerate(NAMES)]
    for number, place in enumerate(places):
        draw(folder / place, 20 * number)
    with ProjectStore.create(tmp_path / "project", task="multi") as project:
        found = read(folder, project, folder)
    splits = [SPLITS[number % 3] if has_splits else None for number in range(12)]
    assert found == {place: (set(labels[n]), splits[n]) for n, place in enumerate(places)}


# -- layouts as they come --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, draw) -> Path:
    """Return a folder with two images of each split, below `train`, `valid` and `test`."""
    for number, name in enumerate(("train/a.jpg", "train/b.jpg", "valid/c.jpg", "valid/d.jpg", "test/e.jpg")):
        draw(tmp_path / "source" / name, 20 * number)
    return tmp_path / "source"


def write(folder: Path, name: str, text: str, *, encoding: str = "utf-8") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def test_roboflow_writes_a_table_into_each_split(folder: Path, multi: ProjectStore) -> None:
    for split, names in (("train", "ab"), ("valid", "cd"), ("test", "e")):
        rows = "".join(f"{name}.jpg, {int(name in 'ac')}, 1\n" for name in names)
        write(folder, f"{split}/_classes.csv", f"filename, cat, big dog\n{rows}")
    found = read(folder, multi, folder.parent)
    assert found["source/train/a.jpg"] == ({"cat", "big dog"}, "train")
    assert found["source/valid/d.jpg"] == ({"big dog"}, "val")


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("table.csv", "file\tlabel\r\na.jpg\tcat\r\nc.jpg\tdog\r\n", "utf-16"),
        ("table.csv", "Datei;Klasse;Größe\r\na.jpg;cat;1\r\nc.jpg;dog;1\r\n", "cp1252"),
        ("labels.jsonl", '{"file": "train/a.jpg", "label": "cat"}\n{"file": "c.jpg", "label": "dog"}\n', "utf-16"),
    ],
)
def test_tables_of_several_encodings(name: str, text: str, encoding: str, folder: Path, empty: ProjectStore) -> None:
    write(folder, name, text, encoding=encoding)
    found = read(folder, empty, folder)
    assert found["train/a.jpg"] == ({"cat"}, "train")
    assert found["valid/c.jpg"] == ({"dog"}, "val")  # by its folder, without a split in the table


@pytest.mark.parametrize(
    ("cell", "separator"),
    [
        ("['cat', 'big dog']", ""),
        ('["cat", "big dog"]', ""),
        ("['cat' 'big dog']", ""),
        ("[cat, big dog]", ","),
        ("cat, big dog", ","),
        ("cat;big dog", ";"),
        ('{"choices":["cat","big dog"]}', ""),
    ],
)
def test_several_classes_in_a_cell(cell: str, separator: str, folder: Path, multi: ProjectStore) -> None:
    quoted = cell.replace('"', '""')
    write(folder, "table.csv", f'file,choices\na.jpg,"{quoted}"\nc.jpg,[]\nd.jpg,\n')
    report = import_source(multi, folder)
    labels = {row.path.name: set(row.labels) for row in image_rows(multi, find_images(multi)) if row.labels}
    assert {name: each for name, each in labels.items() if name in ("a.jpg", "c.jpg", "d.jpg")} == {
        "a.jpg": {"cat", "big dog"}
    }
    assert report.interpretations[0].separator == separator


# -- assumptions are reported, and wrong ones are not made ------------------------------------------------------------


def test_of_two_images_of_a_name_the_one_that_is_gone_is_not_guessed(folder: Path, empty: ProjectStore) -> None:
    write(folder, "labels.csv", "file,label\ntrain/a.jpg,cat\nvalid/a.jpg,dog\nelsewhere/c.jpg,dog\n")
    report = import_source(empty, folder)
    labels = {row.path.name: row.labels for row in image_rows(empty, find_images(empty)) if row.labels}
    assert labels == {"a.jpg": ("cat",), "c.jpg": ("dog",)}
    assert len(report.unreadable) == 1 and not report.conflicts
    assert report.interpretations[0].found_elsewhere == 1


def test_folders_of_images_without_a_class(tmp_path: Path, draw, empty: ProjectStore) -> None:
    for number, name in enumerate(("cat/a.jpg", "no_label/b.jpg", "Unlabeled/c.jpg")):
        draw(tmp_path / "source" / name, 20 * number)
    report = import_source(empty, tmp_path / "source")
    assert report.classes == {"cat": 1}
    assert set(report.interpretations[0].unlabelled_folders) == {"no_label", "Unlabeled"}


# -- exports ---------------------------------------------------------------------------------------------------------
