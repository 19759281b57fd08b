"""Weights rounded with compensating errors; blocks go back to float until held-out images see no loss."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch
from onnx import numpy_helper

from visionft.export.graph import LOGITS, NETWORK_INPUT, export_network
from visionft.export.model_file import trusted_session
from visionft.export.precision.precision_search import PrecisionSearch, compensated, round_weights
from visionft.export.precision.quantising import LARGEST_WEIGHT, Plan, observe, quantise
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
    export_network(model, (32, 32), path)
    return onnx.load(path)


def search_in(network: Any, *, job=SILENT) -> PrecisionSearch:
    plan = Plan.of(network, "fc")
    statistics, targets = observe(network, plan, IMAGES[:16, None]), logits_of(network).argmax(axis=1)
    return PrecisionSearch(network, plan, statistics, IMAGES, targets, None, LogitDecoder(temperature=1.0), job)


def logits_of(network: Any, images: np.ndarray = IMAGES) -> np.ndarray:
    return trusted_session(network.SerializeToString()).run([LOGITS], {NETWORK_INPUT: images})[0]


@pytest.mark.slow
def test_the_block_that_spoils_the_answers_goes_back_to_float(network: Any) -> None:
    search = search_in(network)
    found = search.run()
    spoilt = [layer for layer in search.plan.units[1] if layer in search.plan.layers]
    assert set(spoilt) <= set(found.in_float) < set(search.plan.layers)
    assert search.accuracy(found.network) > 0.8


def test_it_can_be_stopped(network: Any) -> None:
    with pytest.raises(JobCancelled):
        search_in(network, job=JobContext(cancelled=lambda: True)).run()


def inputs_of(seed: int, width: int = 160) -> np.ndarray:
    """Return (N, K) correlated inputs, like neighbouring pixels; one of them is always 0."""
    draw = np.random.default_rng(seed)
    found = draw.standard_normal((4000, 12)) @ np.random.default_rng(0).standard_normal((12, width))
    found += 0.1 * draw.standard_normal(found.shape)
    found[:, 3] = 0
    return found.astype(np.float32)


def test_outputs_are_nearer_than_with_each_weight_rounded_to_its_nearest() -> None:
    weights = np.random.default_rng(1).standard_normal((24, 160)).astype(np.float32)
    scales = np.abs(weights).max(axis=1) / LARGEST_WEIGHT
    seen, others = inputs_of(2), inputs_of(3)
    found = compensated(weights, seen.T @ seen / len(seen), scales)
    nearest = np.round(weights / scales[:, None])
    assert found.dtype == np.int8 and np.abs(found.astype(int)).max() <= LARGEST_WEIGHT
    missed = [np.square(others @ (whole * scales[:, None] - weights).T).mean() for whole in (found, nearest)]
    assert missed[0] < 0.2 * missed[1]
    assert np.abs(found - nearest).max() <= 3  # near their former values


def test_moments_that_rounding_made_indefinite_do_no_harm() -> None:
    weights = np.random.default_rng(1).standard_normal((5, 7)).astype(np.float32)
    moments = np.ones((7, 7), np.float32) - 0.2 * np.eye(7, dtype=np.float32)  # its least eigenvalue is -.2
    found = compensated(weights, moments, np.full(5, 0.05))
    assert np.abs(found - np.clip(np.round(weights / 0.05), -64, 64)).max() <= 3


def test_inputs_that_go_together_with_nothing_leave_weights_at_their_nearest() -> None:
    weights = np.random.default_rng(1).standard_normal((5, 7)).astype(np.float32)
    scales = np.full(5, 0.05)
    found = compensated(weights, np.eye(7, dtype=np.float32), scales)
    np.testing.assert_array_equal(found, np.clip(np.round(weights.astype(np.float64) / 0.05), -64, 64))
    np.testing.assert_array_equal(compensated(weights, np.zeros((7, 7), np.float32), scales), found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_network_is_nearer_with_better_weights(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=8).eval()
    export_network(model, (160, 160), tmp_path / "network.onnx")
    network = onnx.load(tmp_path / "network.onnx")
    plan = Plan.of(network, "fc" if name == "test_resnet" else "head")
    smooth = np.random.default_rng(0).standard_normal((12, 3, 20, 20)).astype(np.float32)
    images = smooth.repeat(8, axis=2).repeat(8, axis=3)
    seen = observe(network, plan, images[:8, None])
    nearest = quantise(network, plan, seen.ranges)
    better = dict(round_weights(network, plan, nearest, seen.moments))
    made = quantise(network, plan, seen.ranges, weights=better)
    assert len(better) == len(seen.moments) > 4
    wholes = (_rounded(network, each) for each in (made, nearest))
    expected, *got = (logits_of(each, images[8:]) for each in (network, *wholes))
    moved = [np.square(each - expected).mean() for each in got]
    assert 0 < moved[0] < 0.5 * moved[1]


def _rounded(network: Any, made: Any) -> Any:
    """Return a float network with the dequantised weights of a quantised one: activations are not rounded."""
    copy, constants = onnx.ModelProto(), {each.name: numpy_helper.to_array(each) for each in made.graph.initializer}
    copy.CopyFrom(network)
    for tensor in copy.graph.initializer:
        whole, scales = (constants.get(f"{tensor.name}{kind}") for kind in ("_quantized", "_scale"))
        if whole is not None and scales is not None and whole.dtype == np.int8:
            across = scales.reshape(-1, *[1] * (whole.ndim - 1)) if whole.ndim == 4 else scales
            tensor.CopyFrom(numpy_helper.from_array((whole * across).astype(np.float32), tensor.name))
    return copy
