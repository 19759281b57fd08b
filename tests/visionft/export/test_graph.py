"""The graph's preprocessing against torch's, for every shape of picture."""

import numpy as np
import onnxruntime
import pytest

from visionft.data.preprocess import Preprocessing
from visionft.export.options import OPSET
from visionft.export.preprocessing_graph import preprocessing_model

SHAPES = [(1, 1), (1, 700), (700, 1), (2, 2), (31, 33), (64, 64), (100, 80), (65, 480), (900, 1200), (3000, 4000)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("share", [0.9, 1.0])
def test_the_graph_prepares_pictures_as_training_does(interpolation: str, share: float) -> None:
    plain = Preprocessing(
        size=64, crop_share=share, interpolation=interpolation, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    session = onnxruntime.InferenceSession(
        preprocessing_model(plain, OPSET).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        pixels = rng.integers(0, 256, (*shape, 3), np.uint8)
        (got,) = session.run(None, {"image": pixels[None]})
        # 0.001 of 255 after normalisation by a standard deviation of about 0.225
        np.testing.assert_allclose(got[0], plain.apply(pixels).numpy(), atol=0.001 / 255 / 0.224, err_msg=str(shape))
