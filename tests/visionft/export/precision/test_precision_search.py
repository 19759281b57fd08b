"""Blocks of a network go back to float until held-out images see no loss."""

from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch

from visionft.export.graph import LOGITS, NETWORK_INPUT, export_network
from visionft.export.model_file import trusted_session
from visionft.export.precision.precision_search import PrecisionSearch
from visionft.export.precision.quantising import Plan, observe
from visionft.export.precision.variant_evaluation import LogitDecoder
from visionft.jobs import SILENT, JobCancelled, JobContext

IMAGES = np.random.default_rng(0).standard_normal((64, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a ResNet with an outlier channel in its second block: int8 leaves nothing of the other channels."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=8, zero_init_last=False).eval()
    with torch.no_grad():
        for name in ("bn1.weight", "bn1.bias"):
            model.get_parameter(f"layer2.0.{name}")[0] *= 3000
        model.get_parameter("layer2.0.conv2.weight")[:, 0] /= 3000
        model.get_parameter("fc.bias")[:] -= model(torch.from_numpy(IMAGES)).mean(dim=0)  # so all classes occur
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    export_network(model, 32, path)
    return onnx.load(path)


def search_in(network: Any, *, job=SILENT) -> PrecisionSearch:
    plan = Plan.of(network, "fc")
    statistics, targets = observe(network, plan, IMAGES[:16, None]), logits_of(network).argmax(axis=1)
    return PrecisionSearch(network, plan, statistics, IMAGES, targets, LogitDecoder(temperature=1.0), job)


def logits_of(network: Any) -> np.ndarray:
    return trusted_session(network.SerializeToString()).run([LOGITS], {NETWORK_INPUT: IMAGES})[0]


def test_the_block_that_spoils_the_answers_goes_back_to_float(network: Any) -> None:
    search = search_in(network)
    found = search.run()
    spoilt = [layer for layer in search.plan.units[1] if layer in search.plan.layers]
    assert set(spoilt) <= set(found.in_float) < set(search.plan.layers)
    assert search.accuracy(found.network) > 0.8


def test_it_can_be_stopped(network: Any) -> None:
    with pytest.raises(JobCancelled):
        search_in(network, job=JobContext(cancelled=lambda: True)).run()
