"""Export a run: merge it, write one ONNX file, compare its predictions with PyTorch on real images, then publish it.

An export without a comparison with PyTorch is not an export (design rule 6). What stands beside the file is a row of
`visionft.export.artefacts`: it joins the published export once it is made, so that `model.onnx` can be used meanwhile.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from models.messages import Message
from visionft.data.types import Snapshot, Split
from visionft.errors import ExportError, NextStep
from visionft.evaluation.report import Logits, calibrate, summarise
from visionft.evaluation.run_cost import write_file_cost
from visionft.evaluation.stored import Evaluation, read_evaluation
from visionft.evaluation.timing import runs_for, spread_of, timed_calls
from visionft.events import Notice, ResultStored
from visionft.export.artefacts import Artefact
from visionft.export.bundle.card.model_card import CARD_FILE, model_card
from visionft.export.bundle.licence import write_licence
from visionft.export.bundle.reference import references_in
from visionft.export.bundle.sample_programs import require_agreement, run_samples, sample_files, write_samples
from visionft.export.contents import (
    INDEX_FILE,
    LABELS_FILE,
    LICENCE_FILE,
    MODEL_FILE,
    RECORD_FILE,
    list_contents,
    listed_file,
    write_record,
)
from visionft.export.distance import Distance, embeddings, fit_distance, with_outputs
from visionft.export.export_result import (
    MAX_ABS_DIFF,
    Border,
    ExportResult,
    Latency,
    Parity,
    SampleRun,
    TransformEffect,
)
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
from visionft.export.index.memory_index import ExportedIndex, IndexEntry, read_index, write_index
from visionft.export.model_file import PROCESSOR
from visionft.export.options import DEFAULT_OPTIONS, ExportOptions
from visionft.export.precision.variant_evaluation import LogitDecoder
from visionft.export.precision.variants import Variant
from visionft.export.predictor import Predictor
from visionft.export.publishing import adding, publishing
from visionft.export.pytorch_comparison import (
    Reference,
    compare,
    compared_images,
    network_inputs,
    parity_images,
    uniform_batch,
)
from visionft.export.record import NO_FACTS, ProjectFacts, metadata_of, metrics_of, record_of
from visionft.files import sha256_file, write_text
from visionft.heads.solutions import memory_of
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.retrieval.live_view import load_current_model
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import RunModel

logger = logging.getLogger(__name__)

NETWORK_FILE = "network.onnx"
INDEX_COMPARED = 16  # images
_WRITE_S, _COMPARE_S, _FINISH_S = 10.0, 3.0, 6.0  # of a ResNet-18 on two cores: the weights of these stages
TIMED_SECONDS = 1.5  # of the measured latency: 60 runs of 25 ms, enough for a 95th percentile


def export_run(
    run_dir: Path,
    images: Snapshot,
    out_dir: Path,
    *,
    options: ExportOptions = DEFAULT_OPTIONS,
    facts: ProjectFacts = NO_FACTS,
    job: JobContext = SILENT,
) -> ExportResult:
    """Export a run's best checkpoint as `model.onnx` with `labels.txt`, samples and `export.json` in `out_dir`.

    Args:
        run_dir: Folder of the run.
        images: The project's images; those of the validation split are compared.
        out_dir: Created when missing.
        options: Files to write, and their format. A file that this run cannot have is left out with a reason.
        facts: Further facts of the project for the record and the model card; notes and tags are exported with the
            images of a retrieval run.

    Returns:
        The export; a cancelled one has the files that were finished before, and a record of them.

    Raises:
        ExportError: The file differs from PyTorch, a variant was requested without labelled images to calibrate or
            evaluate it; `out_dir` is unchanged. Or a further file differs; `out_dir` has the files before it.
        RunError: The run cannot be read, or there are no validation images to compare on.
        JobCancelled: The user cancelled before `model.onnx` was finished; `out_dir` is unchanged.
        WeightsError: The pretrained weights of the run are no longer available.
    """
    if out_dir.is_file():
        raise ExportError(Message("{out_dir} is a file.", out_dir=out_dir), "Give a folder.")
    options.check()
    logger.info("export starts: %s, %s", run_dir.name, options)
    rows = options.rows
    # Others may be added, such as the labelled images of a retrieval run.
    names = [name for row in rows for name in row.files]
    planned = [MODEL_FILE, LABELS_FILE, LICENCE_FILE, CARD_FILE, RECORD_FILE, *names]
    planned += sample_files()
    # First, so a read-only destination is reported before minutes of work.
    with publishing(out_dir, planned) as folder:
        run = read_run(run_dir)
        begin_s = 2 + 0.002 * (len(images.labelled("train")) + len(images.labelled("val")))
        job = job.in_stages(begin_s + _WRITE_S + _COMPARE_S + _FINISH_S + sum(row.weight for row in rows))
        with job.stage("Loading the network", weight=begin_s):
            model = load_current_model(run, images, job=job)
            require_images(rows, model, images)
            export = begin_export(model, images, folder, options, job)
        with job.stage("Writing the ONNX file", weight=_WRITE_S):
            export.write_model()
        with job.stage("Comparing with PyTorch", weight=_COMPARE_S):
            export.compare_model()
        with job.stage(weight=_FINISH_S):
            result = export.finish(out_dir, facts)
    with suppress(OSError):  # a project in a read-only folder
        write_file_cost(run_dir, file_bytes=result.bytes, milliseconds=result.latency.median_ms)
    if rows:
        message = Message("{file} is finished and can be used; further files follow.", file=MODEL_FILE)
        job.report(Notice(message=message))
    for row in rows:
        job.report(ResultStored(name=str(result.model)))
        try:
            job.check_cancelled()
            with job.stage(weight=row.weight), adding(out_dir, result.sha256) as export.folder:
                row.make(export)
                export.made.append(row.name)
                result = export.finish(out_dir, facts)
        except JobCancelled:
            break
    logger.info("export ends: %d bytes, %s, %s", result.bytes, result.parity, result.artefacts)
    return result


def require_images(rows: Sequence[Artefact], model: RunModel, images: Snapshot) -> None:
    """Refuse artefacts early where there are no images to make or evaluate them with.

    Raises:
        ExportError: There is no labelled validation image, or no labelled training image for the ranges of integers.
    """
    wanted: dict[Split, str] = {
        "val": Message("A variant is evaluated on validation images, and there are none with a label."),
        "train": Message("int8 is calibrated on training images, and there are none with a label."),
    }
    for split, message in wanted.items():
        labels = {images.class_names[label] for each in images.labelled(split) for label in each.labels}
        if labels.isdisjoint(model.run.class_names) and any(split in row.needs for row in rows):
            raise ExportError(message, "Divide the images, or export without variants.", NextStep("split"))


def begin_export(model: RunModel, images: Snapshot, folder: Path, options: ExportOptions, job: JobContext) -> "Export":
    """Calibrate a loaded run or ensemble, and fit its distance."""
    val, temperature, thresholds = calibrate(model, images, job=job)
    distance, border = fit_distance(model.strongest, images, job=job) or (None, None)
    metadata = metadata_of(model, images, temperature, thresholds, border)
    return Export(
        model=model,
        images=images,
        folder=folder,
        options=options,
        job=job,
        metadata=metadata,
        val=val,
        decoder=LogitDecoder(temperature=temperature, thresholds=thresholds),
        distance=distance,
        border=border,
    )


@dataclass(kw_only=True)
class Export:
    """One export in the making: what a row of `visionft.export.artefacts` reads, and adds its measurements to.

    Attributes:
        model: The run or ensemble.
        images: Of the project.
        folder: The folder that is filled, for `model.onnx` and for each further file anew; its files are published when
            all of it is written.
        options: Of the export.
        job: Receives the progress, and says whether the user cancelled.
        metadata: That of `model.onnx`.
        val: Logits of the validation images, as the evaluation has them; None without a labelled one.
        decoder: Temperature and thresholds of `model.onnx`.
        distance: The fitted distance of the strongest part; None where there were too few images.
        border: The border of that distance.
        networks: ONNX models of the bare networks of the parts, in their order: from normalised images to logits.
        parity: The comparison of `model.onnx` with PyTorch; None before it.
        made: Names of the rows that were made so far.
        samples: The results of the sample programs with the model files so far; `sampled` are their names.
        references: The reference predictions of the model files so far, as `references_in` gives them.
        variants: The smaller files so far, and rejected ones.
        fixed_size: The effect of scaling without antialiasing before `model_fixed.onnx`.
        left_out: Reasons for requested but omitted files.
    """

    model: RunModel
    images: Snapshot
    folder: Path
    options: ExportOptions
    job: JobContext
    metadata: dict[str, Any]
    val: Logits | None
    decoder: LogitDecoder
    distance: Distance | None = None
    border: Border | None = None
    networks: list[Any] = field(default_factory=list[Any])
    parity: Parity | None = None
    made: list[str] = field(default_factory=list[str])
    samples: tuple[SampleRun, ...] = ()
    sampled: tuple[str, ...] = ()
    references: dict[str, Any] = field(default_factory=dict[str, Any])
    variants: list[Variant] = field(default_factory=list[Variant])
    fixed_size: TransformEffect | None = None
    left_out: list[str] = field(default_factory=list[str])

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
    def predictor(self) -> Predictor:
        """The written `model.onnx`, loaded."""
        return Predictor(self.folder / MODEL_FILE)

    @cached_property
    def latency(self) -> Latency:
        """The time of `model.onnx` for one of the compared images, with runs for a 95th percentile."""
        pixels = self.pixels[-1]
        call = partial(self.predictor.probabilities, pixels[None])
        times_ms = timed_calls([call], job=self.job, most_runs=runs_for(0.95), most_seconds=TIMED_SECONDS)
        height, width, _ = pixels.shape
        return Latency(**asdict(spread_of(times_ms)), provider=self.predictor.provider, width=width, height=height)

    def leave_out(self, reason: str) -> None:
        """Say why a requested file is left out; it stands in the record, on the page and on the model card."""
        self.left_out.append(reason)

    def traced(self, part: RunModel, distance: Distance | None) -> Any:
        """Return a classifier as an ONNX model with logits and, where requested, distances and embeddings."""
        network, outputs = with_outputs(part, distance, embeds=self.has_index)
        return self.traced_network(network, part.preprocessing.shape, outputs=outputs)

    def traced_network(self, network: Any, shape: tuple[int, int], **options: Any) -> Any:
        """Return a PyTorch network as an ONNX model; `options` are those of `export_network`."""
        import onnx

        path = self.folder / NETWORK_FILE
        export_network(network, shape, path, opset=self.options.opset, **options)
        found = onnx.load(path)
        path.unlink()
        return found

    def whole_model(self, networks: Sequence[Any]) -> Any:
        """Return the ONNX model from images to probabilities, built from the networks of the parts, in their order."""
        pairs = zip(networks, self.model.parts, strict=True)
        graphs = [from_images(network, part.preprocessing, opset=self.options.opset) for network, part in pairs]
        task = self.images.task
        whole = assemble(join(graphs, self.model), temperature=float(self.metadata["temperature"]), task=task)
        describe_values(whole, task)
        metadata = self.metadata | hide_outputs(whole)
        describe_model(whole, metadata)
        set_metadata(whole, metadata)
        return whole

    def write_model(self) -> None:
        """Trace the networks, and write `model.onnx` and `labels.txt`."""
        path, parts = self.folder / MODEL_FILE, self.model.parts
        self.networks += [self.traced(part, self.distance if part is self.model.strongest else None) for part in parts]
        path.write_bytes(self.whole_model(self.networks).SerializeToString())
        write_text(self.folder / LABELS_FILE, "\n".join(self.class_names) + "\n")

    def compare_model(self) -> None:
        """Compare `model.onnx` with PyTorch.

        Raises:
            ExportError: They differ.
        """
        temperature, task = self.decoder.temperature, self.images.task
        reference = Reference(self.model, temperature, task, self.distance)
        self.parity = compare(reference, self.predictor, self.pixels, job=self.job)

    def finish(self, out_dir: Path, facts: ProjectFacts) -> ExportResult:
        """Add what every export has, measure and run what is new, and write the record and the model card.

        Args:
            out_dir: Where it will be published.
            facts: Of the project.
        """
        remembered = self._write_index(facts) if self.has_index else 0
        write_samples(self.folder)
        write_licence(self.folder, self.metadata)
        finishing = self.job.in_stages(3)
        with finishing.stage("" if self.made else "Measuring its speed", weight=1):
            latency = self.latency
        with finishing.stage("Running the sample programs", weight=1):
            self._run_samples()
        with finishing.stage("Writing the record", weight=1):
            assert self.parity is not None  # after `compare_model`
            model = self.folder / MODEL_FILE
            result = ExportResult(
                model=out_dir / MODEL_FILE,
                bytes=model.stat().st_size,
                sha256=sha256_file(model),
                temperature=self.decoder.temperature,
                opset=self.options.opset,
                parity=self.parity,
                latency=latency,
                border=self.border,
                remembered=remembered,
                files=tuple(sorted({*list_contents(self.folder), CARD_FILE})),
                variants=tuple(self.variants),
                samples=self.samples,
                left_out=tuple(self.left_out),
                fixed_size=self.fixed_size,
                target=self.options.target,
                artefacts=tuple(self.made),
            )
            self._write_record(result, facts)
        return result

    def _run_samples(self) -> None:
        """Run the sample programs with the model files, unless they were run with the same ones.

        Raises:
            ExportError: The Python sample disagrees with `model.onnx`.
        """
        names = [each.file for each in self.variants if each.is_kept]
        files = (MODEL_FILE, *names)
        if files == self.sampled:
            return
        first = self.predictor
        if first.provider != PROCESSOR:
            first = Predictor(self.folder / MODEL_FILE, device="cpu")
        predictors = [first, *(Predictor(self.folder / name, device="cpu") for name in names)]
        images = [image.path for image in compared_images(self.model.run, self.images)]
        self.samples, self.sampled = run_samples(self.folder, images, predictors), files
        require_agreement(self.samples)

    def _write_record(self, result: ExportResult, facts: ProjectFacts) -> None:
        """Write the record and the model card of all files in the folder."""
        self.references |= references_in(self.folder, self.references)
        metrics = metrics_of(self.model.run, self.evaluations)
        record = record_of(self.model, result, self.images, facts, metrics) | self.references
        files = list_contents(self.folder)
        write_text(self.folder / CARD_FILE, model_card(record, files))
        files[CARD_FILE] = listed_file(self.folder / CARD_FILE)
        write_record(self.folder, record | {"files": {name: asdict(files[name]) for name in sorted(files)}})

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The evaluations of the run on validation and test, as far as it has any."""
        val, decoder = self.val, self.decoder
        found = [summarise(self.model.run, "val", val, decoder.temperature, decoder.thresholds)] if val else []
        stored = read_evaluation(self.model.run.path, "test")
        if stored is not None and stored.labels == self.model.labels:  # else it was measured with other labels
            found.append(stored)
        return found

    def _write_index(self, facts: ProjectFacts) -> int:
        """Write the retrieval index beside the model and its variants, and return its number of images.

        That of a published export stays as it is now, with the variants: images may have been added to it.
        """
        loaded, path = self.model.strongest, self.folder / MODEL_FILE
        hashes = tuple(each.sha256 for each in self.variants if each.is_kept)
        if (earlier := read_index(path)) is not None:
            write_index(self.folder / INDEX_FILE, replace(earlier, variants=hashes))
            return len(earlier.memory)
        memory = memory_of(loaded.classifier.head.state_dict())
        ids = set(memory.image_ids.tolist())
        entries = {
            image.image_id: IndexEntry(image.path.name, image.sha256, *facts.remarks.get(image.image_id, ("", ())))
            for image in self.images.images
            if image.image_id in ids
        }
        index = ExportedIndex(
            memory, loaded.run.class_names, entries, self.decoder.temperature, sha256_file(path), variants=hashes
        )
        write_index(self.folder / INDEX_FILE, index)
        predictor = Predictor(path, device="cpu")
        pixels = uniform_batch(self.pixels, INDEX_COMPARED)
        inputs = network_inputs(loaded, pixels)
        expected = embeddings(loaded.classifier.network, loaded.classifier.backbone, inputs).numpy()
        found = predictor.embeddings(pixels)
        pairs = ((expected, found), (index.probabilities(found), predictor.probabilities(pixels)))
        difference = max(float(np.abs(first - second).max()) for first, second in pairs)
        if difference > MAX_ABS_DIFF:
            message = Message(
                "{name} differs from {other} by {difference}.",
                difference=f"{difference:.2g}",
                name=INDEX_FILE,
                other=MODEL_FILE,
            )
            raise ExportError(message, "Nothing was kept.")
        return len(memory)
