"""Export a run: merge it, write one ONNX file, compare its predictions with PyTorch on real images, then publish it.

An export without a comparison with PyTorch is not an export (design rule 6).
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

from models.messages import Message
from visionft.calibration import softmax
from visionft.data.types import Snapshot
from visionft.errors import ConfigError, ExportError, RunError
from visionft.evaluation.report import Logits, calibrate, summarise
from visionft.evaluation.stored import Evaluation, read_evaluation
from visionft.export.bundle.benching import measure_large, measure_latency
from visionft.export.bundle.card.model_card import CARD_FILE, model_card
from visionft.export.bundle.framework_formats import framework_files, write_frameworks
from visionft.export.bundle.reference import references_in
from visionft.export.bundle.sample_programs import require_agreement, run_samples, sample_files, write_samples
from visionft.export.bundle.triton import write_triton
from visionft.export.bundle.web_runtime import runtime_files, write_runtime
from visionft.export.contents import (
    FIXED_MODEL_FILE,
    FLOAT_MODEL_FILE,
    INDEX_FILE,
    LABELS_FILE,
    MODEL_FILE,
    RECORD_FILE,
    list_contents,
    listed_file,
    write_record,
)
from visionft.export.distance import Distance, embeddings, fit_distance, with_outputs
from visionft.export.distilling import Distiller
from visionft.export.export_result import MAX_ABS_DIFF, ExportResult, Form
from visionft.export.exporters import EXPORTERS
from visionft.export.graph import (
    LOGITS,
    NETWORK_INPUT,
    assemble,
    describe_model,
    describe_values,
    export_network,
    from_images,
    hide_outputs,
    join,
    keep_only,
    set_metadata,
)
from visionft.export.index.memory_index import ExportedIndex, IndexEntry, write_index
from visionft.export.mirroring import averaged_logits, calibrate_average, require_no_index, with_mirror_average
from visionft.export.model_file import trusted_session
from visionft.export.options import DEFAULT_OPTIONS, ExportOptions
from visionft.export.phone.making import PhoneMaker
from visionft.export.precision.making import VariantMaker, require_images
from visionft.export.precision.variant_evaluation import LogitDecoder
from visionft.export.precision.variants import Variant, variant_file
from visionft.export.predictor import DISTANCE, Predictor
from visionft.export.publishing import publishing
from visionft.export.pytorch_comparison import (
    MirrorAverage,
    Reference,
    compare,
    compared_images,
    network_inputs,
    parity_images,
    readable_images,
    uniform_batch,
)
from visionft.export.record import NO_FACTS, ProjectFacts, metadata_of, metrics_of, record_of
from visionft.files import sha256_file, write_text
from visionft.heads.solutions import memory_of
from visionft.jobs import SILENT, JobContext
from visionft.retrieval.live_view import load_current_model
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import LoadedRun, RunModel

logger = logging.getLogger(__name__)

NETWORK_FILE = "network.onnx"
INDEX_COMPARED = 16  # images


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

    Raises:
        ExportError: The file differs from PyTorch, a variant was requested without labelled images to calibrate or
            evaluate it, or the average with mirror images for a retrieval run; `out_dir` is unchanged.
        RunError: The run cannot be read, or there are no validation images to compare on.
        JobCancelled: The user cancelled; `out_dir` is unchanged.
        WeightsError: The pretrained weights of the run are no longer available.
    """
    if out_dir.is_file():
        raise ExportError(Message("{out_dir} is a file.", out_dir=out_dir), "Give a folder.")
    options.check()
    logger.info("export starts: %s, %s", run_dir.name, options)
    # Others may be added, such as the labelled images of a retrieval run.
    planned = [MODEL_FILE, LABELS_FILE, CARD_FILE, RECORD_FILE, *map(variant_file, options.precisions)]
    planned += sample_files(has_pytorch=True)
    if options.float_input:
        planned.append(FLOAT_MODEL_FILE)
    planned += [FIXED_MODEL_FILE] * options.phone + [variant_file("distilled")] * options.distil
    planned += framework_files(options)
    planned += runtime_files() * options.web_runtime
    # First, so a read-only destination is reported before minutes of work.
    with publishing(out_dir, planned) as folder:
        model = load_current_model(read_run(run_dir), images, job=job)
        require_images(options.precisions or ("fp16",) * options.distil, model, images)
        if options.mirror:
            require_no_index(model)
        job = job.in_stages(3 + 3 + _variants_weight(options) + 60 * options.distil + 4)  # see `run`
        result = _Export(model, images, folder, out_dir, options, facts, job).run()
    logger.info("export ends: %d bytes, %s", result.bytes, result.parity)
    return result


