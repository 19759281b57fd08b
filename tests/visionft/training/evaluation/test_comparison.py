"""Two runs image by image: the groups add up, and chance is separated from progress."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visionft.core.errors import NextStep, RunError
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.comparison import compare, compare_models, paired_interval, sign_test
from visionft.training.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.training.runs.run_folder import StoredRun


@pytest.fixture
def evaluated(tmp_path_factory: pytest.TempPathFactory):
    """Return a function: {image id: (true class, predicted class)} -> an evaluated run of that name."""
    folder = tmp_path_factory.mktemp("runs")

    def evaluated(predictions: dict[int, tuple[str, str]], name: str = "a") -> StoredRun:
        path = folder / name
        path.mkdir(exist_ok=True)
        score = {"precision": 1, "recall": 1, "f1": 1, "support": 1}
        stored = {
            "run": name,
            "split": "val",
            "images": len(predictions),
            "top1": 1,
            "top1_interval": [0, 1],
            "balanced_accuracy": 1,
            "ece": 0,
            "temperature": 1,
            "unreadable": 0,
            "per_class": {"cat": score, "dog": score},
            "confusion": [[0, 0], [0, 0]],
        }
        lines = [
            json.dumps({"image_id": image_id, "classes": [true], "predicted": [predicted], "probability": 0.9})
            for image_id, (true, predicted) in predictions.items()
        ]
        (path / "evaluation-val.json").write_text(json.dumps(stored))
        (path / "predictions-val.jsonl").write_text("\n".join(lines) + "\n")
        config, classes = TrainConfig(), ("cat", "dog")
        return StoredRun(name=name, path=path, config=config, class_names=classes, epochs=(), result=None)

    return evaluated


def stored(run: StoredRun) -> StoredEvaluation:
    found = read_evaluation(run.path, "val")
    assert found is not None
    return found


RIGHT, WRONG, DOG, NO_DOG = ("cat", "cat"), ("cat", "dog"), ("dog", "dog"), ("dog", "cat")


def test_images_fall_into_fixed_broken_and_still_wrong(evaluated) -> None:
    before = evaluated({1: RIGHT, 2: WRONG, 3: DOG, 4: NO_DOG, 5: RIGHT, 6: WRONG}, "before")
    after = evaluated({1: RIGHT, 2: RIGHT, 3: NO_DOG, 4: NO_DOG, 5: DOG, 7: RIGHT}, "after")
    found = compare_models(before, after, "val")
    groups = [[each.image_id for each in group] for group in (found.fixed, found.broken, found.still_wrong)]
    assert groups == [[2], [3], [4]] and (found.shared, found.both_right) == (4, 1)
    assert found.left_out == 3  # 5 was relabelled in between, 6 and 7 were seen by one run only
    (broken,) = found.broken
    assert (broken.before, broken.after, broken.true_classes) == (("dog",), ("cat",), ("dog",))


@pytest.mark.slow
@given(st.lists(st.tuples(*(st.sampled_from(["cat", "dog"]),) * 3), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_groups_reconcile_with_both_runs_mistakes(evaluated, predictions) -> None:
    first = stored(evaluated({place: (true, one) for place, (true, one, _) in enumerate(predictions)}))
    second = stored(evaluated({place: (true, two) for place, (true, _, two) in enumerate(predictions)}))
    found = compare(first, second)
    assert len(found.fixed) + len(found.still_wrong) == len(first.mistakes())
    assert len(found.broken) + len(found.still_wrong) == len(second.mistakes())
    assert found.shared == len(predictions) and found.left_out == 0


def test_runs_without_an_evaluation_or_a_common_image_are_refused(evaluated) -> None:
    first = evaluated({1: RIGHT})
    other = evaluated({2: RIGHT}, "b")
    with pytest.raises(RunError):
        compare_models(first, other, "val")
    (other.path / "evaluation-val.json").unlink()
    with pytest.raises(RunError) as caught:
        compare_models(first, other, "val")
    assert caught.value.next_step == NextStep("evaluate", run="b", split="val")


def test_luck_is_told_from_progress(evaluated) -> None:
    wrong, right = (stored(evaluated(dict.fromkeys(range(20), each))) for each in (WRONG, RIGHT))
    one = stored(evaluated({**dict.fromkeys(range(20), WRONG), 0: RIGHT}))
    pairs = [compare(wrong, right), compare(right, wrong), compare(wrong, one), compare(wrong, wrong)]
    assert [each.p_value < 0.05 for each in pairs] == [True, True, False, False]
    assert len({each.verdict for each in pairs}) == 4


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
