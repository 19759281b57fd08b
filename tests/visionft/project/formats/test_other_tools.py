"""Labels in other tools' formats: imports, refusals with their reason, and round trips."""

import json
from pathlib import Path

import pytest
from drawn_images import image_content
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visionft.core.errors import ProjectError
from visionft.project.edits.changes import AssignSplits, LabelImages
from visionft.project.formats.exporting import export_labels
from visionft.project.formats.image_table import LabelChoice
from visionft.project.formats.registry import FORMATS
from visionft.project.importing.importer import import_source
from visionft.project.queries import class_rows, find_images, image_rows
from visionft.project.store import ProjectStore

BOXES = LabelChoice(takes_marks=True)


@pytest.fixture
def source(tmp_path: Path, draw) -> Path:
    """Return a folder of four images in `images/`, two of them of `train/` and one of `val/`."""
    folder = tmp_path / "source"
    for number, name in enumerate(("train/a.jpg", "train/b.jpg", "val/c.jpg", "d.jpg")):
        draw(folder / "images" / name, 20 * number)
    return folder


def labels_of(project: ProjectStore) -> dict[str, tuple[str, ...]]:
    return {row.path.name: row.labels for row in image_rows(project, find_images(project))}


def splits_of(project: ProjectStore) -> dict[str, str | None]:
    return {row.path.name: row.split for row in image_rows(project, find_images(project))}


