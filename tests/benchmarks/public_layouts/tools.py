"""What labelling tools and services write, with the images beside it."""

import json
from collections.abc import Iterator

from data_sets import ANY, DataSet, collect

TOOLS, data_set = collect()
CLASSES = ("cat", "dog", "fox")


def photos(made: DataSet, folder: str, number: int = 9, *, split: bool = False) -> Iterator[tuple[str, str, str]]:
    """Write photographs of three classes; yield the name, the class and the split of each."""
    for place in range(number):
        part = ("train", "val", "test")[place // 3 % 3]
        name = f"IMG_{4021 + place}.jpg"
        made.image(f"{folder}{name}", CLASSES[place % 3], part if split else None)
        yield name, CLASSES[place % 3], part


@data_set("Label Studio, JSON")
def label_studio(made: DataSet) -> None:
    tasks = []
    for place, (name, label, _) in enumerate(photos(made, "images/")):
        result = [
            {"id": "EmgEjJhhLj", "type": "choices", "value": {"choices": [label]}, "to_name": "image", "from_name": "c"}
        ]
        tasks.append(
            {
                "id": place,
                "data": {"image": f"/data/upload/7/d06c405d-{name}"},
                "predictions": [],
                "annotations": [{"id": 100 + place, "result": result, "was_cancelled": False}],
            }
        )
    made.json("project-7-at-2026-11-20-10-15-6f8c1c33.json", tasks)


@data_set("Label Studio, CSV")
def label_studio_csv(made: DataSet) -> None:
    rows = [
        (place, f"/data/upload/7/d06c405d-{name}", label, 1, place, "2026-11-20T10:15:00Z", "2026-11-20T10:15:00Z", 3.2)
        for place, (name, label, _) in enumerate(photos(made, "images/"))
    ]
    made.table(
        "project-7-at-2026-11-20.csv", "annotation_id,image,choice,annotator,id,created_at,updated_at,lead_time", rows
    )


@data_set("CVAT for images 1.1")
def cvat(made: DataSet) -> None:
    lines = [
        f'<image id="{place}" name="{name}" width="8" height="8"><tag label="{label}" source="manual"></tag></image>'
        for place, (name, label, _) in enumerate(photos(made, "images/"))
    ]
    made.text(
        "annotations.xml",
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations><version>1.1</version>",
        *lines,
        "</annotations>",
    )


@data_set("Roboflow, multi-class CSV", task="multi")
def roboflow_table(made: DataSet) -> None:
    for side, split in (("train", "train"), ("valid", "val"), ("test", "test")):
        rows = []
        for number in range(4):
            name, has = f"photo{number}_jpg.rf.{side}{number:08x}.jpg", [number % 2, int(number > 1), int(number == 3)]
            made.image(f"{side}/{name}", [c for c, yes in zip(CLASSES, has, strict=True) if yes], split)
            rows.append(f"{name}, {', '.join(map(str, has))}")
        made.text(f"{side}/_classes.csv", f"filename, {', '.join(CLASSES)}", *rows)
    made.text("README.roboflow.txt", "animals - v1", "Exported via roboflow.com")
    made.text("README.dataset.txt", "# animals")


@data_set("Roboflow, folders")
def roboflow_folders(made: DataSet) -> None:
    for side, split in (("train", "train"), ("valid", "val"), ("test", "test")):
        made.grid(f"{side}/{{c}}/photo{{n}}_jpg.rf.{side}{{n}}.jpg", CLASSES, 2, split=split)
    made.text("README.roboflow.txt", "animals - v1")
    made.text("README.dataset.txt", "# animals")


@data_set("Hugging Face image folder")
def image_folder(made: DataSet) -> None:
    for side, split in (("train", "train"), ("test", "test")):
        rows = [{"file_name": f"{n:04d}.jpg", "label": CLASSES[n % 3]} for n in range(6)]
        for row in rows:
            made.image(f"data/{side}/{row['file_name']}", row["label"], split)
        made.text(f"data/{side}/metadata.jsonl", *map(json.dumps, rows))
    made.text("README.md", "# Animals")
    made.text(".gitattributes", "*.parquet filter=lfs")


@data_set("Vertex AI, CSV without a header")
def vertex_table(made: DataSet) -> None:
    uses = {"train": "training", "val": "validation", "test": "test"}
    made.table(
        "import.csv",
        "",
        [
            (uses[part], f"gs://my-bucket/animals/{name}", label)
            for name, label, part in photos(made, "animals/", split=True)
        ],
    )


@data_set("Vertex AI, JSON Lines of several classes", task="multi")
def vertex_lines(made: DataSet) -> None:
    lines = []
    for number in range(6):
        labels, use = [CLASSES[number % 3], *(["wild"] if number % 2 else [])], ("training", "test")[number // 3]
        made.image(f"animals/IMG_{number}.jpg", labels, {"training": "train"}.get(use, use))
        lines.append(json.dumps({"imageGcsUri": f"gs://my-bucket/animals/IMG_{number}.jpg", "classificationAnnotations":
                     [{"displayName": each} for each in labels], "dataItemResourceLabels":
                     {"aiplatform.googleapis.com/ml_use": use}}))  # fmt: skip
    made.text("import.jsonl", *lines)


@data_set("AutoML Vision, rows of several classes", task="multi")
def automl(made: DataSet) -> None:
    rows = []
    for number in range(9):
        labels = [CLASSES[number % 3], *(["wild"] if number % 2 else []), *(["night"] if number % 4 == 3 else [])]
        made.image(f"animals/IMG_{number}.jpg", labels, ("train", "val", "test")[number // 3])
        rows.append((("TRAIN", "VALIDATION", "TEST")[number // 3], f"gs://my-bucket/animals/IMG_{number}.jpg", *labels))
    made.table("all_data.csv", "", rows)


@data_set("AWS Ground Truth manifest")
def ground_truth(made: DataSet) -> None:
    lines = [json.dumps({"source-ref": f"s3://bucket/animals/{name}", "animals-job": CLASSES.index(label),
             "animals-job-metadata": {"class-name": label, "confidence": 0.95, "human-annotated": "yes", "job-name":
             "labeling-job/animals-job", "type": "groundtruth/image-classification"}})
             for name, label, _ in photos(made, "animals/")]  # fmt: skip
    made.text("manifests/output/output.manifest", *lines)


@data_set("Azure Custom Vision export")
def custom_vision(made: DataSet) -> None:
    entries = []
    for number in range(9):
        key = f"0a1b2c3d-0000-4000-8000-{number:012x}"
        made.image(f"images/{key}.jpg", CLASSES[number % 3])
        entries.append(
            {
                "id": key,
                "created": "2026-11-20T10:15:00",
                "width": 8,
                "height": 8,
                "tags": [{"tagId": f"t{number % 3}", "tagName": CLASSES[number % 3], "created": "2026-11-20T10:15:00"}],
                "regions": [],
                "originalImageUri": f"https://irisprodeutraining.blob.core.windows.net/i-1/o-{key}?sv=2020",
            }
        )
    made.json("tagged_images.json", entries)


@data_set("labelme flags")
def labelme(made: DataSet) -> None:
    for name, label, _ in photos(made, ""):
        made.json(
            f"{name[:-4]}.json",
            {
                "version": "5.4.1",
                "flags": {each: each == label for each in CLASSES},
                "shapes": [],
                "imagePath": name,
                "imageData": None,
                "imageHeight": 8,
                "imageWidth": 8,
            },
        )


@data_set("VGG Image Annotator, JSON")
def via(made: DataSet) -> None:
    entries = {
        f"{name}629": {
            "filename": name,
            "size": 629,
            "regions": [],
            "file_attributes": {"animal": label, "caption": ""},
        }
        for name, label, _ in photos(made, "images/")
    }
    made.json("via_project_20Nov2026_10h15m_json.json", entries)


@data_set("VGG Image Annotator, CSV")
def via_table(made: DataSet) -> None:
    rows = [(name, 629, json.dumps({"animal": label}), 0, 0, "{}", "{}") for name, label, _ in photos(made, "images/")]
    made.table(
        "via_project_csv.csv",
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes",
        rows,
    )


@data_set("YOLO classification")
def yolo_folders(made: DataSet) -> None:
    for side in ("train", "val", "test"):
        made.grid(f"animals/{side}/{{c}}/{side}{{n}}.jpg", CLASSES, 2, split=side)
    made.text("animals/train.cache", "cache")


@data_set("YOLO detection with data.yaml")
def yolo_boxes(made: DataSet) -> None:
    for side, split in (("train", "train"), ("valid", "val")):
        for number in range(6):
            made.image(f"{side}/images/{side}{number}_jpg.rf.0a.jpg", CLASSES[number % 3], split)
            lines = [f"{number % 3} 0.5 0.5 0.25 0.25"] * (1 + number % 2)
            made.text(f"{side}/labels/{side}{number}_jpg.rf.0a.txt", *lines)
    made.text(
        "data.yaml",
        "train: ../train/images",
        "val: ../valid/images",
        "",
        "nc: 3",
        "names: ['cat', 'dog', 'fox']",
        "",
        "roboflow:",
        "  workspace: zoo",
    )
    made.text("README.roboflow.txt", "animals - v1")


@data_set("COCO boxes, one class an image")
def coco_boxes(made: DataSet) -> None:
    images, boxes = [], []
    for place, (name, label, _) in enumerate(photos(made, "images/")):
        images.append({"id": place, "file_name": name, "width": 8, "height": 8})
        boxes.append(
            {"id": place, "image_id": place, "category_id": CLASSES.index(label), "bbox": [1, 1, 4, 4], "area": 16}
        )
    categories = [{"id": place, "name": name, "supercategory": "animal"} for place, name in enumerate(CLASSES)]
    made.json("annotations/instances_default.json", {"images": images, "annotations": boxes, "categories": categories})


@data_set("Labelbox, NDJSON")
def labelbox(made: DataSet) -> None:
    lines = []
    for place, (name, label, _) in enumerate(photos(made, "images/")):
        value = {
            "feature_id": "cl1",
            "name": "animal",
            "value": "animal",
            "radio_answer": {"name": label, "value": label},
        }
        lines.append(
            json.dumps(
                {
                    "data_row": {"id": f"clr{place}", "external_id": name, "row_data": f"https://x.org/{name}"},
                    "media_attributes": {"height": 8, "width": 8},
                    "projects": {
                        "clp1": {
                            "name": "Animals",
                            "labels": [
                                {
                                    "label_kind": "Default",
                                    "id": f"l{place}",
                                    "annotations": {"objects": [], "classifications": [value], "relationships": []},
                                }
                            ],
                        }
                    },
                }
            )
        )
    made.text("export-result.ndjson", *lines)


@data_set("Supervisely tags")
def supervisely(made: DataSet) -> None:
    made.json(
        "animals/meta.json",
        {"classes": [], "tags": [{"name": each, "value_type": "none"} for each in CLASSES], "projectType": "images"},
    )
    for name, label, _ in photos(made, "animals/ds0/img/"):
        made.json(
            f"animals/ds0/ann/{name}.json",
            {
                "description": "",
                "tags": [{"name": label, "value": None}],
                "size": {"height": 8, "width": 8},
                "objects": [],
            },
        )


@data_set("JSON of file and label")
def json_pairs(made: DataSet) -> None:
    made.json("labels.json", {name: label for name, label, _ in photos(made, "images/")})


@data_set("Table of code page 1252")
def code_page(made: DataSet) -> None:
    names = ("Kätzchen", "Hündin", "Füchse")
    rows = [(f"Aufnahme {n}.jpg", names[n % 3]) for n in range(9)]
    for name, label in rows:
        made.image(f"Fotos/{name}", label)
    made.table(
        "Übersicht.csv",
        "Datei;Größe cm;Tier",
        [(name, f"{n},5", label) for n, (name, label) in enumerate(rows)],
        ";",
        "cp1252",
    )


@data_set("Open Images, as FiftyOne downloads it", task="multi")
def open_images(made: DataSet) -> None:
    ids = {"/m/01yrx": "Cat", "/m/0bt9lr": "Dog", "/m/0306r": "Fox"}
    for side, split in (("train", "train"), ("validation", "val")):
        rows = []
        for number in range(6):
            image_id, yes, no = f"{number * 7919 + len(side):016x}", list(ids)[number % 3], list(ids)[(number + 1) % 3]
            made.image(f"{side}/data/{image_id}.jpg", ids[yes], split)
            rows += [(image_id, "verification", yes, 1), (image_id, "verification", no, 0)]
        made.table(f"{side}/labels/classifications.csv", "ImageID,Source,LabelName,Confidence", rows)
        made.table(f"{side}/metadata/classes.csv", "", ids.items())
        made.table(
            f"{side}/metadata/image_ids.csv", "ImageID,Subset,OriginalURL", [(row[0], side, "x") for row in rows[::2]]
        )


@data_set("Renamed by hand: table says .png, files are .jpg in two folders")
def renamed(made: DataSet) -> None:
    rows = []
    for number in range(10):
        made.image(f"{'left' if number < 5 else 'right'}/P{number:03d}.jpg", CLASSES[number % 3], ANY)
        rows.append((f"p{number:03d}.png", CLASSES[number % 3]))
    made.table("labels.csv", "image,label", rows)
