"""The graph's preprocessing against torch's, for every shape of image: in ONNX Runtime and in OpenVINO."""

from dataclasses import replace

import numpy as np
import pytest

from visionft.data.preprocess import PreprocessConfig
from visionft.export.contents import OPSET
from visionft.export.model_file import trusted_session
from visionft.export.preprocessing_graph import preprocessing_model

SHAPES = [(1, 1), (1, 700), (700, 1), (2, 2), (31, 33), (64, 64), (100, 80), (65, 480), (900, 1200), (3000, 4000)]


PLAIN = PreprocessConfig(
    height=64, width=64, crop_share=1.0, interpolation="bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
SQUARE = {"crop_share": 0.9}
TALL, FLAT = {"height": 96}, {"height": 32, "width": 160, "region": (100, 250, 731, 900)}


@pytest.mark.parametrize(
    ("runtime", "interpolation", "framing"),
    [("onnxruntime", name, each) for name in ("bilinear", "bicubic") for each in (SQUARE, {}, TALL, FLAT)]
    + [pytest.param("openvino", "bicubic", each, marks=pytest.mark.slow) for each in (SQUARE, TALL, FLAT)],
)
def test_the_graph_prepares_images_as_training_does(runtime: str, interpolation: str, framing, tmp_path) -> None:
    config = replace(PLAIN, interpolation=interpolation, **framing)
    content = preprocessing_model(config, OPSET).SerializeToString()
    if runtime == "onnxruntime":
        session = trusted_session(content)
        prepare = lambda pixels: session.run(None, {"image": pixels})[0]  # noqa: E731
    else:
        openvino, path = pytest.importorskip("openvino"), tmp_path / "before.onnx"
        path.write_bytes(content)
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        prepare = lambda pixels: compiled(pixels)[0]  # noqa: E731
    random = np.random.default_rng(0)
    for shape in SHAPES:
        pixels = random.integers(0, 256, (*shape, 3), np.uint8)
        # Of 255, after normalisation by about 0.225; OpenVINO divides by other than powers of two with an error.
        near = (0.001 if runtime == "onnxruntime" else 0.006) / 255 / 0.224
        expected = config.apply(pixels).numpy()
        np.testing.assert_allclose(prepare(pixels[None])[0], expected, atol=near, err_msg=str(shape))


@pytest.mark.parametrize("side", [96, 160, 224, 384])
def test_any_webgpu_has_buffers_for_each_split(side: int) -> None:
    """It has eight for a node's inputs and outputs; ONNX Runtime ends with an error where they do not suffice."""
    graph = preprocessing_model(replace(PLAIN, height=side, width=side), OPSET).graph
    splits = [node for node in graph.node if node.op_type == "Split"]
    assert splits and all(len(node.input) + len(node.output) <= 8 for node in splits)