def write(folder: Path, name: str, content: object) -> Path:
    """Write text, or an object as JSON."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return file


@pytest.fixture
def several(tmp_path: Path):
    """Return an empty project with several classes per image."""
    with ProjectStore.create(tmp_path / "several", task="multi") as project:
        yield project


def places(report) -> dict[str, str]:
    """Return {place in the label file: reason} of the rejected entries."""
    return {each.path.rpartition(": ")[2]: each.reason for each in report.unreadable}


# -- COCO ----------------------------------------------------------------------------------------------------------

# As in pycocotools' own files: ids unequal to positions, supercategories, a crowd.
COCO = {
    "images": [
        {"id": 397133, "file_name": "a.jpg", "height": 20, "width": 20},
        {"id": 37777, "file_name": "c.jpg", "height": 20, "width": 20},
    ],
    "annotations": [
        {"id": 1, "image_id": 397133, "category_id": 44, "bbox": [1.5, 2, 3, 4], "area": 12, "iscrowd": 0},
        {"id": 2, "image_id": 397133, "category_id": 44, "bbox": [5, 2, 3, 4], "segmentation": [[1, 2, 3, 4, 5, 6]]},
        {"id": 3, "image_id": 37777, "category_id": 67, "bbox": [0, 1, 3, 4], "iscrowd": 1},
    ],
    "categories": [
        {"supercategory": "kitchen", "id": 44, "name": "bottle"},
        {"supercategory": "furniture", "id": 67, "name": "dining table"},
    ],
}


def test_boxes_become_labels_only_when_that_is_said(source: Path, empty: ProjectStore) -> None:
    write(source, "annotations/instances.json", COCO)
    with pytest.raises(ProjectError) as caught:
        import_source(empty, source)
    assert caught.value.next_step.action == "take_marks"
    report = import_source(empty, source, choice=BOXES)
    assert labels_of(empty) == {"a.jpg": ("bottle",), "c.jpg": ("dining table",), "b.jpg": (), "d.jpg": ()}
    assert report.interpretations[0].is_from_marks and report.interpretations[0].format == "COCO"


def test_coco_labels_of_whole_images(source: Path, several: ProjectStore) -> None:
    document = COCO | {
        "annotations": [
            {"id": 1, "image_id": 397133, "category_id": 44},
            {"id": 2, "image_id": 397133, "category_id": 67, "bbox": [0, 0, 20, 20]},
            {"id": 3, "image_id": 37777, "category_id": 67, "bbox": [3, 3, 5, 5]},
            {"id": 4, "image_id": 37777, "category_id": 99},
            {"id": 5, "image_id": 1, "category_id": 44},
            "nothing",
        ]
    }
    report = import_source(several, write(source, "annotations/labels.json", document))
    assert labels_of(several) == {"a.jpg": ("bottle", "dining table"), "c.jpg": ()}
    assert report.interpretations[0].marked == 1
    assert list(places(report)) == ["annotations[3]", "annotations[4]", "annotations[5]"]


# -- Label Studio --------------------------------------------------------------------------------------------------


def choices(*names: str, question: str = "choice", **more: object) -> dict[str, object]:
    value = {"choices": list(names), **more}
    return {"id": "EmgEjJhhLj", "type": "choices", "value": value, "to_name": "image", "from_name": question}


def task(number: int, image: str, *annotations: list[dict[str, object]], **more: object) -> dict[str, object]:
    made = [{"id": 100 + number, "completed_by": 1, "result": each, "was_cancelled": False} for each in annotations]
    return {"id": number, "annotations": made, "predictions": [], "data": {"image": image}, **more}


def test_label_studio_tasks(source: Path, empty: ProjectStore) -> None:
    cancelled = [{"was_cancelled": True, "result": [choices("cat")]}]
    tasks = [
        task(1, "/data/upload/7/d06c405d-a.jpg", [choices("cat")]),
        task(2, "/data/local-files/?d=images/train/b.jpg", [choices("dog")]),
        {"id": 3, "annotations": cancelled, "data": {"image": "d.jpg"}},
        task(4, "s3://bucket/x/c.jpg", [choices("dog")], predictions=[{"result": [choices("cat")]}]),
        task(5, "x", [{"type": "choices", "value": {"choices": "cat"}}]),
    ]
    report = import_source(empty, write(source, "project-1-at-2026.json", tasks))
    assert labels_of(empty) == {"a.jpg": ("cat",), "b.jpg": ("dog",), "c.jpg": ("dog",), "d.jpg": ()}
    assert list(places(report)) == ["task 5"]
    assert report.interpretations[0].label_columns == ("choice",)


def test_annotators_who_disagree_are_a_conflict(source: Path, empty: ProjectStore) -> None:
    tasks = [task(1, "a.jpg", [choices("cat")], [choices("dog")]), task(2, "b.jpg", [choices("cat")], [choices("cat")])]
    report = import_source(empty, write(source, "export.json", tasks))
    assert len(report.conflicts) == 1 and set(report.conflicts[0].classes) == {"cat", "dog"}
    assert labels_of(empty) == {"a.jpg": (), "b.jpg": ("cat",)}


def test_of_several_questions_the_user_names_one(source: Path, empty: ProjectStore) -> None:
    answers = [choices("cat"), choices("night", question="light"), choices("eye", question="part", x=3)]
    file = write(source, "export.json", [task(1, "a.jpg", answers)])
    with pytest.raises(ProjectError, match="light") as caught:
        import_source(empty, file)
    assert caught.value.next_step.columns == ("choice", "light")
    import_source(empty, file, choice=LabelChoice(label="light"))
    assert labels_of(empty) == {"a.jpg": ("night",)}


# -- CVAT, VOC, and others -----------------------------------------------------------------------------------------

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <job><id>5</id><labels>
      <label><name>cat</name><color>#aabbcc</color><type>tag</type><attributes></attributes></label>
      <label><name>empty</name><color>#112233</color><type>any</type><attributes></attributes></label>
      <label><name>nose</name><color>#000000</color><type>rectangle</type><attributes></attributes></label>
    </labels></job>
    <dumped>2026-01-01 10:00:00.000000+00:00</dumped>
  </meta>
  <image id="0" name="train/a.jpg" subset="Train" width="20" height="20">
    <box label="nose" source="manual" occluded="0" xtl="1.0" ytl="1.0" xbr="3.0" ybr="3.0" z_order="0"></box>
    <tag label="cat" source="manual"></tag>
  </image>
  <image id="1" name="val/c.jpg" subset="Validation" width="20" height="20">
  </image>
  <image id="2" width="20" height="20">
  </image>
</annotations>
"""


def test_cvat_tags(source: Path, empty: ProjectStore) -> None:
    write(source, "annotations.xml", CVAT)
    report = import_source(empty, source)
    assert labels_of(empty) == {"a.jpg": ("cat",), "c.jpg": (), "b.jpg": (), "d.jpg": ()}
    assert splits_of(empty) == {"a.jpg": "train", "c.jpg": "val", "b.jpg": "train", "d.jpg": None}
    assert [(row.name, row.color) for row in class_rows(empty)] == [("cat", "#aabbcc"), ("empty", "#112233")]
    assert list(places(report)) == ["line 18"] and report.interpretations[0].marked == 1


