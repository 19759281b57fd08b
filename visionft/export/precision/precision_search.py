"""Search the layers to keep in float, until held-out images show no loss."""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from visionft.events import Progress
from visionft.export.graph import LOGITS, NETWORK_INPUT
from visionft.export.model_file import trusted_session
from visionft.export.precision.quantising import LARGEST_WEIGHT, CalibrationStatistics, Plan, quantise
from visionft.export.precision.variant_evaluation import LogitDecoder
from visionft.export.precision.variants import MOST_LOSS
from visionft.jobs import JobContext

BLOCK: Final = 128  # columns; their errors are passed on to all later columns at once
DAMPINGS: Final = (0.01, 0.1, 1.0)  # of the mean square of an input: a penalty for directions without data


def round_weights(
    network: Any, plan: Plan, nearest: Any, moments: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the constants of a network's quantised weights, by name, with the error of each compensated by others.

    GPTQ (Frantar et al. 2023, arXiv:2210.17323): weights are rounded in turn, those of the strongest inputs first, and
    each error is passed on to the weights not yet rounded, in proportion to the correlation of their inputs. The logits
    of a linear probe on waste (ResNet-18, 7 bits, 370 images) then moved by .10 instead of .18.

    Args:
        network: The ONNX model in float32.
        nearest: The same network quantised with each weight rounded to the nearest.
        moments: Second moments of the layers' inputs, from `observe`; layers without moments are skipped.
    """
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in (*network.graph.initializer, *nearest.graph.initializer)}
    for node in network.graph.node:
        if node.name not in plan.layers or node.name not in moments:
            continue
        name = node.input[1]
        weights, scales = (numpy_helper.to_array(constants[each]) for each in (name, f"{name}_scale"))
        is_across = node.op_type != "Conv" and not any(each.name == "transB" and each.i for each in node.attribute)
        rows = weights.T if is_across else weights.reshape(len(weights), -1)
        rounded = compensated(rows, moments[node.name], scales)
        yield f"{name}_quantized", (rounded.T if is_across else rounded.reshape(weights.shape)).copy()


def compensated(weights: np.ndarray, moments: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return integer weights, (O, K) int8, with products of the inputs close to those of `weights`.

    Args:
        weights: (O, K) float.
        moments: (K, K) mean of x x^T over inputs x.
        scales: (O,) step size of each output's weights.
    """
    order = np.argsort(-np.diag(moments), kind="stable")
    remaining, steps = weights[:, order].astype(np.float64), scales.astype(np.float64)
    upper = _inverse_factor(moments[np.ix_(order, order)].astype(np.float64))
    found = np.empty(weights.shape, np.int8)
    for start in range(0, len(order), BLOCK):
        end = min(start + BLOCK, len(order))
        missed = np.empty((len(remaining), end - start))
        for place in range(start, end):
            whole = np.clip(np.round(remaining[:, place] / steps), -LARGEST_WEIGHT, LARGEST_WEIGHT)
            found[:, order[place]] = whole
            missed[:, place - start] = (remaining[:, place] - whole * steps) / upper[place, place]
            remaining[:, place + 1 : end] -= np.outer(missed[:, place - start], upper[place, place + 1 : end])
        remaining[:, end:] -= missed @ upper[start:end, end:]
    return found


def _inverse_factor(moments: np.ndarray) -> np.ndarray:
    """Return the upper Cholesky factor of the inverse moments: row k compensates the error of weight k."""
    usual = max(float(np.diag(moments).mean()), float(np.finfo(np.float32).tiny))
    for damping in DAMPINGS:
        with suppress(np.linalg.LinAlgError):  # sums of float32 may be a little less than positive definite
            return np.linalg.cholesky(np.linalg.inv(moments + damping * usual * np.eye(len(moments)))).T
    return np.eye(len(moments))  # no compensation


logger = logging.getLogger(__name__)

COMPARED, BATCH = 32, 16  # images for comparing single units; batch size
MOST_RESTORED = 0.5  # of the units: with more in float, quantisation has no benefit


@dataclass(frozen=True)
class QuantisedNetwork:
    """A quantised ONNX model, the layers kept in float, and its accuracy on held-out images."""

    network: Any
    in_float: tuple[str, ...]
    accuracy: float


@dataclass(frozen=True)
class PrecisionSearch:
    """Quantises all layers of a network, then restores units to float (`Plan.units`), the most helpful first.

    Attributes:
        network: An ONNX model with node names from `export_network`.
        inputs: Validation images to measure the loss on, float32 (N, 3, S, S), normalised.
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
        held_out: (N, C) logits in place of the network's own for images that its head was fitted to, NaN for others;
            what quantisation changes is added to them. None where it has seen none.
    """

    network: Any
    plan: Plan
    statistics: CalibrationStatistics
    inputs: np.ndarray
    targets: np.ndarray
    held_out: np.ndarray | None
    decoder: LogitDecoder
    job: JobContext

    def run(self) -> QuantisedNetwork:
        """Return the first quantised network within `MOST_LOSS` of the original's accuracy, else the most accurate."""
        wanted = self.accuracy(self.network) - MOST_LOSS
        tried = [self._try(())]
        if tried[0].accuracy >= wanted:
            return tried[0]
        order = self._units_by_benefit()
        count = 1
        while count <= MOST_RESTORED * len(order) and tried[-1].accuracy < wanted:
            tried.append(self._try([name for unit in order[:count] for name in unit]))
            count *= 2
        return max(reversed(tried), key=lambda each: each.accuracy)  # among equals, the one with most layers in float

    def accuracy(self, network: Any) -> float:
        """Return the accuracy of an ONNX model; with several labels, every label of an image must be right."""
        is_right = self.decoder.predictions(self._logits(network, self.inputs) + self._moved) == self.targets
        return float(is_right.reshape(len(is_right), -1).all(axis=1).mean())

    def _try(self, in_float: Collection[str]) -> QuantisedNetwork:
        layers = tuple(layer for layer in self.plan.layers if layer in in_float)
        network = self._quantised(in_float)
        found = QuantisedNetwork(network, layers, self.accuracy(network))
        logger.info("int8, %d layers in float: %.4f", len(layers), found.accuracy)
        return found

    def _units_by_benefit(self) -> list[tuple[str, ...]]:
        """Return the units of the plan, the most helpful in float first: by the remaining change of the logits."""
        inputs = self.inputs[:: max(1, len(self.inputs) // COMPARED)][:COMPARED]
        expected = self._logits(self.network, inputs)
        change = dict[tuple[str, ...], float]()
        for number, unit in enumerate(self.plan.units):
            self.job.report(Progress(stage="Comparing layers in int8", done=number, total=len(self.plan.units)))
            change[unit] = float(np.square(self._logits(self._quantised(unit), inputs) - expected).mean())
        return sorted(change, key=lambda unit: change[unit])

    @cached_property
    def _moved(self) -> np.ndarray:
        """Return (N, C) differences of held-out logits from the network's own; zeros for images not seen."""
        if self.held_out is None:
            return np.zeros(1, np.float32)
        return np.nan_to_num(self.held_out - self._logits(self.network, self.inputs))

    @cached_property
    def _weights(self) -> Mapping[str, np.ndarray]:
        """Return the weights in integers, by the names of their constants."""
        nearest = quantise(self.network, self.plan, self.statistics.ranges)
        weights = dict[str, np.ndarray]()
        for name, rounded in round_weights(self.network, self.plan, nearest, self.statistics.moments):
            weights[name] = rounded
            self.job.check_cancelled()
            self.job.report(Progress(stage="Rounding weights", done=len(weights), total=len(self.statistics.moments)))
        return weights

    def _quantised(self, in_float: Collection[str]) -> Any:
        return quantise(self.network, self.plan, self.statistics.ranges, weights=self._weights, in_float=in_float)

    def _logits(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        session = trusted_session(network.SerializeToString())
        rows = []
        for start in range(0, len(inputs), BATCH):
            self.job.check_cancelled()
            rows.append(session.run([LOGITS], {NETWORK_INPUT: inputs[start : start + BATCH]})[0])
        return np.concatenate(rows)
