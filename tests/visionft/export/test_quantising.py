"""Quantised nodes of real architectures, and half precision."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch
from onnx import TensorProto

from visionft.export.graph import export_network
from visionft.export.precision_variants import at_half_precision, quantise

IMAGES = [np.random.default_rng(each).standard_normal((1, 3, 32, 32)).astype(np.float32) for each in range(4)]


def quantised(network: torch.nn.Module, head: str, path: Path) -> tuple[Any, Any]:
    """Return the ONNX models of a network in float32 and in integers."""
    export_network(network.eval(), (32, 32), path)
    original = onnx.load(path)
    return original, quantise(original, head, IMAGES)


def nodes_with_bytes(graph: Any) -> list[Any]:
    """Return the nodes of a graph that multiply bytes."""
    made = {output for node in graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    return [
        node for node in graph.node if node.op_type in ("Conv", "MatMul", "Gemm") and made.issuperset(node.input[:2])
    ]


@pytest.mark.slow
def test_the_convolutions_of_a_resnet_are_bytes_and_its_head_is_not(tmp_path: Path) -> None:
    original, made = quantised(timm.create_model("resnet18", num_classes=3), "fc", tmp_path / "a.onnx")
    assert [node.op_type for node in nodes_with_bytes(made.graph)] == ["Conv"] * 20
    assert not [node for node in made.graph.node if node.op_type == "Relu"]  # part of the bytes before them
    assert len(made.SerializeToString()) < 0.3 * len(original.SerializeToString())


def test_the_products_of_a_vit_are_bytes_alone(tmp_path: Path) -> None:
    vit: dict[str, Any] = {"img_size": 32, "embed_dim": 32, "depth": 1, "num_heads": 2, "num_classes": 3}
    _, made = quantised(timm.create_model("vit_tiny_patch16_224", **vit), "head", tmp_path / "a.onnx")
    assert len(nodes_with_bytes(made.graph)) == 4  # of attention two, and two of the perceptron
    assert {node.op_type for node in nodes_with_bytes(made.graph)} <= {"MatMul", "Gemm"}


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
