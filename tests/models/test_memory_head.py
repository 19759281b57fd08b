"""The retrieval head in a model predicts as its source index, whatever it held before."""

import copy

import numpy as np
import pytest
import torch

from models.heads.calibration import sigmoid, softmax
from models.heads.knn import fit_memory
from models.heads.solutions import state_of
from models.methods.layers import KnnHead


def made(count: int, *, is_multilabel: bool = False):
    random = np.random.default_rng(0)
    wanted = (random.random((count, 4)) < 0.4).astype(float) if is_multilabel else np.eye(4)[np.arange(count) % 4]
    features = random.normal(size=(count, 30)).astype(np.float32)
    features[:, :4] += 3 * wanted
    return features, fit_memory(features, wanted, widths=(10, 20), is_multilabel=is_multilabel).memory


@pytest.mark.parametrize("is_multilabel", [False, True])
@pytest.mark.parametrize("count", [1, 7, 300])
def test_it_answers_as_the_memory(count, is_multilabel) -> None:
    features, memory = made(count, is_multilabel=is_multilabel)
    state, head = state_of(memory), KnnHead(30, 4)
    head.take_shapes(state)
    head.load_state_dict(state)
    asked = np.concatenate([features[:5], np.random.default_rng(1).normal(size=(20, 30)).astype(np.float32)])
    with torch.no_grad():
        logits = copy.deepcopy(head)(torch.from_numpy(asked)).numpy()
        with torch.autocast("cpu", dtype=torch.bfloat16):  # half precision does not reach the vote
            assert np.array_equal(head(torch.from_numpy(asked)).numpy(), logits)
    said = sigmoid(logits) if is_multilabel else softmax(logits)
    assert said == pytest.approx(memory.predict(memory.directions(asked)), abs=2e-5)
