"""Tables understood by what they hold: columns, lists, ids with their names, joined files, nested JSON."""

import json
from pathlib import Path

import pytest

from visionft.core.errors import ProjectError
from visionft.project.formats.folders import ImageIndex
from visionft.project.formats.image_table import ImageTable, LabelChoice, ReadOptions
from visionft.project.formats.label_tables import label_tables
from visionft.project.formats.readers import read_table
from visionft.project.formats.registry import format_of
from visionft.project.importing.preview import preview_source

A, B, C, D = (f"images/{name}.jpg" for name in "abcd")
CATS = {A: "cat", B: "cat", C: "dog", D: "dog"}


def made(folder: Path, images, files: dict[str, object]) -> ImageIndex:
    """Write empty images, and files of text, bytes or JSON."""
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, (str, bytes)) else json.dumps(content)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return ImageIndex(folder, [folder / name for name in images])


def read(folder: Path, images, files: dict[str, object]) -> list[ImageTable]:
    index = made(folder, images, files)
    return label_tables([folder / name for name in files], ReadOptions(index=index))


def labels_of(table: ImageTable, folder: Path) -> dict[str, str]:
    """Return {image: classes, with blanks between}."""
    return {each.path.relative_to(folder).as_posix(): " ".join(each.labels) for each in table.rows}


