"""A run that is ready for export: its networks as ONNX models, its calibration and its distance."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.export.distance import Distance, fit_distance, with_outputs
from visionft.export.export_result import Border
from visionft.export.graph import (
    assemble,
    describe_model,
    describe_values,
    export_network,
    from_images,
    hide_outputs,
    join,
    set_metadata,
)
from visionft.export.pytorch_comparison import parity_images
from visionft.export.record import metadata_of
from visionft.export.variant_evaluation import LogitDecoder
from visionft.training.evaluation.report import Logits, calibrate, summarise
from visionft.training.evaluation.stored import Evaluation, read_evaluation
from visionft.training.runs.run_model import RunModel


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run or ensemble that is ready for export; the rows of `visionft.export.artefacts` read it.

    Attributes:
        model: The run or ensemble.
        images: The project's images.
        opset: The version of ONNX's operators in the files.
        metadata: The metadata of `model.onnx`.
        val: Logits of the validation images, as the evaluation has them; None without a labelled one.
        decoder: Temperature and thresholds of `model.onnx`.
        distance: The fitted distance of the strongest part; None where there were too few images.
        border: The border of that distance.
    """

    model: RunModel
    images: Snapshot
    opset: int
    metadata: dict[str, Any]
    val: Logits | None
    decoder: LogitDecoder
    distance: Distance | None
    border: Border | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of the outputs."""
        return tuple(self.model.run.class_names)

    @property
    def has_index(self) -> bool:
        """Whether the export has a retrieval index; in an ensemble, the images of a part stay in its head alone."""
        return not self.model.is_combined and bool(self.model.labels)

    @cached_property
    def pixels(self) -> list[np.ndarray]:
        """The decoded images of the comparison with PyTorch, uint8 (H, W, 3)."""
        return parity_images(self.model.run, self.images)

    @cached_property
    def networks(self) -> list[Any]:
        """ONNX models of the parts, in their order, from normalised images to logits.

        The strongest part also returns its distance, and a retrieval run its embeddings.
        """
        networks = list[Any]()
        for part in self.model.parts:
            distance = self.distance if part is self.model.strongest else None
            network, outputs = with_outputs(part, distance, embeds=self.has_index)
            networks.append(self.traced(network, part.preprocessing.shape, outputs=outputs))
        return networks

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The evaluations of the run on validation and test; empty without both."""
        val, decoder = self.val, self.decoder
        found = [summarise(self.model.run, "val", val, decoder.temperature, decoder.thresholds)] if val else []
        stored = read_evaluation(self.model.run.path, "test")
        if stored is not None and stored.labels == self.model.labels:  # else it was measured with other labels
            found.append(stored)
        return found

    def traced(self, network: Any, shape: tuple[int, int], **options: Any) -> Any:
        """Return a PyTorch network as an ONNX model; `options` are passed to `export_network`."""
        import onnx

        with tempfile.TemporaryDirectory(prefix="visionft-") as folder:
            path = Path(folder) / "network.onnx"
            export_network(network, shape, path, opset=self.opset, **options)
            return onnx.load(path)

    def whole_model(self, networks: Sequence[Any]) -> Any:
        """Return the ONNX model from images to probabilities, built from the networks of the parts, in their order."""
        pairs = zip(networks, self.model.parts, strict=True)
        graphs = [from_images(network, part.preprocessing, opset=self.opset) for network, part in pairs]
        task = self.images.task
        whole = assemble(join(graphs, self.model), temperature=float(self.metadata["temperature"]), task=task)
        describe_values(whole, task)
        metadata = self.metadata | hide_outputs(whole)
        describe_model(whole, metadata)
        set_metadata(whole, metadata)
        return whole


def prepare_run(model: RunModel, images: Snapshot, *, opset: int, job: JobContext) -> PreparedRun:
    """Calibrate a loaded run or ensemble, and fit its distance."""
    val, temperature, thresholds = calibrate(model, images, job=job)
    distance, border = fit_distance(model.strongest, images, job=job) or (None, None)
    return PreparedRun(
        model=model,
        images=images,
        opset=opset,
        metadata=metadata_of(model, images, temperature, thresholds, border),
        val=val,
        decoder=LogitDecoder(temperature=temperature, thresholds=thresholds),
        distance=distance,
        border=border,
    )
