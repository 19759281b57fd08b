"""Writing into a whole model what was fitted for it: temperature, thresholds, and the unit of its distances."""

import json
from typing import Any

import numpy as np

from visionft.export.graph import constant
from visionft.export.precision.measuring import Reading
from visionft.export.predictor import DISTANCE

TEMPERATURE, STRETCH = "temperature", "distance_stretch"


def patch(model: Any, reading: Reading, stretch: float) -> Any:
    """Return a whole model with a reading of its own, and its distances divided by `stretch`; it stays as it is."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for tensor in graph.initializer:
        if tensor.name == TEMPERATURE:
            tensor.CopyFrom(constant(TEMPERATURE, np.float32(reading.temperature)))
    for node in graph.node:
        if list(node.output) == [DISTANCE]:
            node.op_type = "Div"
            node.input.append(STRETCH)
            graph.initializer.append(constant(STRETCH, np.float32(stretch)))
    said = {"temperature": f"{reading.temperature:.6f}"}
    if reading.thresholds is not None:
        said["thresholds"] = json.dumps([round(float(limit), 6) for limit in reading.thresholds])
    for each in copy.metadata_props:
        each.value = said.get(each.key, each.value)
    return copy
