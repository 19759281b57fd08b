"""Label files of any shape: they are read or refused with a reason, and nothing else happens."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visionft.errors import ProjectError
from visionft.project.formats.listing import LabelChoice, ReadOptions
from visionft.project.formats.registry import FORMATS

KEYS = [
    "images", "annotations", "categories", "id", "image_id", "category_id", "bbox", "segmentation", "file_name",
    "name", "width", "height", "split", "data", "image", "result", "type", "value", "choices", "from_name",
    "completions", "classes", "labels", "label", "samples", "filepath", "tags", "_cls", "detections", "flags",
    "shapes", "imagePath", "annotation", "coordinates", "ground_truth", "supercategory", "objects", "classTitle",
    "train", "val",
]  # fmt: skip
WORDS = st.sampled_from([*KEYS, "a.jpg", "Classification", ""])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=30,
)
READERS = ("coco", "label_studio", "json")


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=ANYTHING, entries=st.lists(ANYTHING, max_size=3), takes=st.booleans())
def test_json_of_any_shape_is_read_or_refused(tmp_path: Path, name: str, value, entries, takes: bool) -> None:
    whole = dict.fromkeys(("images", "annotations", "categories"), entries)
    for shape in (value, entries, whole, [{"data": value, "annotations": entries, "image": "a.jpg"}]):
        (tmp_path / "x.json").write_text(json.dumps(shape), encoding="utf-8")
        try:
            FORMATS[name].read(tmp_path / "x.json", ReadOptions(choice=LabelChoice(takes_marks=takes)))
        except ProjectError as error:
            assert error.hint


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text("<>/&;=\"' abcimgetrnofl!?-[]\n", max_size=80), st.sampled_from(["cvat", "voc"]))
def test_xml_of_any_shape_is_read_or_refused(tmp_path: Path, text: str, name: str) -> None:
    for whole in (
        text,
        f"<annotations><image name='a'>{text}</image></annotations>",
        f"<annotation><object>{text}</object></annotation>",
    ):
        (tmp_path / "x.xml").write_text(whole, encoding="utf-8")
        try:
            FORMATS[name].read(tmp_path / "x.xml", ReadOptions())
        except ProjectError as error:
            assert error.hint
