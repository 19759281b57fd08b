"""Which layers of a network bear whole numbers: all, or all but the worst, until held-out pictures see no loss."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from visionft.errors import StoppedError
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.export.graph import LOGITS, NETWORK_INPUT
from visionft.export.precision.quantising import Plan, Ranges, in_whole_numbers, session_of
from visionft.export.precision.variants import MOST_LOSS

logger = logging.getLogger(__name__)

TRIED, BATCH = 32, 16  # pictures on which each layer is tried alone
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
        ranges: Of its tensors.
        held_out: What the loss is measured on.
        bits: Of a weight, in the order in which they are tried.
    """

    network: Any
    plan: Plan
    ranges: Ranges
    held_out: HeldOut
    bits: Sequence[int]
    on_event: OnEvent
    should_stop: ShouldStop

    def run(self) -> Quantised:
        """Return the first that is right as often as the network, but for `MOST_LOSS`; else the last that was tried.

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
        found = max(tried, key=lambda each: each[0])[1]
        order = self._worst_first(found.bits)
        count = 1
        while count <= MOST_RESTORED * len(order):
            in_float = tuple(sorted(order[:count], key=self.plan.layers.index))
            found = Quantised(self._made(found.bits, in_float), found.bits, in_float)
            if self._accuracy(found) >= wanted:
                break
            count *= 2
        return found

    def _worst_first(self, bits: int) -> list[str]:
        """Return the layers, those first that alone in whole numbers change the logits most."""
        inputs = self.held_out.inputs[:: max(1, len(self.held_out.inputs) // TRIED)][:TRIED]
        expected, errors = self._logits(self.network, inputs), {}
        for place, layer in enumerate(self.plan.layers):
            self.on_event(Progress(stage=SEARCHING, done=place, total=len(self.plan.layers)))
            others = set(self.plan.layers) - {layer}
            errors[layer] = float(np.square(self._logits(self._made(bits, others), inputs) - expected).mean())
        return sorted(errors, key=lambda layer: -errors[layer])

    def _made(self, bits: int, in_float: Collection[str] = ()) -> Any:
        return in_whole_numbers(self.network, self.plan, self.ranges, bits=bits, in_float=in_float)

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
