"""A stored evaluation, read again: class names are preserved with any characters."""

import json
import shutil
from pathlib import Path

from visionft.training.evaluation.comparison import compare
from visionft.training.evaluation.stored import StoredEvaluation, read_evaluation, temperature_of
from visionft.training.runs.manifest import weights_hash, write_manifest

NAMES = ("tench", "tench, Tinca tinca", "Tinca tinca", "a", "a, b", "b")


def write(folder: Path, lines: list[dict[str, object]], names: tuple[str, ...] = NAMES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    score = {"precision": 1, "recall": 1, "f1": 1, "support": 1}
    stored = {
        "run": folder.name,
        "split": "val",
        "images": len(lines),
        "top1": 1,
        "top1_interval": [0, 1],
        "balanced_accuracy": 1,
        "ece": 0,
        "temperature": 1,
        "unreadable": 0,
        "per_class": dict.fromkeys(names, score),
        "confusion": [],
    }
    numbered = [{"image_id": number, "probability": 0.9, **line} for number, line in enumerate(lines)]
    (folder / "evaluation-val.json").write_text(json.dumps(stored))
    (folder / "predictions-val.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in numbered))


def read(folder: Path) -> StoredEvaluation:
    found = read_evaluation(folder, "val")
    assert found is not None
    return found


def test_names_with_commas_stay_whole(tmp_path: Path) -> None:
    name = ["tench, Tinca tinca"]
    write(tmp_path / "run", [{"classes": name, "predicted": name}, {"classes": name, "predicted": ["tench"]}])
    found = read(tmp_path / "run")
    assert [each.is_right for each in found.predictions] == [True, False]
    assert [each.image_id for each in found.cell(1, 1)] == [0]
    assert [each.image_id for each in found.cell(1, 0)] == [1]


def test_the_same_labels_in_another_order_are_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a", [{"classes": ["a", "b"], "predicted": ["a", "b"]}])
    write(tmp_path / "b", [{"classes": ["b", "a"], "predicted": ["b"]}], NAMES[::-1])
    found = compare(read(tmp_path / "a"), read(tmp_path / "b"))
    assert (found.shared, found.left_out, len(found.broken)) == (1, 0, 1)
    # Two labels are not the one that reads alike.
    write(tmp_path / "a", [{"classes": ["a, b"], "predicted": ["a", "b"]}])
    write(tmp_path / "b", [{"classes": ["a", "b"], "predicted": ["a", "b"]}])
    assert [each.is_right for each in read(tmp_path / "a").predictions] == [False]
    assert compare(read(tmp_path / "a"), read(tmp_path / "b")).shared == 0


def keep_weights(folder: Path, content: bytes) -> None:
    """Write a best checkpoint with these weights."""
    (folder / "best").mkdir(exist_ok=True)
    (folder / "best" / "manifest.json").unlink(missing_ok=True)
    (folder / "best" / "model.safetensors").write_bytes(content)
    write_manifest(folder / "best")


def test_an_evaluation_of_weights_that_training_has_replaced_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write(folder, [{"classes": ["a"], "predicted": ["a"]}])
    keep_weights(folder, b"epoch 3")
    file = folder / "evaluation-val.json"
    stored = json.loads(file.read_text()) | {"temperature": 1.7, "weights": weights_hash(folder / "best")}
    file.write_text(json.dumps(stored))
    assert read(folder).images == 1 and temperature_of(folder) == 1.7
    keep_weights(folder, b"epoch 9")
    assert read_evaluation(folder, "val") is None and temperature_of(folder) == 1.0
    shutil.rmtree(folder / "best")  # weights deleted to free space: the measurements stay
    assert read(folder).images == 1 and temperature_of(tmp_path) == 1.0
