"""Two runs picture by picture: the groups add up, and luck is told from progress."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionft.errors import NextStep, RunError
from visionft.evaluation.comparison import compare, compare_runs, holm, paired_interval, sign_test
from visionft.evaluation.stored import read_evaluation
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary


def write_evaluation(folder: Path, answers: dict[int, tuple[str, str]], *, probability: float = 0.9) -> None:
    """Write {image id: (true class, predicted class)} as `evaluate_run` does."""
    folder.mkdir(parents=True, exist_ok=True)
    score = {"precision": 1, "recall": 1, "f1": 1, "support": 1}
    stored = {
        "run": folder.name, "split": "val", "images": len(answers), "top1": 1, "top1_interval": [0, 1],
        "balanced_accuracy": 1, "ece": 0, "temperature": 1, "unreadable": 0,
        "per_class": {"cat": score, "dog": score}, "confusion": [[0, 0], [0, 0]],
    }  # fmt: skip
    lines = [
        json.dumps({"image_id": image_id, "class": true, "predicted": said, "probability": probability})
        for image_id, (true, said) in answers.items()
    ]
    (folder / "evaluation-val.json").write_text(json.dumps(stored))
    (folder / "predictions-val.jsonl").write_text("\n".join(lines) + "\n")


def summary(path: Path) -> RunSummary:
    return RunSummary(
        name=path.name, path=path, config=TrainConfig(), class_names=("cat", "dog"), epochs=(), result=None
    )


def stored(folder: Path, answers: dict[int, tuple[str, str]]):
    write_evaluation(folder, answers)
    found = read_evaluation(folder, "val")
    assert found is not None
    return found


BEFORE = {
    1: ("cat", "cat"),
    2: ("cat", "dog"),
    3: ("dog", "dog"),
    4: ("dog", "cat"),
    5: ("cat", "cat"),
    6: ("cat", "dog"),
}
AFTER = {
    1: ("cat", "cat"),
    2: ("cat", "cat"),
    3: ("dog", "cat"),
    4: ("dog", "cat"),
    5: ("dog", "dog"),
    7: ("cat", "cat"),
}


def test_pictures_fall_into_fixed_broken_and_still_wrong(tmp_path: Path) -> None:
    found = compare(stored(tmp_path / "a", BEFORE), stored(tmp_path / "b", AFTER))
    assert [each.image_id for each in found.fixed] == [2]
    assert [each.image_id for each in found.broken] == [3]
    assert [each.image_id for each in found.still_wrong] == [4]
    assert (found.shared, found.both_right) == (4, 1)
    assert found.left_out == 3  # 5 was relabelled in between, 6 and 7 were seen by one run only
    assert (found.broken[0].before, found.broken[0].after, found.broken[0].true_classes) == (
        ("dog",),
        ("cat",),
        ("dog",),
    )


@given(st.lists(st.tuples(*(st.sampled_from(["cat", "dog"]),) * 3), max_size=40))
def test_the_groups_reconcile_with_both_runs_mistakes(tmp_path_factory, answers) -> None:
    folder = tmp_path_factory.mktemp("runs")
    first = stored(folder / "a", {place: (true, one) for place, (true, one, _) in enumerate(answers)})
    second = stored(folder / "b", {place: (true, two) for place, (true, _, two) in enumerate(answers)})
    found = compare(first, second)
    assert len(found.fixed) + len(found.still_wrong) == len(first.mistakes())
    assert len(found.broken) + len(found.still_wrong) == len(second.mistakes())
    assert found.shared == len(answers) and found.left_out == 0


def test_a_run_that_was_not_evaluated_says_how_to(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "a", BEFORE)
    (tmp_path / "b").mkdir()
    with pytest.raises(RunError, match="b has not been evaluated") as caught:
        compare_runs(summary(tmp_path / "a"), summary(tmp_path / "b"), "val")
    assert caught.value.next_step == NextStep("evaluate", run="b", split="val")


def test_runs_without_a_picture_in_common_are_refused(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "a", {1: ("cat", "cat")})
    write_evaluation(tmp_path / "b", {2: ("cat", "cat")})
    with pytest.raises(RunError, match="no picture in common"):
        compare_runs(summary(tmp_path / "a"), summary(tmp_path / "b"), "val")


def test_luck_is_told_from_progress(tmp_path: Path) -> None:
    wrong = dict.fromkeys(range(20), ("cat", "dog"))
    right = dict.fromkeys(range(20), ("cat", "cat"))
    assert "Really better" in compare(stored(tmp_path / "a", wrong), stored(tmp_path / "b", right)).verdict
    assert "Really worse" in compare(stored(tmp_path / "b", right), stored(tmp_path / "a", wrong)).verdict
    one = {**wrong, 0: ("cat", "cat")}
    assert "perhaps luck" in compare(stored(tmp_path / "a", wrong), stored(tmp_path / "c", one)).verdict
    assert "Neither" in compare(stored(tmp_path / "a", wrong), stored(tmp_path / "d", wrong)).verdict


def test_the_sign_test_gives_the_known_values() -> None:
    assert sign_test(0, 0) == 1.0 and sign_test(5, 5) == 1.0
    assert sign_test(0, 5) == pytest.approx(0.0625)  # 2 / 32
    assert sign_test(1, 9) == pytest.approx(2 * 11 / 1024)
    assert sign_test(4_000, 4_300) == pytest.approx(0.00103, rel=0.01)  # large counts stay exact


def test_the_interval_of_a_paired_difference_holds_its_middle_and_never_vanishes() -> None:
    low, high = paired_interval(30, 10, 200)
    assert low < 0.1 < high and (low, high) == pytest.approx((0.039, 0.159), abs=0.002)
    low, high = paired_interval(0, 0, 50)
    assert low == -high and 0.02 < high < 0.06
    assert paired_interval(0, 0, 0)[1] > 0.9


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 400))
def test_exchanging_the_two_mirrors_their_interval(fixed: int, broken: int, others: int) -> None:
    count = fixed + broken + others
    low, high = paired_interval(fixed, broken, count)
    assert -1 <= low <= high <= 1
    assert paired_interval(broken, fixed, count) == pytest.approx((-high, -low))


def test_p_values_are_corrected_for_their_number() -> None:
    assert holm([]) == [] and holm([0.03]) == [0.03]
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