AWS = [
    {"source-ref": f"s3://bucket/{n}.jpg", "job": i, "job-metadata": {"class-name": c, "type": "x", "confidence": 0.9}}
    for i, (n, c) in enumerate(zip("abcd", ("cat", "cat", "dog", "dog"), strict=True))
]
VERTEX = [
    {"imageGcsUri": f"gs://b/{n}.jpg", "classificationAnnotations": [{"displayName": c} for c in names.split()]}
    for n, names in zip("abcd", ("cat", "cat wild", "dog", "dog"), strict=True)
]
VIA = {
    f"{n}.jpg99": {
        "filename": f"{n}.jpg", "size": 99, "file_attributes": {"animal": c},
        "regions": [{"shape_attributes": {"name": "rect", "x": 1}, "region_attributes": {"part": "nose"}}],
    }
    for n, c in zip("abcd", ("cat", "cat", "dog", "dog"), strict=True)
}  # fmt: skip
LABELBOX = [
    {
        "data_row": {"id": f"r{n}", "external_id": f"{n}.jpg"},
        "projects": {"p": {"labels": [{"label_kind": "Default", "annotations": {
            "objects": [{"name": "nose", "bounding_box": {"top": 1}}],
            "classifications": [{"name": "kind", "radio_answer": {"name": c}}],
        }}]}},
    }
    for n, c in zip("abcd", ("cat", "cat", "dog", "dog"), strict=True)
]  # fmt: skip
LISTS = "\n".join
CASES: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "an unknown title": ({"t.csv": "nr,bild,tier,cm\n1,a,cat,1.5\n2,b,cat,2.5\n3,c,dog,3.1\n4,d,dog,1\n"}, CATS),
    "bars": ({"t.csv": "Image Index,Finding Labels\na.jpg,cat|dog\nb.jpg,cat\nc.jpg,dog\nd.jpg,dog\n"},
             CATS | {A: "cat dog"}),
    "confidence": ({"t.csv": "ImageID,Source,LabelName,Confidence\na,v,/m/01yrx,1\nb,v,/m/01yrx,1\nc,v,/m/0bt9lr,1\n"
                    "d,v,/m/01yrx,0\nc,v,/m/01yrx,0\n", "class-descriptions.csv": "/m/01yrx,cat\n/m/0bt9lr,dog\n"},
                   CATS | {D: ""}),
    "ids": ({"t.csv": "image,label\na.jpg,0\nb.jpg,0\nc.jpg,1\nd.jpg,1\n", "label_num_to_pet.json": {"0": "cat",
             "1": "dog"}}, CATS),
    "lines": ({"t.txt": f"{A} 0\n{B} 0\n{C} 1\n{D} 1\n", "classes.txt": "cat\ndog\n"}, CATS),
    "file to label": ({"t.json": {"a.jpg": "cat", "b.jpg": "cat", "c.jpg": "dog", "d.jpg": "dog"}}, CATS),
    "label to files": ({"t.json": {"cat": ["a.jpg", "b.jpg"], "dog": ["c.jpg", "d.jpg"]}}, CATS),
    "SageMaker": ({"output.manifest": LISTS(map(json.dumps, AWS))}, CATS),
    "Vertex": ({"t.jsonl": LISTS(map(json.dumps, VERTEX))}, CATS | {B: "cat wild"}),
    "AutoML": ({"t.csv": f"TRAIN,gs://b/{A},cat\nTEST,gs://b/{B},cat,wild\nTRAIN,gs://b/{C},dog\nTEST,gs://b/{D},dog\n"},
               CATS | {B: "cat wild"}),
    "VIA": ({"via.json": VIA}, CATS),
    "Labelbox": ({"export.ndjson": LISTS(map(json.dumps, LABELBOX))}, CATS),
    "code page 1252": ({"t.csv": "Datei;Klasse\na.jpg;Käse\nb.jpg;Käse\nc.jpg;Größe\nd.jpg;Größe\n".encode("cp1252")},
                       {A: "Käse", B: "Käse", C: "Größe", D: "Größe"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_table_is_understood_by_what_it_holds(name: str, tmp_path: Path) -> None:
    files, expected = CASES[name]
    (table,) = read(tmp_path, CATS, files)
    assert labels_of(table, tmp_path) == expected and not table.unreadable


@pytest.mark.parametrize(("page", "name", "kind"), [("cp1251", "деталь", "скол"), ("cp932", "ワーク", "良品")])
def test_names_of_images_tell_the_code_page(page: str, name: str, kind: str, tmp_path: Path) -> None:
    images = [f"{name}_{number}.jpg" for number in range(4)]
    text = "image,label\n" + "".join(f"{image},{kind}\n" for image in images)
    (table,) = read(tmp_path, images, {"t.csv": text.encode(page)})
    assert labels_of(table, tmp_path) == dict.fromkeys(images, kind)
    assert not read(tmp_path / "other", CATS, {"t.csv": text.encode(page)})


@pytest.mark.parametrize(
    ("name", "text", "splits"),
    [
        ("list_eval_partition.txt", "a.jpg 0\nb.jpg 0\nc.jpg 1\nd.jpg 2\n", ["train", "train", "val", "test"]),
        ("t.csv", "image,label,is_test\na.jpg,x,0\nb.jpg,y,0\nc.jpg,x,1\nd.jpg,y,1\n", ["train"] * 2 + ["test"] * 2),
        (
            "t.csv",
            "image,label,which\na.jpg,x,dev\nb.jpg,y,dev\nc.jpg,x,train\nd.jpg,y,train\n",
            ["val"] * 2 + ["train"] * 2,
        ),
    ],
)
def test_splits_by_names_flags_and_codes(name: str, text: str, splits: list[str], tmp_path: Path) -> None:
    (table,) = read(tmp_path, CATS, {name: text})
    assert [each.split for each in table.rows] == splits


KINDS = ("cat", "dog", "owl")
UNLABELLED = {
    "codes beside words": ["image,eye,grade", *(f"{n}.jpg,{'left' if n % 2 else 'right'},{n % 4}" for n in range(12))],
    "a name beside words": [
        "image,eye,place,name",
        *(f"{n}.jpg,{n % 2 * 'l'}r,{n % 3 * 'x'}y,n{n}" for n in range(12)),
    ],
    "long texts": ["image,caption", *(f"{n}.jpg,{KINDS[n % 3] * 40} {n}" for n in range(6))],
    "a name of each image": ["image,label", *(f"{n}.jpg,item {n}" for n in range(30))],
}


@pytest.mark.parametrize("name", UNLABELLED)
def test_a_column_that_is_none_of_classes_gives_no_label(name: str, tmp_path: Path) -> None:
    (table,) = read(tmp_path, [f"{n}.jpg" for n in range(30)], {"t.csv": "\n".join(UNLABELLED[name])})
    assert table.rows and not any(each.labels for each in table.rows)


def test_classes_of_parts_become_labels_only_when_that_is_said(tmp_path: Path) -> None:
    parts = {name: each | {"file_attributes": {}} for name, each in VIA.items()}
    made(tmp_path, CATS, {"via.json": parts})
    assert read_table(tmp_path / "via.json").interpretations[0].has_only_marks
    taken = read_table(tmp_path / "via.json", ReadOptions(choice=LabelChoice(takes_marks=True)))
    assert set(labels_of(taken, tmp_path).values()) == {"nose"}


@pytest.mark.parametrize(
    ("name", "told"),
    [("pixels.csv", "785"), ("mnist.npz", "NumPy"), ("train-0.tfrecord", "TFRecord"), ("notes.docx", "no images")],
)
def test_a_refusal_is_short_and_says_what_the_file_is(name: str, told: str, tmp_path: Path) -> None:
    titles = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    made(tmp_path, [], {name: f"{titles}\n" + ("3" + ",0" * 784 + "\n") * 3})
    for source in (tmp_path, tmp_path / name)[: 1 if told == "no images" else 2]:
        with pytest.raises(ProjectError, match=told) as caught:
            preview_source(source)
        assert len(caught.value.message) < 300 + len(str(tmp_path)) and "itself" not in caught.value.hint


@pytest.mark.parametrize("declared", ["data.yaml", "obj.names"])
def test_yolo_boxes_mark_parts_of_images(declared: str, tmp_path: Path) -> None:
    names = "train: train/images\nnames: [cat, dog]\n" if declared == "data.yaml" else "cat\ndog\n"
    images = ["train/images/a.jpg", "train/images/b.jpg", "valid/images/a.jpg", "valid/images/c.jpg"]
    boxes = {
        "train/a": "0 .5 .5 1 1\n0 .1 .1 .2 .2\n",
        "train/b": "",
        "valid/a": "1 0.5 0.5 1 1",
        "valid/c": "7 1 1 1 1",
    }
    files = {f"{place.replace('/', '/labels/')}.txt": text for place, text in boxes.items()}
    made(tmp_path, images, files | {declared: names})
    format_ = format_of(tmp_path / declared)
    assert format_ and format_.read
    assert format_.read(tmp_path / declared, ReadOptions()).interpretations[0].has_only_marks
    taken = format_.read(tmp_path / declared, ReadOptions(choice=LabelChoice(takes_marks=True)))
    assert labels_of(taken, tmp_path) == {images[0]: "cat", images[1]: "", images[2]: "dog"}
    assert {each.split for each in taken.rows} == {"train", "val"} and len(taken.unreadable) == 1
