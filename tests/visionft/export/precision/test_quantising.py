"""Quantised nodes of real architectures, nodes returned to float together, and half precision."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch
from onnx import TensorProto, numpy_helper
from timm.layers.hybrid_embed import HybridEmbed
from torch.nn.functional import unfold

from visionft.errors import RunError
from visionft.export.graph import export_network
from visionft.export.model_file import trusted_session
from visionft.export.precision.making import at_half_precision
from visionft.export.precision.quantising import MOST_WIDTH, Plan, byte_range, observe, quantise


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return ONNX models of a small ResNet, a small ViT, and one on stages of a ResNet."""
    folder, made = tmp_path_factory.mktemp("networks"), {}
    vit: dict[str, Any] = {"img_size": 32, "embed_dim": 32, "depth": 1, "num_heads": 2, "num_classes": 3}
    stages = timm.create_model("resnet18", features_only=True, out_indices=(2,))
    embedding = partial(HybridEmbed, backbone=stages)
    kinds = {
        "resnet": timm.create_model("resnet18", num_classes=3),
        "vit": timm.create_model("vit_tiny_patch16_224", **vit),
        "hybrid": timm.create_model("vit_tiny_patch16_224", **vit, patch_size=1, embed_layer=embedding),
    }
    for name, network in kinds.items():
        export_network(network.eval(), (32, 32), folder / f"{name}.onnx")
        made[name] = onnx.load(folder / f"{name}.onnx")
    return made


def kinds_of(network: Any, names: tuple[str, ...]) -> list[str]:
    known = {node.name: node.op_type for node in network.graph.node}
    return [known[name] for name in names]


@pytest.mark.slow
def test_a_resnet_is_bytes_throughout(networks: dict[str, Any]) -> None:
    network = networks["resnet"]
    plan = Plan.of(network, "fc")
    assert kinds_of(network, plan.layers).count("Conv") == 20 and not plan.is_transformer
    first, second = (kinds_of(network, unit) for unit in plan.units[:2])
    assert first == ["Conv", "Relu", "MaxPool", "Conv", "Relu", "Conv", "Add", "Relu"]
    assert second == ["Conv", "Relu", "Conv", "Add", "Relu"] and len(plan.units) == 8
    assert sorted(name for unit in plan.units for name in unit) == sorted((*plan.layers, *plan.between))


def test_a_vit_is_bytes_in_its_products_alone(networks: dict[str, Any]) -> None:
    plan = Plan.of(networks["vit"], "head")
    assert set(kinds_of(networks["vit"], plan.layers)) <= {"MatMul", "Gemm"} and plan.between == ()
    assert plan.units == tuple((layer,) for layer in plan.layers) and len(plan.layers) == 4


def test_what_a_vit_stands_on_is_bytes_up_to_the_tokens(networks: dict[str, Any]) -> None:
    network = networks["hybrid"]
    plan = Plan.of(network, "head")
    kinds = kinds_of(network, plan.layers)
    whole = sum(node.op_type == "Conv" for node in network.graph.node)
    assert kinds.count("Conv") == whole - 1 and "MatMul" in kinds and plan.is_transformer
    assert set(kinds_of(network, plan.between)) == {"Relu", "Add", "MaxPool"}
    assert not [name for name in plan.layers if "proj/Conv" in name]
    assert all("blocks" not in name for name in plan.between)  # residuals of a transformer stay in float


def test_a_unit_in_float_holds_no_bytes_inside(networks: dict[str, Any]) -> None:
    network = networks["resnet"]
    plan = Plan.of(network, "fc")
    names = {name for node in network.graph.node for name in (*node.input, *node.output)}
    made = quantise(network, plan, dict.fromkeys(names, (-1.0, 1.0)), in_float=plan.units[0])
    into = {node.name: node.input[0] for node in network.graph.node}
    become_bytes = {node.input[0] for node in made.graph.node if node.op_type == "QuantizeLinear"}
    assert not become_bytes.intersection(into[name] for name in plan.units[0])
    assert into[plan.units[1][0]] in become_bytes


def test_a_relu6_vanishes_in_the_bytes_of_the_convolution_before_it() -> None:
    node, draw = onnx.helper.make_node, np.random.default_rng(0)
    network = network_of(
        [
            node("Conv", ["input", "w1"], ["a"], name="first/Conv"),
            node("Clip", ["a", "least", "most"], ["b"], name="first/Clip"),
            node("Conv", ["b", "w2"], ["logits"], name="second/Conv"),
        ],
        w1=20 * draw.normal(size=(4, 3, 1, 1)),
        w2=draw.normal(size=(2, 4, 1, 1)),
        least=np.array(0),
        most=np.array(6),
    )
    image = draw.normal(size=(1, 3, 8, 8)).astype(np.float32)
    plan = Plan.of(network, "head")
    statistics = observe(network, plan, [image])
    made = quantise(network, plan, statistics.ranges)
    assert not [each for each in made.graph.node if each.op_type == "Clip"] and len(plan.units) == 1
    whole, bytes_ = (
        trusted_session(each.SerializeToString()).run(None, {"input": image})[0] for each in (network, made)
    )
    assert np.abs(whole - bytes_).mean() < 0.05 * whole.std()


