"""Which ranges whole numbers span, and which layers bear them: all but the worst, until held-out pictures see no loss.

Ranges that hold the extremes of every picture are coarse for all other values; those that miss single values least cut
a few off. Which is better shows in the logits of a few pictures: of a linear probe on waste (ResNet-18, 7 bits, 370
pictures) they moved by .17 with every extreme inside and by .10 where each tensor's values are missed least; half of
that is the first ReLU's, whose channels differ most.
"""

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from visionft.errors import StoppedError
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.export.graph import LOGITS, NETWORK_INPUT
from visionft.export.precision.observing import Observed
from visionft.export.precision.quantising import Plan, Ranges, in_whole_numbers, session_of
from visionft.export.precision.rounding import rounded_weights
from visionft.export.precision.variants import MOST_LOSS

logger = logging.getLogger(__name__)

TRIED, BATCH = 32, 16  # pictures on which ranges, and each layer alone, are tried
POWERS = (2.4, 3.5, math.inf)  # of an error: which ranges are tried (`Tensor.range`)
MOST_RESTORED = 0.5  # of the units: beyond, nothing is gained by whole numbers
SEARCHING, ROUNDING = "Finding layers that bear whole numbers", "Rounding weights"


@dataclass(frozen=True)
class HeldOut:
    """Validation pictures as a network sees them.

    Attributes:
        inputs: Float32 (N, 3, S, S), normalised.
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def accuracy(self, logits: np.ndarray) -> float:
        """Return the share of pictures that (N, C) logits are right of."""
        if self.targets.ndim == 1:
            return float((logits.argmax(axis=1) == self.targets).mean())
        return float(((logits > 0) == self.targets).all(axis=1).mean())


@dataclass(frozen=True)
class Quantised:
    """A network in whole numbers.

    Attributes:
        network: Its ONNX model.
        bits: Of a weight.
        in_float: The layers that stay as they were.
    """

    network: Any
    bits: int
    in_float: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """Looks for the layers of a network that have to stay in float32.

    Weights of 7 bits come first: they are exact on every processor, and cost next to nothing. Then those of 8 where
    this one is exact with them; then units of the better one are restored (`Plan.units`), those first that help most.

    Attributes:
        network: An ONNX model whose nodes have the names that `export_network` gives.
        plan: For it.
        observed: What its tensors hold.
        held_out: What the loss is measured on.
        bits: Of a weight, in the order in which they are tried.
    """

    network: Any
    plan: Plan
    observed: Observed
    held_out: HeldOut
    bits: Sequence[int]
    on_event: OnEvent
    should_stop: ShouldStop
    _rounded: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict, init=False, repr=False)

    def run(self) -> Quantised:
        """Return the first that is right as often as the network, but for `MOST_LOSS`; else the one most often right.

        Raises:
            StoppedError: The user stopped.
        """
        wanted = self.held_out.accuracy(self._logits(self.network, self.held_out.inputs)) - MOST_LOSS
        tried: list[tuple[float, Quantised]] = []
        for bits in self.bits:
            tried.append(self._tried(bits))
            if tried[-1][0] >= wanted:
                return tried[-1][1]
        bits = max(tried, key=lambda each: each[0])[1].bits
        order = self._worst_first(bits)
        count = 1
        while count <= MOST_RESTORED * len(order) and tried[-1][0] < wanted:
            tried.append(self._tried(bits, [name for unit in order[:count] for name in unit]))
            count *= 2
        return max(reversed(tried), key=lambda each: each[0])[1]  # of equals the one that is most like the network

    def _tried(self, bits: int, in_float: Collection[str] = ()) -> tuple[float, Quantised]:
        """Return how often a network with these nodes in float is right, and that network."""
        layers = tuple(layer for layer in self.plan.layers if layer in in_float)
        found = Quantised(self._made(bits, in_float), bits, layers)
        accuracy = self.held_out.accuracy(self._logits(found.network, self.held_out.inputs))
        logger.info("int8 of %d bits, %d layers in float: %.4f", bits, len(layers), accuracy)
        return accuracy, found

    def _worst_first(self, bits: int) -> list[tuple[str, ...]]:
        """Return the units of the plan, those first with which in float the logits move least."""
        moved: dict[tuple[str, ...], float] = {}
        for place, unit in enumerate(self.plan.units):
            self._tell(SEARCHING, place, len(self.plan.units))
            moved[unit] = self._moved(self._made(bits, unit))
        return sorted(moved, key=lambda unit: moved[unit])

    @cached_property
    def _ranges(self) -> Ranges:
        """Return the ranges with which the logits of a few pictures move least."""
        weights = self._weights(self.bits[0])

        def moved(ranges: Ranges) -> float:
            return self._moved(in_whole_numbers(self.network, self.plan, ranges, bits=self.bits[0], weights=weights))

        return min(map(self.observed.ranges, POWERS), key=moved)

    def _weights(self, bits: int) -> Mapping[str, np.ndarray]:
        """Return the weights in whole numbers, rounded once."""
        if bits not in self._rounded:
            nearest = in_whole_numbers(self.network, self.plan, self.observed.ranges(math.inf), bits=bits)
            moments, found = self.observed.moments, {}
            for name, weights in rounded_weights(self.network, self.plan, nearest, moments, bits=bits):
                found[name] = weights
                self._tell(ROUNDING, len(found), len(moments))
            self._rounded[bits] = found
        return self._rounded[bits]

    def _made(self, bits: int, in_float: Collection[str] = ()) -> Any:
        weights = self._weights(bits)
        return in_whole_numbers(self.network, self.plan, self._ranges, bits=bits, in_float=in_float, weights=weights)

    def _moved(self, network: Any) -> float:
        """Return the mean square by which a network's logits of a few pictures differ from the original's."""
        inputs, expected = self._few
        return float(np.square(self._logits(network, inputs) - expected).mean())

    @cached_property
    def _few(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a few held-out pictures, and the original's logits of them."""
        inputs = self.held_out.inputs[:: max(1, len(self.held_out.inputs) // TRIED)][:TRIED]
        return inputs, self._logits(self.network, inputs)

    def _logits(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        session, rows = session_of(network.SerializeToString()), []
        for start in range(0, len(inputs), BATCH):
            self._require_going()
            rows.append(session.run([LOGITS], {NETWORK_INPUT: inputs[start : start + BATCH]})[0])
        return np.concatenate(rows)

    def _tell(self, stage: str, done: int, total: int) -> None:
        self._require_going()
        self.on_event(Progress(stage=stage, done=done, total=total))

    def _require_going(self) -> None:
        if self.should_stop():
            raise StoppedError("The export was stopped.", "Nothing was kept.")