def _variants_weight(options: ExportOptions) -> int:
    """Return the relative time of the stage that makes and measures the smaller variants."""
    return 1 + 12 * len(options.precisions)


@dataclass(frozen=True)
class _Export:
    """One export: its inputs, and the folder filled step by step."""

    model: RunModel
    images: Snapshot
    folder: Path
    out_dir: Path
    options: ExportOptions
    facts: ProjectFacts
    job: JobContext

    def run(self) -> ExportResult:
        model, images, path = self.model, self.images, self.folder / MODEL_FILE
        mirror = None
        with self.job.stage(weight=3):
            if self.options.mirror:
                val, temperature, thresholds, mirror = calibrate_average(model, images, job=self.job)
            else:
                val, temperature, thresholds = calibrate(model, images, job=self.job)
            distance, border = fit_distance(model.strongest, images, job=self.job) or (None, None)
            metadata = metadata_of(model, images, temperature, thresholds, border)
            metadata |= {"mirror": True} if mirror else {}
        with self.job.stage("Writing the ONNX file", weight=3):
            networks = [self._export_part(part, distance if part is model.strongest else None) for part in model.parts]
            path.write_bytes(self._whole_model(networks, metadata).SerializeToString())
            if self.options.float_input and not model.is_combined:
                self._write_float_model(metadata)
            (self.folder / NETWORK_FILE).unlink()
            reference = Reference(model, temperature, images.task, distance, averages_mirror=mirror is not None)
            parity = compare(reference, images, path, job=self.job)
        reasons = list[str]()
        with self.job.stage(weight=_variants_weight(self.options)):
            variants = VariantMaker(
                model=model, images=images, val=val, networks=networks, folder=self.folder,
                build=lambda parts: self._whole_model(parts, metadata),
                decoder=LogitDecoder(temperature=temperature, thresholds=thresholds), job=self.job,
            ).make(self.options.precisions)  # fmt: skip
        if self.options.distil:
            try:
                with self.job.stage(weight=60):
                    small = self._distil(val, LogitDecoder(temperature=temperature, thresholds=thresholds))
                variants = (*variants, small)
            except (ConfigError, ExportError, RunError) as error:
                reasons.append(Message("The small network: {reason}", reason=error.message))
        forms, left_out = self._write_phone_files(metadata, variants) if self.options.phone else ((), ())
        remembered = self._write_index(temperature, variants) if self._has_index else 0
        frameworks = write_frameworks(
            model, images, self.folder, self.options, metadata, distance, embeds=self._has_index, job=self.job
        )
        write_samples(self.folder)
        write_text(self.folder / LABELS_FILE, "\n".join(model.run.class_names) + "\n")
        compared = compared_images(model.run, images)
        with self.job.stage("Measuring its speed", weight=2):
            _, pixels = next(readable_images(compared, model.run.config.image_reading))
            latency = measure_latency(Predictor(path), pixels, job=self.job)
            large_ms = measure_large(model.strongest.preprocessing, self.options.opset)
        with self.job.stage("Running the sample programs", weight=2):
            smaller = [each.file for each in variants if each.is_kept]
            samples = run_samples(self.folder, [image.path for image in compared], others=smaller)
            require_agreement(samples)
        has_float_model = (self.folder / FLOAT_MODEL_FILE).is_file()
        result = ExportResult(
            model=self.out_dir / MODEL_FILE, bytes=path.stat().st_size, sha256=sha256_file(path),
            temperature=temperature, opset=self.options.opset, parity=parity, latency=latency,
            float_model=self.out_dir / FLOAT_MODEL_FILE if has_float_model else None, border=border,
            remembered=remembered, variants=variants, forms=forms, large_ms=large_ms, samples=samples,
            left_out=(*reasons, *left_out, *self._write_other_formats(), *frameworks.left_out), mirror=mirror,
            pytorch=frameworks.pytorch, timm_transform=frameworks.timm_transform,
        )  # fmt: skip
        evaluations = [summarise(model.run, "val", val, temperature, thresholds)] if val else []
        if (test := self._test_evaluation(temperature, thresholds)) is not None:
            evaluations.append(test)
        return replace(result, files=self._write_record(result, evaluations))

    def _write_record(self, result: ExportResult, evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
        """Write the record and the model card of all files in the folder; return the names of the files."""
        record = record_of(self.model, result, self.images, self.facts, metrics_of(self.model.run, evaluations))
        record |= references_in(self.folder)
        files = list_contents(self.folder)
        write_text(self.folder / CARD_FILE, model_card(record, files))
        files[CARD_FILE] = listed_file(self.folder / CARD_FILE)
        write_record(self.folder, record | {"files": {name: asdict(files[name]) for name in sorted(files)}})
        return tuple(sorted(files))

    def _test_evaluation(self, temperature: float, thresholds: np.ndarray | None) -> Evaluation | None:
        """Return the run's stored evaluation on test, or that of the average; None where the run has none."""
        model = self.model
        stored = read_evaluation(model.run.path, "test")
        if stored is None or stored.labels != model.labels:  # it was measured with other labels
            return None
        if not self.options.mirror:
            return stored
        try:
            averaged = averaged_logits(model, self.images, "test", job=self.job)
        except RunError:  # its test images are gone
            return None
        return summarise(model.run, "test", averaged, temperature, thresholds)

    def _write_index(self, temperature: float, variants: Sequence[Variant]) -> int:
        """Write the retrieval index beside the model and its variants, compare it, and return its number of images."""
        loaded, path = self.model.strongest, self.folder / MODEL_FILE
        memory = memory_of(loaded.classifier.head.state_dict())
        ids = set(memory.image_ids.tolist())
        entries = {
            image.image_id: IndexEntry(image.path.name, image.sha256, *self.facts.remarks.get(image.image_id, ("", ())))
            for image in self.images.images
            if image.image_id in ids
        }
        hashes = tuple(each.sha256 for each in variants if each.is_kept)
        index = ExportedIndex(memory, loaded.run.class_names, entries, temperature, sha256_file(path), variants=hashes)
        write_index(self.folder / INDEX_FILE, index)
        predictor = Predictor(path, device="cpu")
        pixels = uniform_batch(parity_images(loaded.run, self.images), INDEX_COMPARED)
        inputs = network_inputs(loaded, pixels)
        expected = embeddings(loaded.classifier.network, loaded.classifier.backbone, inputs).numpy()
        found = predictor.embeddings(pixels)
        pairs = ((expected, found), (index.probabilities(found), predictor.probabilities(pixels)))
        difference = max(float(np.abs(first - second).max()) for first, second in pairs)
        if difference > MAX_ABS_DIFF:
            names = {"name": INDEX_FILE, "other": MODEL_FILE}
            message = Message("{name} differs from {other} by {difference}.", difference=f"{difference:.2g}", **names)
            raise ExportError(message, "Nothing was kept.")
        return len(memory)

    @property
    def _has_index(self) -> bool:
        """Whether the export has a retrieval index; in an ensemble, the images of a part stay in its head alone."""
        return not self.model.is_combined and bool(self.model.labels)

    def _export_part(self, part: LoadedRun, distance: Distance | None) -> Any:
        """Return a classifier as an ONNX model with logits and, where requested, distances and embeddings."""
        import onnx

        path, (network, outputs) = self.folder / NETWORK_FILE, with_outputs(part, distance, embeds=self._has_index)
        export_network(network, part.preprocessing.shape, path, opset=self.options.opset, outputs=outputs)
        return onnx.load(path)

    def _whole_model(self, networks: Sequence[Any], metadata: dict[str, Any]) -> Any:
        """Return the ONNX model from images to probabilities, built from the networks of the parts, in their order."""
        if self.options.mirror:
            networks = [with_mirror_average(network) for network in networks]
        pairs = zip(networks, self.model.parts, strict=True)
        graphs = [from_images(network, part.preprocessing, opset=self.options.opset) for network, part in pairs]
        task = self.images.task
        whole = assemble(join(graphs, self.model), temperature=float(metadata["temperature"]), task=task)
        describe_values(whole, task)
        metadata = metadata | hide_outputs(whole)
        describe_model(whole, metadata)
        set_metadata(whole, metadata)
        return whole

    def _write_float_model(self, metadata: dict[str, Any]) -> None:
        """Convert the bare network's file into `model_float.onnx`, after comparing its logits with PyTorch's.

        Logits are its only output: it is for runtimes without the operators of the other outputs (OpenCV 4).
        """
        import onnx

        loaded, model = self.model.strongest, onnx.load(self.folder / NETWORK_FILE)
        network: torch.nn.Module = loaded.classifier
        if self.options.mirror:
            model, network = with_mirror_average(model), MirrorAverage(network)
        keep_only(model, LOGITS)
        describe_values(model, self.images.task)
        metadata = {name: value for name, value in metadata.items() if name != DISTANCE}
        describe_model(model, metadata)
        set_metadata(model, metadata)
        content = model.SerializeToString()
        inputs = network_inputs(loaded, parity_images(loaded.run, self.images)[:16])
        with torch.no_grad():
            expected = network(inputs).numpy()
        got = np.asarray(trusted_session(content).run([LOGITS], {NETWORK_INPUT: inputs.numpy()})[0])
        difference = float(np.abs(softmax(expected) - softmax(got)).max())
        if difference > MAX_ABS_DIFF:
            message = Message(
                "{file} differs from PyTorch by {difference}.", file=FLOAT_MODEL_FILE, difference=f"{difference:.2g}"
            )
            raise ExportError(message, "Nothing was kept.")
        (self.folder / FLOAT_MODEL_FILE).write_bytes(content)

    def _distil(self, val: Logits | None, decoder: LogitDecoder) -> Variant:
        def export(run_dir: Path, taught: Snapshot, folder: Path, job: JobContext) -> ExportResult:
            options = ExportOptions(precisions=("int8",), opset=self.options.opset)
            return export_run(run_dir, taught, folder, options=options, job=job)

        assert val is not None  # after `require_images`
        return Distiller(
            model=self.model, images=self.images, val=val, decoder=decoder, folder=self.folder, export=export,
            job=self.job,
        ).make()  # fmt: skip

    def _write_phone_files(
        self, metadata: dict[str, Any], variants: Sequence[Variant]
    ) -> tuple[tuple[Form, ...], tuple[str, ...]]:
        """Write the files for phones; return those kept, and the reasons where one is left out."""
        import onnx

        model, network = self.model, None
        if not model.is_combined:
            network = model.strongest.classifier.merged()
            network = MirrorAverage(network).eval() if self.options.mirror else network

        def written() -> Any:
            path, shape = self.folder / NETWORK_FILE, model.strongest.preprocessing.shape
            export_network(network, shape, path, opset=self.options.opset, is_fixed=True)
            found = onnx.load(path)
            path.unlink()
            return found

        return PhoneMaker(
            model=model, network=network, write_network=written, metadata=metadata, task=self.images.task,
            opset=self.options.opset, folder=self.folder, pixels=parity_images(model.run, self.images),
            variants=variants, job=self.job,
        ).make()  # fmt: skip

    def _write_other_formats(self) -> list[str]:
        """Write the formats for other places; return the reasons where a requested file is left out."""
        left_out = list[str]()
        if self.options.float_input and self.model.is_combined:
            left_out.append(Message("An ensemble has no float model: each part prepares images in its own way."))
        if self.options.triton:
            write_triton(self.folder, self.model.run.title)
        if self.options.web_runtime:
            try:
                write_runtime(self.folder)
            except ExportError as error:
                left_out.append(error.message)
        for name in self.options.exporters:
            EXPORTERS[name].write(self.folder)
        return left_out
