"""The exported graph in runtimes that are not ONNX Runtime: the same answers, or nobody could use the file there."""

from pathlib import Path

import numpy as np
import pytest

from visionft.data.preprocess import Preprocessing
from visionft.export.options import OPSET, OPSETS
from visionft.export.preprocessing_graph import preprocessing_model

SHAPES = [(1, 1), (1, 300), (31, 33), (64, 64), (65, 480), (600, 900)]


def test_no_operator_is_used_that_runtimes_compute_differently() -> None:
    """OpenVINO passes over Resize's `antialias`, and its whole-number Div rounds: both without a word."""
    plain = Preprocessing(size=32, crop_share=0.9, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
    for opset in OPSETS:
        nodes = preprocessing_model(plain, opset).graph.node
        assert "Resize" not in {node.op_type for node in nodes}
        whole = [node for node in nodes if node.op_type == "Div" and node.output[0] in ("wished_side", "start")]
        assert [node.input[0].endswith("_multiple") for node in whole] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_openvino_prepares_pictures_as_training_does(interpolation: str, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    plain = Preprocessing(
        size=64, crop_share=0.9, interpolation=interpolation, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    path = tmp_path / "before.onnx"
    path.write_bytes(preprocessing_model(plain, OPSET).SerializeToString())
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    random = np.random.default_rng(0)
    for shape in SHAPES:
        pixels = random.integers(0, 256, (*shape, 3), np.uint8)
        got = compiled(pixels[None])[0]
        np.testing.assert_allclose(got[0], plain.apply(pixels).numpy(), atol=0.001 / 255 / 0.224, err_msg=str(shape))
