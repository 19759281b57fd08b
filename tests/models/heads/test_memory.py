"""A retrieval index of labelled images: better than plain cosine where it matters, calibrated, duplicates excluded."""

import numpy as np
import pytest

from models.heads.calibration import mean_cross_entropy
from models.heads.knn import KnnClassifier, fit_memory

WIDTHS = (20, 30)


def images(count: int, seed: int = 0, classes: int = 4, noise: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Return features with the class signal drowned in large uninformative directions, and the classes."""
    random = np.random.default_rng(seed)
    classes_of = np.arange(count) % classes
    values = random.normal(size=(count, 50))
    values[:, :10] *= noise
    values[:, 10 : 10 + classes] += 3 * np.eye(classes)[classes_of]
    return (values + 5).astype(np.float32), classes_of


def fit(features: np.ndarray, classes_of: np.ndarray, classes: int = 4, **options):
    return fit_memory(features, np.eye(classes)[classes_of], widths=WIDTHS, **options)


def test_it_is_as_sure_as_it_is_right_and_says_beforehand_how_often() -> None:
    (features, classes_of), (asked, wanted) = images(240), images(2000, seed=1)
    fitted = fit(features, classes_of)
    said = fitted.memory.predict(fitted.memory.directions(asked))
    assert np.allclose(said.sum(axis=1), 1)
    right = (said.argmax(axis=1) == wanted).mean()
    assert fitted.accuracy == pytest.approx(right, abs=0.06)
    assert said.max(axis=1).mean() == pytest.approx(right, abs=0.06)
    assert mean_cross_entropy(np.log(said), wanted) < mean_cross_entropy(1.5 * np.log(said), wanted)


def test_a_double_of_the_asked_image_has_no_say() -> None:
    features, classes_of = images(120)
    wrong = classes_of.copy()
    wrong[7] = (wrong[7] + 1) % 4
    memory = fit(features, wrong).memory
    direction = memory.directions(features[7:8])
    assert memory.is_duplicate(direction)[0].nonzero()[0].tolist() == [7]
    assert memory.predict(direction)[0].argmax() == classes_of[7]


def test_several_labels_are_asked_one_by_one() -> None:
    random = np.random.default_rng(0)
    wanted = random.random((300, 3)) < 0.4
    features = random.normal(size=(300, 50)).astype(np.float32)
    features[:, :3] += 5 * wanted
    fitted = fit_memory(features[:200], wanted[:200], widths=WIDTHS, is_multilabel=True)
    said = fitted.memory.predict(fitted.memory.directions(features[200:]))
    assert ((said >= 0.5) == wanted[200:]).mean() > 0.85
    assert not np.allclose(said.sum(axis=1), 1)


def test_a_memory_is_the_same_after_a_round_trip_and_a_broken_one_is_refused() -> None:
    features, classes_of = images(60)
    memory = fit(features, classes_of, image_ids=np.arange(60) + 5).memory
    again = KnnClassifier.from_arrays(memory.arrays())
    asked = memory.directions(images(9, seed=3)[0])
    assert np.allclose(again.predict(asked), memory.predict(asked), atol=1e-6)
    assert again.image_ids.tolist() == list(range(5, 65))
    with pytest.raises(ValueError, match="counts"):
        KnnClassifier.from_arrays(memory.arrays() | {"counts": np.ones(3)})
    labels, weights = memory.labels, memory.weights
    for change in ({"labels": labels + 99}, {"labels": labels - 99}, {"weights": weights * np.nan}):
        with pytest.raises(ValueError):  # an untrusted file
            KnnClassifier.from_arrays(memory.arrays() | change)
    with pytest.raises(ValueError, match="labels"):
        KnnClassifier.from_arrays({name: value for name, value in memory.arrays().items() if name != "labels"})