VOC = """<annotation>
	<folder>VOC2012</folder><filename>{name}</filename>
	<source><database>The VOC2007 Database</database></source>
	<size><width>20</width><height>20</height><depth>3</depth></size>
	<object><name>cat</name><pose>Left</pose><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>
		<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>
	<object><name>cat</name><difficult>1</difficult></object>
	<object><name>dog</name></object>
</annotation>
"""


def test_voc_presence_with_its_sets(tmp_path: Path, several: ProjectStore) -> None:
    voc = tmp_path / "VOCdevkit/VOC2012"
    for stem in ("2007_000027", "2007_000032", "2007_000033"):
        for name, look in ((f"JPEGImages/{stem}.jpg", "photo"), (f"SegmentationClass/{stem}.png", "parts")):
            (voc / name).parent.mkdir(parents=True, exist_ok=True)
            (voc / name).write_bytes(image_content(name, look, source=stem))
    write(voc, "Annotations/2007_000027.xml", VOC.format(name="2007_000027.jpg"))
    write(voc, "Annotations/2007_000032.xml", VOC.format(name="elsewhere/2007_000032.jpg"))
    write(voc, "Annotations/2007_000033.xml", "<annotation>\n<filename>2007_000033.jpg</filename>\n<object>")
    write(voc, "ImageSets/Main/train.txt", "2007_000027\n")
    write(voc, "ImageSets/Main/val.txt", "2007_000032\n")
    write(voc, "ImageSets/Main/cat_train.txt", "2007_000027  1\n")
    report = import_source(several, tmp_path / "VOCdevkit")
    assert list(labels_of(several).values()) == [("cat", "dog"), ("cat", "dog"), ()]
    assert list(splits_of(several).values()) == ["train", "val", None]
    assert [Path(each.path).name for each in report.unreadable] == ["2007_000033.xml"]
    assert len(report.skipped) == 3 and report.interpretations[0].is_from_marks


@pytest.mark.parametrize(
    ("tool", "document"),
    [
        ("FiftyOne", {"classes": ["cat", "dog"], "labels": {"train/a": 0}}),
        ("FiftyOne", {"name": "x", "samples": [{"filepath": "images/train/a.jpg"}]}),
        ("Datumaro", {"categories": {"label": {}}, "items": [{"id": "a"}]}),
    ],
)
def test_a_file_of_a_tool_that_is_not_read_says_so(
    tool: str, document: object, source: Path, empty: ProjectStore
) -> None:
    file = write(source, "labels.json", document)
    for place in (file, source):
        with pytest.raises(ProjectError) as caught:
            import_source(empty, place)
        assert tool in caught.value.message and caught.value.hint


# -- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Filenames,class\na.jpg,cat\nc.jpg,dog\n",
        "image_id;label\na;cat\nc;dog\n",
        "img\tlabel\na.jpg\tcat\nc.jpg\tdog\n",
        "file   label\nimages/train/a.jpg  cat\nc.jpg   dog\n",
        "train/a.jpg cat\nval/c.jpg dog\n",
        "Label;Path\r\ncat;train\\a.jpg\r\ndog;val/c.jpg\r\n",
        "\ufefffilename\tclass\na\tcat\nc\tdog\n",
        'image_name,cat,dog\n"a.jpg",1,0\nc.jpg,0,1\n',
        "sep=;\r\nfile;label\r\na.jpg;cat\r\nc.jpg;dog\r\n",
        "url,label\nhttps://x.org/s/train/a.jpg?v=1,cat\nhttps://x.org/val/c%2Ejpg,dog\n",
        "file,label\nC:\\me\\source\\train\\a.jpg,cat\nC:\\me\\source\\val\\c.jpg,dog\n",
    ],
)
def test_tables_of_every_dialect(text: str, source: Path, several: ProjectStore) -> None:
    report = import_source(several, write(source, "table.csv", text))
    assert labels_of(several) == {"a.jpg": ("cat",), "c.jpg": ("dog",)} and not report.unreadable


# -- refusals ------------------------------------------------------------------------------------------------------

