"""Blocks of a network go back to float until held-out pictures see no loss."""

from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch

from visionft.errors import StoppedError
from visionft.events import ignore_event, never_stop
from visionft.export.graph import LOGITS, NETWORK_INPUT, export_network
from visionft.export.precision.observing import observe
from visionft.export.precision.quantising import Plan, session_of
from visionft.export.precision.restoring import HeldOut, Search

PICTURES = np.random.default_rng(0).standard_normal((64, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a ResNet in whose second block a channel is far larger than the others: bytes leave nothing of those."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=8, zero_init_last=False).eval()
    with torch.no_grad():
        for name in ("bn1.weight", "bn1.bias"):
            model.get_parameter(f"layer2.0.{name}")[0] *= 3000
        model.get_parameter("layer2.0.conv2.weight")[:, 0] /= 3000
        model.get_parameter("fc.bias")[:] -= model(torch.from_numpy(PICTURES)).mean(dim=0)  # so that all classes occur
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    export_network(model, 32, path)
    return onnx.load(path)


def search_in(network: Any, *, should_stop=never_stop) -> Search:
    plan = Plan.of(network, "fc")
    held_out = HeldOut(PICTURES, logits_of(network).argmax(axis=1))
    return Search(network, plan, observe(network, plan, PICTURES[:16, None]), held_out, (7,), ignore_event, should_stop)


def logits_of(network: Any) -> np.ndarray:
    return session_of(network.SerializeToString()).run([LOGITS], {NETWORK_INPUT: PICTURES})[0]


def test_the_block_that_spoils_the_answers_goes_back_to_float(network: Any) -> None:
    search = search_in(network)
    found = search.run()
    spoilt = [layer for layer in search.plan.units[1] if layer in search.plan.layers]
    assert set(spoilt) <= set(found.in_float) < set(search.plan.layers) and found.bits == 7
    assert search.held_out.accuracy(logits_of(found.network)) > 0.8


def test_it_can_be_stopped(network: Any) -> None:
    with pytest.raises(StoppedError):
        search_in(network, should_stop=lambda: True).run()