@pytest.mark.slow
@pytest.mark.parametrize(("opset", "is_half"), [(18, False), (20, True)])
def test_norms_and_softmax_stay_in_float_where_old_runtimes_have_none_of_half_precision(
    opset: int, is_half: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_vit", num_classes=3, img_size=64).eval()
    export_network(network, (64, 64), tmp_path / "a.onnx", opset=opset)
    halved = at_half_precision(onnx.load(tmp_path / "a.onnx"), "head")
    onnx.checker.check_model(halved, full_check=True)
    graph = onnx.shape_inference.infer_shapes(halved, strict_mode=True).graph
    types = {each.name: each.type.tensor_type.elem_type for each in (*graph.value_info, *graph.input, *graph.output)}
    norms = [node for node in graph.node if node.op_type in ("LayerNormalization", "Softmax")]
    products = [node for node in graph.node if node.op_type == "MatMul"]
    assert {node.op_type for node in norms} == {"LayerNormalization", "Softmax"}
    assert {types[node.output[0]] for node in products} == {TensorProto.FLOAT16}
    assert {types[node.output[0]] == TensorProto.FLOAT16 for node in norms} == {is_half}


def network_of(nodes: Sequence[Any], **weights: np.ndarray) -> Any:
    """Return an ONNX model from `input` to `logits`."""
    value, float32 = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    constants = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()]
    ends = [value("input", float32, None)], [value("logits", float32, None)]
    graph = onnx.helper.make_graph(list(nodes), "g", *ends, constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


def test_a_range_clips_an_outlier_that_is_too_rare_for_the_sample() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 4000).astype(np.float32)
    low, high = byte_range(values, 0.0, 9.0)
    assert low == 0 and 1 <= high < 2
    assert byte_range(np.zeros(3, np.float32), 0.0, 0.0) == (0.0, 0.0)


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(1, 1, 0), (3, 1, 1), (3, 2, 1)])
def test_moments_are_those_of_all_windows(kernel: int, stride: int, pad: int) -> None:
    weights = np.ones((4, 3, kernel, kernel))
    shape: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    node = onnx.helper.make_node("Conv", ["input", "w"], ["logits"], name="layer", **shape)
    images = [np.random.default_rng(each).standard_normal((1, 3, 6, 8)).astype(np.float32) for each in range(2)]
    seen = observe(network_of([node], w=weights), Plan(("layer",), (), is_transformer=False), images)
    windows = unfold(torch.from_numpy(np.concatenate(images)), kernel, padding=pad, stride=stride)
    rows = windows.transpose(1, 2).reshape(-1, 3 * kernel**2).numpy()
    np.testing.assert_allclose(seen.moments["layer"], rows.T @ rows / len(rows), rtol=1e-4, atol=1e-5)
    assert seen.images == 2 and set(seen.ranges) == {"input", "logits"}
    lowest, highest = seen.ranges["input"]
    assert min(map(np.min, images)) <= lowest < 0 < highest <= max(map(np.max, images))


def test_products_are_watched_and_wide_layers_are_left_out() -> None:
    nodes = [
        onnx.helper.make_node("MatMul", ["input", "w"], ["wide"], name="usual"),
        onnx.helper.make_node("MatMul", ["wide", "v"], ["logits"], name="too wide"),
    ]
    network = network_of(nodes, w=np.ones((5, MOST_WIDTH + 1)), v=np.ones((MOST_WIDTH + 1, 2)))
    rows = np.random.default_rng(0).standard_normal((1, 7, 5)).astype(np.float32)
    seen = observe(network, Plan(("usual", "too wide"), (), is_transformer=True), [rows])
    assert set(seen.moments) == {"usual"} and set(seen.ranges) == {"input", "wide"}  # the output stays float
    np.testing.assert_allclose(seen.moments["usual"], rows[0].T @ rows[0] / 7, rtol=1e-5)


def test_nothing_is_seen_without_images() -> None:
    node = onnx.helper.make_node("Relu", ["input"], ["logits"], name="relu")
    with pytest.raises(RunError):
        observe(network_of([node]), Plan((), ("relu",), is_transformer=False), [])