BOMB = '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "b">]>\n<annotations><image name="&b;"/></annotations>'


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.json", '{"images": [],\n "categories": [\n', "3"),
        ("x.json", '{"images": [], "categories": 3}', "COCO"),
        ("x.json", '{"images": [], "categories": [{"id": 1}]}', "COCO"),
        ("x.json", '[{"data": {"image": "a.jpg"}, "annotations": [{"result": [}]}]', "1"),
        ("x.json", '[{"image": "a.jpg", "annotations": ' + "[" * 100_000, "nested"),
        ("x.json", "{}", ""),
        ("x.json", '[{"image": "a.jpg", "x": NaN', "1"),
        ("x.xml", "<annotations>\n<image >\n</annotations>", "3"),
        ("x.xml", BOMB, "2"),
        ("x.xml", f"<annotations><image >{'<a>' * 99}", "nested"),
        ("x.xml", "<annotations><track id='0'/></annotations>", "video"),
        ("x.xml", "<annotation><filename></annotation>", "VOC"),
        ("x.svg", "<svg/>", ""),
    ],
)
def test_malformed_files_are_refused_with_their_line(
    name: str, text: str, told: str, source, empty: ProjectStore
) -> None:
    with pytest.raises(ProjectError) as caught:
        import_source(empty, write(source, name, text))
    assert told in caught.value.message.replace(str(source), "") and caught.value.hint and not empty.history()


def test_labels_of_two_tools_are_not_mixed(source: Path, empty: ProjectStore) -> None:
    write(source, "annotations.xml", CVAT)
    write(source, "labels.json", [task(1, "a.jpg", [choices("dog")])])
    report = import_source(empty, source)
    tools = {each.title.split("(")[-1][:-1] for each in report.readings}
    assert not report.classes and {"CVAT", "Label Studio"} <= tools
    import_source(empty, source, source_format="cvat")
    assert labels_of(empty)["a.jpg"] == ("cat",)


# -- out and in again ----------------------------------------------------------------------------------------------

ALL = [each for each in FORMATS.values() if each.is_export]
OTHERS = [each.name for each in ALL if each.write or each.write_folder]
SIGNS = st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cn"))
TEXTS = st.text(SIGNS, min_size=1, max_size=30).filter(str.strip)


def exported(project: ProjectStore, folder: Path, name: str) -> Path:
    """Export into a file beside the images, or into a folder; return it."""
    format_ = FORMATS[name]
    target = folder / (f"labels{format_.suffixes[0]}" if format_.is_file else "out")
    export_labels(project, target, export_format=name)
    return target


def content(project: ProjectStore) -> dict[str, object]:
    shas = {image.image_id: image.sha256 for image in project.snapshot().images}
    rows = image_rows(project, find_images(project))
    return {shas[row.image_id]: (set(row.labels), row.split) for row in rows}


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.lists(st.tuples(st.integers(1, 12), TEXTS), max_size=6),
    splits=st.dictionaries(st.integers(1, 12), st.sampled_from(["train", "val", "test"])),
)
def test_labels_round_trip(project: ProjectStore, tmp_path_factory, name: str, labels, splits) -> None:
    for image_id, text in labels:
        project.apply(LabelImages((image_id,), text))
    if name == "yolo":
        splits = dict.fromkeys(range(1, 13), "val") | splits | {1: "train"}
    if splits:
        project.apply(AssignSplits(splits))
    folder = tmp_path_factory.mktemp("round")
    target = exported(project, folder, name)
    with ProjectStore.create(folder / "again") as again:
        report = import_source(again, target)
        assert not report.unreadable and not report.conflicts
        assert content(again) == content(project)


@pytest.mark.parametrize("name", [each.name for each in ALL if each.is_file])
def test_an_export_in_the_image_folder_wins_over_its_class_folders(
    project: ProjectStore, images: Path, tmp_path: Path, name: str
) -> None:
    """The images lie in folders of the classes that they had before a person corrected them all."""
    project.apply(LabelImages(tuple(range(1, 7)), "dog"))
    project.apply(LabelImages(tuple(range(7, 13)), "fox"))
    export_labels(project, images / f"labels{FORMATS[name].suffixes[0]}", export_format=name)
    with ProjectStore.create(tmp_path / "again") as again:
        import_source(again, images)
        assert content(again) == content(project)


def test_yolo_has_no_place_for_images_without_class_or_split(project: ProjectStore, tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        export_labels(project, tmp_path / "out", export_format="yolo")
    assert caught.value.next_step.action == "split" and not (tmp_path / "out").exists()
    project.apply(AssignSplits({1: "train", 12: "val"}))
    report = export_labels(project, tmp_path / "out", export_format="yolo")
    assert (report.images, report.left_out) == (2, 10)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert names == ["train/cat/0.png", "val/dog/11.png"]
