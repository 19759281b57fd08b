"""What a network's tensors hold while training pictures go through it: ranges and roundings are fitted to that."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from visionft.errors import nothing_readable
from visionft.export.graph import NETWORK_INPUT
from visionft.export.precision.quantising import PRODUCTS, Plan, Ranges, session_of

LEVELS: Final = 255  # steps of a byte
SAMPLED: Final = 1024  # values of each tensor, of each picture
ROWS: Final = 64  # places of each picture at which what goes into a layer is taken
# Wider layers have no second moments: those of a ResNet-18's last convolutions (4,608 values) took as long as those of
# all others together, and rounding by them changed nothing.
MOST_WIDTH: Final = 2304
_SHARES = np.linspace(0.2, 1, 33).tolist()  # of the widest range, tried as its ends


@dataclass(frozen=True)
class Tensor:
    """What one tensor held.

    Attributes:
        values: Float32, some of them, drawn from all pictures.
        lowest: Of all its values, as is `highest`.
    """

    values: np.ndarray
    lowest: float
    highest: float

    def range(self, power: float) -> tuple[float, float]:
        """Return the ends between which bytes miss the values least, by the mean of |error| to this power.

        Args:
            power: The higher, the wider; infinity keeps the lowest and the highest value inside.
        """
        if math.isinf(power):
            return self.lowest, self.highest
        low, high = min(0.0, self.lowest), max(0.0, self.highest)
        share = min(_SHARES, key=lambda share: self._missed(low * share, high * share, power))
        return low * share, high * share

    def _missed(self, low: float, high: float, power: float) -> float:
        step = (high - low) / LEVELS or 1.0
        steps = np.clip(np.round((self.values - low) / step), 0, LEVELS)
        return float((np.abs(steps * step + low - self.values) ** power).mean())


@dataclass(frozen=True)
class Observed:
    """What was seen.

    Attributes:
        pictures: How many went through.
        tensors: By name, those that a plan turns into bytes.
        moments: By name of a layer of the plan: (K, K) float32, the mean of x x^T, where x are the K values that an
            output of the layer is computed from. Layers that are too wide, and convolutions in groups, are not there.
    """

    pictures: int
    tensors: Mapping[str, Tensor]
    moments: Mapping[str, np.ndarray]

    def ranges(self, power: float) -> Ranges:
        """Return the range of every tensor, as `Tensor.range`."""
        return {name: tensor.range(power) for name, tensor in self.tensors.items()}


def observe(network: Any, plan: Plan, inputs: Iterable[np.ndarray]) -> Observed:
    """Watch what a plan turns into bytes, and what goes into its layers.

    Args:
        network: An ONNX model; it stays as it is.
        plan: For it.
        inputs: Float32 (1, 3, S, S) normalised pictures.

    Raises:
        RunError: There is none.
    """
    names, draw = _activations(network, plan), np.random.default_rng(0)
    session, inner = _watching(network, names), [name for name in names if name != NETWORK_INPUT]
    tensors, layers = {name: _TensorWatch() for name in names}, _layer_watches(network, plan)
    pictures = 0
    for picture in inputs:
        pictures += 1
        seen = {NETWORK_INPUT: picture, **dict(zip(inner, session.run(inner, {NETWORK_INPUT: picture}), strict=True))}
        for name, watch in tensors.items():
            watch.take(seen[name], draw)
        for layer in layers:
            layer.take(seen[layer.source], draw)
    if not pictures:
        raise nothing_readable("training pictures")
    moments = {layer.name: layer.products / layer.rows for layer in layers}
    return Observed(pictures, {name: watch.seen() for name, watch in tensors.items()}, moments)


def _activations(network: Any, plan: Plan) -> list[str]:
    """Return the tensors that become bytes: what goes into the plan's nodes, and what a convolution gives."""
    constants, wanted = {tensor.name for tensor in network.graph.initializer}, {*plan.layers, *plan.between}
    names: dict[str, None] = {}
    for node in network.graph.node:
        if node.name in wanted:
            gives_floats = plan.is_transformer and node.op_type in PRODUCTS
            names |= dict.fromkeys(node.input if gives_floats else (*node.input, *node.output))
    return [name for name in names if name and name not in constants]


def _watching(network: Any, names: Iterable[str]) -> Any:
    """Return a session of the network that gives these tensors."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.ModelProto()
    model.CopyFrom(network)
    del model.graph.output[:]
    inner = (name for name in names if name != NETWORK_INPUT)
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    return session_of(model.SerializeToString())


class _TensorWatch:
    """Draws some of a tensor's values from each picture."""

    def __init__(self) -> None:
        self._drawn: list[np.ndarray] = []
        self._lowest, self._highest = math.inf, -math.inf

    def take(self, tensor: np.ndarray, draw: np.random.Generator) -> None:
        self._drawn.append(draw.choice(tensor.ravel(), SAMPLED))
        self._lowest = min(self._lowest, float(tensor.min()))
        self._highest = max(self._highest, float(tensor.max()))

    def seen(self) -> Tensor:
        return Tensor(np.concatenate(self._drawn), self._lowest, self._highest)


@dataclass
class _LayerWatch:
    """Adds up x x^T of what goes into a layer.

    Attributes:
        name: Of its node.
        source: The tensor that goes in.
        kernel: Height and width of a convolution; empty for a product.
        strides: Of a convolution, downwards and to the right.
        pads: Of a convolution: top, left, bottom, right.
        products: (K, K), the sum so far.
        rows: How many x it is of.
    """

    name: str
    source: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    products: np.ndarray
    rows: int = 0

    def take(self, tensor: np.ndarray, draw: np.random.Generator) -> None:
        inputs = self._windows(tensor[0], draw) if self.kernel else _some(tensor.reshape(-1, tensor.shape[-1]), draw)
        self.products += inputs.T @ inputs
        self.rows += len(inputs)

    def _windows(self, tensor: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Return (n, K) windows of a (channels, height, width) tensor, channels first as weights have them."""
        top, left, bottom, right = self.pads
        padded = np.pad(tensor, ((0, 0), (top, bottom), (left, right)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.kernel, axis=(1, 2))  # type: ignore[call-overload]
        windows = windows[:, :: self.strides[0], :: self.strides[1]]
        places = _some(np.indices(windows.shape[1:3]).reshape(2, -1).T, draw)
        return np.moveaxis(windows[:, places[:, 0], places[:, 1]], 1, 0).reshape(len(places), -1)


def _some(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= ROWS else rows[draw.choice(len(rows), ROWS, replace=False)]


def _layer_watches(network: Any, plan: Plan) -> list[_LayerWatch]:
    from onnx import helper

    shapes = {tensor.name: tuple(tensor.dims) for tensor in network.graph.initializer}
    found: list[_LayerWatch] = []
    for node in network.graph.node:
        if node.name not in plan.layers:
            continue
        said = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        is_convolution, shape = node.op_type == "Conv", shapes[node.input[1]]
        width = math.prod(shape[1:]) if is_convolution or said.get("transB") else shape[0]
        is_usual = said.get("group", 1) == 1 and set(said.get("dilations", [1])) == {1}
        if width <= MOST_WIDTH and is_usual:
            kernel = tuple(shape[2:]) if is_convolution else ()
            strides, pads = tuple(said.get("strides", (1, 1))), tuple(said.get("pads", (0, 0, 0, 0)))
            products = np.zeros((width, width), np.float32)
            found.append(_LayerWatch(node.name, node.input[0], kernel, strides, pads, products))
    return found
