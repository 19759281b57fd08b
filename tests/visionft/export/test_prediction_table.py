"""Predictions as a table: several labels of an image are machine-readable, whatever the names."""

import csv
import io
import json
from pathlib import Path

from visionft.export.prediction_table import csv_text
from visionft.export.predictor import Prediction


def answer(name: str, **values) -> Prediction:
    return Prediction(path=Path(name), **{"class_name": "fox", "probability": 0.75, **values})


def read(answers: list[Prediction]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(answers))))


def test_one_label_stands_as_it_is():
    rows = read([answer("a.png"), answer("b.png", class_name="=fox")])
    unknown = {"distance": "", "unlike": "", "error": ""}
    assert rows[0] == {"path": "a.png", "class": "fox", "probability": "0.750000", **unknown}
    assert rows[1]["class"] == "'=fox"


def test_several_labels_are_a_json_array_as_in_an_export_of_labels():
    labels = ("tench, Tinca tinca", 'the "wolf"', "=sum")
    rows = read(
        [
            answer("unreadable.png", class_name="", probability=0.0, error="broken"),
            answer("a.png", classes=labels),
            answer("none.png", classes=()),
        ]
    )
    assert list(rows[0]) == ["path", "labels", "probability", "distance", "unlike", "error"]
    assert json.loads(rows[1]["labels"]) == list(labels)
    assert rows[0]["labels"] == rows[2]["labels"] == "" and rows[0]["error"] == "broken"
