"""Which ranges whole numbers span, and which layers bear them: all but the worst, until held-out pictures see no loss.

Ranges that hold the extremes of every picture are coarse for all others. How many pictures' ends are cut off is what
keeps the logits nearest: of a linear probe on waste (ResNet-18, 7 bits, 372 pictures) they moved by .22 with every
extreme inside, .17, .16 and .16 with those of 95, 90 and 80 % of the pictures; answers changed were 10, 9, 6 and 7.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from visionft.errors import StoppedError
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.export.graph import LOGITS, NETWORK_INPUT
from visionft.export.precision.quantising import Extremes, Plan, Ranges, in_whole_numbers, session_of
from visionft.export.precision.variants import MOST_LOSS

logger = logging.getLogger(__name__)

TRIED, BATCH = 32, 16  # pictures on which ranges, and each layer alone, are tried
INSIDE = (1.0, 0.97, 0.9, 0.8, 0.65)  # shares of pictures whose extremes a range may hold
MOST_RESTORED = 0.5  # of the layers: beyond, nothing is gained by whole numbers
SEARCHING = "Finding layers that bear whole numbers"


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
    this one is exact with them; then layers of the better one are restored, those first that alone change the logits
    most.

    Attributes:
        network: An ONNX model whose nodes have the names that `export_network` gives.
        plan: For it.
        extremes: Of its tensors.
        held_out: What the loss is measured on.
        bits: Of a weight, in the order in which they are tried.
    """

    network: Any
    plan: Plan
    extremes: Extremes
    held_out: HeldOut
    bits: Sequence[int]
    on_event: OnEvent
    should_stop: ShouldStop

    def run(self) -> Quantised:
        """Return the first that is right as often as the network, but for `MOST_LOSS`; else the one most often right.

        Raises:
            StoppedError: The user stopped.
        """
        wanted = self.held_out.accuracy(self._logits(self.network, self.held_out.inputs)) - MOST_LOSS
        tried: list[tuple[float, Quantised]] = []
        for bits in self.bits:
            found = Quantised(self._made(bits), bits)
            tried.append((self._accuracy(found), found))
            if tried[-1][0] >= wanted:
                return found
        bits = max(tried, key=lambda each: each[0])[1].bits
        order = self._worst_first(bits)
        count = 1
        while count <= MOST_RESTORED * len(order) and tried[-1][0] < wanted:
            in_float = tuple(sorted(order[:count], key=self.plan.layers.index))
            found = Quantised(self._made(bits, in_float), bits, in_float)
            tried.append((self._accuracy(found), found))
            count *= 2
        return max(tried, key=lambda each: each[0])[1]

    def _worst_first(self, bits: int) -> list[str]:
        """Return the layers, those first that alone in whole numbers change the logits most."""
        errors: dict[str, float] = {}
        for place, layer in enumerate(self.plan.layers):
            self.on_event(Progress(stage=SEARCHING, done=place, total=len(self.plan.layers)))
            errors[layer] = self._moved(self._made(bits, set(self.plan.layers) - {layer}))
        return sorted(errors, key=lambda layer: -errors[layer])

    @cached_property
    def _ranges(self) -> Ranges:
        """Return the ranges with which the logits of a few pictures move least."""

        def moved(ranges: Ranges) -> float:
            return self._moved(in_whole_numbers(self.network, self.plan, ranges, bits=self.bits[0]))

        return min(map(self.extremes.ranges, INSIDE), key=moved)

    def _made(self, bits: int, in_float: Collection[str] = ()) -> Any:
        return in_whole_numbers(self.network, self.plan, self._ranges, bits=bits, in_float=in_float)

    def _moved(self, network: Any) -> float:
        """Return the mean square by which a network's logits of a few pictures differ from the original's."""
        inputs, expected = self._few
        return float(np.square(self._logits(network, inputs) - expected).mean())

    @cached_property
    def _few(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a few held-out pictures, and the original's logits of them."""
        inputs = self.held_out.inputs[:: max(1, len(self.held_out.inputs) // TRIED)][:TRIED]
        return inputs, self._logits(self.network, inputs)

    def _accuracy(self, found: Quantised) -> float:
        accuracy = self.held_out.accuracy(self._logits(found.network, self.held_out.inputs))
        logger.info("int8 of %d bits, %d layers in float: %.4f", found.bits, len(found.in_float), accuracy)
        return accuracy

    def _logits(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        session, rows = session_of(network.SerializeToString()), []
        for start in range(0, len(inputs), BATCH):
            if self.should_stop():
                raise StoppedError("The export was stopped.", "Nothing was kept.")
            rows.append(session.run([LOGITS], {NETWORK_INPUT: inputs[start : start + BATCH]})[0])
        return np.concatenate(rows)
