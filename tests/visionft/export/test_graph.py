"""The graph's preprocessing against torch's, for every shape of image: in ONNX Runtime and in OpenVINO."""

import numpy as np
import pytest

from visionft.data.preprocess import PreprocessConfig
from visionft.export.model_file import trusted_session
from visionft.export.options import OPSET
from visionft.export.preprocessing_graph import preprocessing_model

SHAPES = [(1, 1), (1, 700), (700, 1), (2, 2), (31, 33), (64, 64), (100, 80), (65, 480), (900, 1200), (3000, 4000)]


def preprocessing(interpolation: str, share: float = 0.9) -> PreprocessConfig:
    return PreprocessConfig(
        size=64, crop_share=share, interpolation=interpolation, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )


@pytest.mark.parametrize(
    ("runtime", "interpolation", "share"),
    [("onnxruntime", name, share) for name in ("bilinear", "bicubic") for share in (0.9, 1.0)]
    + [pytest.param("openvino", name, 0.9, marks=pytest.mark.slow) for name in ("bilinear", "bicubic")],
)
def test_the_graph_prepares_images_as_training_does(runtime: str, interpolation: str, share: float, tmp_path) -> None:
    config = preprocessing(interpolation, share)
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
        # 0.001 of 255 after normalisation by a standard deviation of about 0.225
        expected, near = config.apply(pixels).numpy(), 0.001 / 255 / 0.224
        np.testing.assert_allclose(prepare(pixels[None])[0], expected, atol=near, err_msg=str(shape))
