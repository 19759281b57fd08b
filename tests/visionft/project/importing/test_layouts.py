"""Layouts of data sets: folders and tables of many kinds are read right, or refused with the reason.

Each case lists its files; an image is any name ending in `.png`. Former silent errors are covered here.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from drawn_images import image_content
from PIL import Image

from visionft.core.errors import ProjectError
from visionft.project.formats.image_table import LabelChoice
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.store import ProjectStore
from visionft.project.summary import ProjectSummary

COCO = json.dumps({"images": [{"id": 1}], "annotations": [{"image_id": 1}], "categories": [{"id": 1, "name": "a"}]})

LABEL_STUDIO = json.dumps([{"annotations": [{"result": []}], "data": {"image": "x.png"}}])


@dataclass(frozen=True)
class Layout:
    """A source, and the expected result: classes with their counts and splits."""

    name: str
    images: tuple[str, ...]
    texts: dict[str, str] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    added: int | None = None
    source: str = ""
    task: str = "single"
    are_versions: bool = False  # images of equal stems show the same
    offered: dict[str, int] | None = None  # classes of the first reading, where it is not taken

    def __str__(self) -> str:
        return self.name


def two(*folders: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{number}{folder.replace('/', '_')}.png" for folder in folders for number in (1, 2))


FLAT = ("a.png", "b.png", "c.png", "d.png")
CAT_DOG = {"cat": 2, "dog": 2}
PETS = ("cat", "elk", "dog")
SPLIT_CLASSES = two("train/cat", "train/dog", "test/cat", "test/dog")
FOLDERS = [
    Layout("splits beside docs", (*SPLIT_CLASSES, "docs/figure.png"), classes={"cat": 4, "dog": 4},
           splits={"train": 4, "test": 4}, added=8),
    Layout("seg_train/seg_train", two("seg_train/seg_train/cat", "seg_train/seg_train/dog", "seg_test/seg_test/cat"),
           classes={"cat": 4, "dog": 2}, splits={"train": 4, "test": 2}),
    Layout("classes train and test among others is a split", two("train/cat", "test/cat", "car"),
           splits={"train": 2, "test": 2}, added=4),
    Layout("a lone images folder", two("images"), {"readme.txt": "x"}, added=2),
    Layout("a lone data folder with classes", two("data/cat", "data/dog"), {"licence.txt": "x"}, CAT_DOG),
    Layout("lists of names beside class folders", two("cat", "dog"),
           {"train.txt": "cat/1cat.png\ndog/1dog.png\n"}, CAT_DOG, {"train": 2}),
    Layout("one folder is no class", two("cat"), {"readme.txt": "x"}),
    Layout("two tables that contradict each other", FLAT,
           {"one.csv": "file,label\na.png,x\n", "two.csv": "file,label\na.png,y\n"}),
]  # fmt: skip
TABLES = [
    Layout(f"label column {title}", FLAT,
           {"labels.csv": f"file_name,{title}\na.png,cat\nb.png,cat\nc.png,dog\nd.png,dog\n"},
           CAT_DOG)
    for title in ("label_name", "Label Name", "species")
] + [
    Layout("Image,Id", FLAT,
           {"train.csv": "Image,Id\na.png,w_1\nb.png,w_1\nc.png,w_2\nd.png,w_2\n"}, {"w_1": 2, "w_2": 2},
           {"train": 4}),
    Layout("a number and a name of the class", FLAT,
           {"labels.csv": "file,label,label_name\na.png,0,cat\nb.png,0,cat\nc.png,1,dog\nd.png,1,dog\n"}, CAT_DOG),
    Layout("one-hot of True and False", FLAT, {"labels.csv": "image,cat,dog\na.png,True,False\nb.png,True,False\n"
           "c.png,False,True\nd.png,False,True\n"}, CAT_DOG),
    Layout("one-hot, several", FLAT, {"labels.csv": "image,cat,dog\na.png,1,1\nb.png,1,0\nc.png,0,1\nd.png,0,0\n"},
           CAT_DOG, task="multi"),
    Layout("train.csv beside train/", (*two("train"), *two("test")),
           {"train.csv": "id,label\n1train.png,cat\n2train.png,dog\n"},
           {"cat": 1, "dog": 1}, {"train": 2, "test": 2}, 4),
    Layout("the same name in train/ and test/", ("train/1.png", "train/2.png", "test/1.png"),
           {"train.csv": "file,label\n1.png,cat\n2.png,dog\n"}, {"cat": 1, "dog": 1}, {"train": 2, "test": 1}, 3),
]  # fmt: skip


CROSSED = two(*(f"{fruit}/{state}" for fruit in ("apple", "pear", "plum") for state in ("fresh", "rotten")))
EVIDENCE = [
    Layout("a wrapper", two("asl_alphabet_train/cat", "asl_alphabet_train/dog"), classes=CAT_DOG),
    Layout("versions", tuple(f"{v}/{c}/{n}{c}.png" for v in ("color", "gray") for c in ("cat", "dog") for n in (1, 2)),
           classes={"cat": 4, "dog": 4}, are_versions=True),
    Layout("cameras that count for themselves", tuple(f"{c}/IMG_{n:04}.png" for c in ("cat", "dog") for n in range(12)),
           classes={"cat": 12, "dog": 12}),
    Layout("different images of equal names", tuple(f"{c}/{n}1a8e-fab0.png" for c in ("cat", "dog") for n in "abcd"),
           classes={"cat": 4, "dog": 4}),
    Layout("numbered parts", two("images_001/images", "images_002/images"), offered={"images_001": 2, "images_002": 2}),
    Layout("patients", two("patient1", "patient2"), offered={"patient1": 2, "patient2": 2}),
    Layout("splits within classes", two("cat/train", "cat/test", "dog/train"), classes={"cat": 4, "dog": 2},
           splits={"train": 4, "test": 2}),
    Layout("two levels that may be classes", CROSSED, offered={"apple": 4, "pear": 4, "plum": 4}),
    Layout("a form for predictions", (*two("train/cat", "train/dog"), *two("test")),
           {"sample_submission.csv": "id,label\n1test.png,cat\n2test.png,cat\n"}, CAT_DOG, {"train": 4, "test": 2}),
    Layout("a table that confirms the folders", two("0", "1"), {"labels.csv": "file,label\n0/10.png,cat\n0/20.png,cat\n"
           "1/11.png,dog\n1/21.png,dog\n"}, CAT_DOG),
    Layout("a table for what the folders do not label", (*two("train/cat", "train/dog"), *two("val/images")),
           {"val/val.txt": "1val_images.png\tcat\n2val_images.png\tdog\n"}, {"cat": 3, "dog": 3},
           {"train": 4, "val": 2}),
    Layout("classes in names", tuple(f"{name}.{number}.png" for name in ("cat", "dog") for number in range(4)),
           offered={"cat": 4, "dog": 4}),
    Layout("what is not sorted", two("cat", "dog", "unsorted"), classes=CAT_DOG, added=6),
    Layout("the same photographs twice", tuple(f"{c}/_MG_{n}.png" for c in ("big", "little") for n in range(110, 114)),
           offered={"big": 4, "little": 4}, are_versions=True),
    Layout("names of a camera", tuple(f"{name}_{number}.png" for name in ("IMG", "DSC") for number in range(4))),
]  # fmt: skip


@pytest.mark.parametrize("layout", [*FOLDERS, *TABLES, *EVIDENCE], ids=str)
def test_a_layout_is_read_right(layout: Layout, tmp_path: Path, draw) -> None:
    report, summary = _import(layout, tmp_path, draw)
    assert {name: count for name, count in summary.classes.items() if count} == layout.classes
    assert {split: n for split, n in summary.splits.items() if n and split != "unassigned"} == layout.splits
    assert report.added == (layout.added if layout.added is not None else len(set(layout.images)))
    if layout.offered is not None:
        assert report.readings[0].classes == layout.offered and report.reading == len(report.readings)


def test_a_lone_folder_is_a_class_where_the_project_has_it(tmp_path: Path, draw, empty: ProjectStore) -> None:
    draw(tmp_path / "cat" / "a.png", 1)
    assert not import_source(empty, tmp_path).classes
    assert import_source(empty, tmp_path, reading=1).readings[0].classes == {"cat": 1}
    draw(tmp_path / "more" / "cat" / "b.png", 2)
    assert import_source(empty, tmp_path / "more").classes == {"cat": 1}


def test_masks_are_left_out_and_said(tmp_path: Path, empty: ProjectStore) -> None:
    noise = np.random.default_rng(0)
    for kind in ("crack", "free"):
        for number in range(2):
            path = tmp_path / "set" / kind / "Imgs" / f"{number}{kind}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.integers(0, 255, (16, 16, 3), np.uint8)).save(path)
            Image.fromarray(noise.integers(0, 2, (16, 16), np.uint8) * 255).save(path.with_suffix(".png"))
    report = import_source(empty, tmp_path / "set")
    assert report.classes == {"crack": 2, "free": 2}
    assert {Path(each.path).suffix for each in report.skipped} == {".png"} and len(report.skipped) == 4


def _import(layout: Layout, folder: Path, draw, **options) -> tuple[ImportReport, ProjectSummary]:
    source = folder / "source"
    for number, name in enumerate(layout.images):
        if layout.are_versions:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            look = "bright" if number < len(layout.images) / 2 else "small"
            (source / name).write_bytes(image_content(name, look, source=Path(name).name))
        else:
            draw(source / name, number)
    for name, text in layout.texts.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    with ProjectStore.create(folder / "project", task=layout.task) as project:  # type: ignore[arg-type]
        return import_source(project, source / layout.source, **options), project.summary()


REFUSED = [
    Layout("COCO", two("images"), {"annotations/instances.json": COCO}),
    Layout("COCO with splits", two("images/train", "images/val"), {"annotations/train.json": COCO}),
    Layout("VOC", two("JPEGImages"), {"Annotations/1.xml": "<annotation><filename>1.png</filename></annotation>"}),
    Layout("CVAT", two("images"), {"annotations.xml": '<annotations><image id="0"/></annotations>'}),
    Layout("FiftyOne", two("data"), {"labels.json": '{"classes": ["a"], "labels": {"1": 0}}'}),
    Layout("Label Studio", two("images"), {"export.json": LABEL_STUDIO}),
    Layout("YOLO", two("images/train"), {"data.yaml": "train: images\nnames: [a]\n", "labels/1.txt": "0"}),
    Layout("No column", FLAT, {"x.csv": "file,author,licence\n" + "".join(f"{n},J,CC{n < 'c'}\n" for n in FLAT)}),
    Layout("width", FLAT, {"labels.csv": "file,width,height\na.png,1.5,2.5\nb.png,3.5,4.5\n"}),
]


@pytest.mark.parametrize("layout", REFUSED, ids=str)
def test_labels_that_are_not_understood_are_never_passed_over_in_silence(layout: Layout, tmp_path: Path, draw) -> None:
    with pytest.raises(ProjectError, match=layout.name.split()[0]) as caught:
        _import(layout, tmp_path, draw)
    assert caught.value.hint


def test_the_images_alone_come_in_when_asked_for(tmp_path: Path, draw) -> None:
    layout = Layout("FiftyOne", two("data"), {"labels.json": '{"classes": ["a"], "labels": {"1": 0}}'})
    with pytest.raises(ProjectError, match="FiftyOne"):
        _import(layout, tmp_path / "refused", draw)
    for name, how in (("folders", {"source_format": "folders"}), ("none", {"choice": LabelChoice(is_unlabelled=True)})):
        report, _ = _import(layout, tmp_path / name, draw, **how)
        assert (report.added, report.classes) == (2, {})


def test_the_user_names_the_columns(tmp_path: Path, draw) -> None:
    layout = Layout("odd", FLAT, {"labels.csv": "a,b,c\na.png,1.5,cat\nb.png,2.5,dog\n"})
    report, _ = _import(layout, tmp_path, draw, choice=LabelChoice(file="a", label="c"))
    assert report.classes == {"cat": 1, "dog": 1}
    assert report.interpretations[0].unused_columns == ("b",)
    with pytest.raises(ProjectError, match=r"“x”.*a, b, c"):
        _import(layout, tmp_path / "again", draw, choice=LabelChoice(label="x"))


@pytest.mark.parametrize("source", ["labels.jsonl", ""])
def test_names_that_lead_nowhere_are_told_beside_the_nearest_image(tmp_path: Path, draw, source: str) -> None:
    layout = Layout("gone", FLAT, {"labels.jsonl": '{"file_name": "bb.png", "label": "a"}\n'}, source=source)
    with pytest.raises(ProjectError) as caught:
        _import(layout, tmp_path, draw)
    assert "bb.png" in caught.value.hint and " b.png" in caught.value.hint
    assert caught.value.next_step is not None and caught.value.next_step.path is not None
    assert _import(replace(layout, source=""), tmp_path / "again", draw, source_format="folders")[0].added == 4
