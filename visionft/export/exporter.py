"""Exporting a run: merge, write one ONNX file, prove on real pictures that it answers as PyTorch does, then keep it.

An export that was not compared with PyTorch is not an export (design rule 6).
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

from visionft.calibration import softmax
from visionft.data.types import Snapshot, Task
from visionft.errors import ExportError
from visionft.evaluation.report import calibrate, summarise
from visionft.evaluation.stored import read_evaluation
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.bundle.card.front_matter import TIMM_FOLDER
from visionft.export.bundle.card.model_card import CARD_FILE, model_card
from visionft.export.bundle.described import metrics_of
from visionft.export.bundle.project_facts import NOTHING_KNOWN, ProjectFacts
from visionft.export.bundle.reference import references_in
from visionft.export.bundle.sample_runs import require_right, run_samples
from visionft.export.bundle.samples import sample_files, write_samples
from visionft.export.bundle.timm_folder import CONFIG_FILE, WEIGHTS_FILE, plain_network, write_timm_folder
from visionft.export.comparing import Reference, compare, require_equal
from visionft.export.contents import (
    FLOAT_MODEL_FILE,
    LABELS_FILE,
    MODEL_FILE,
    RECORD_FILE,
    list_contents,
    listed_file,
    write_record,
)
from visionft.export.distance import FittedDistance, fit_distance
from visionft.export.doc_strings import describe_model, describe_values
from visionft.export.graph import (
    LOGITS,
    NETWORK_INPUT,
    assemble,
    export_network,
    from_pictures,
    hide_outputs,
    keep_only,
    set_metadata,
)
from visionft.export.index.index_keeping import keep_index
from visionft.export.joining import join
from visionft.export.latency import measure_large, measure_latency
from visionft.export.options import ExportOptions
from visionft.export.outputs import WithOutputs
from visionft.export.parity import MAX_ABS_DIFF, ExportResult, Latency, Parity, SampleRun
from visionft.export.parity_pictures import compared_pictures, parity_pictures, readable_pictures
from visionft.export.precision.making import VariantMaker, require_pictures
from visionft.export.precision.measuring import Reading
from visionft.export.precision.variants import Variant, variant_file
from visionft.export.predictor import DISTANCE, EMBEDDING, Predictor
from visionft.export.publishing import publishing
from visionft.export.record import metadata_of, record_of
from visionft.files import sha256_file, write_text
from visionft.retrieval.refreshing import load_current
from visionft.training.base_weights import base_weights_of
from visionft.training.runs.answerer import Answerer
from visionft.training.runs.exchange import ADAPTER_FOLDER, complete_exchange
from visionft.training.runs.exchange import CONFIG_FILE as UPDATE_FILE
from visionft.training.runs.loaded_run import LoadedRun
from visionft.training.runs.run_folder import read_run

logger = logging.getLogger(__name__)

USUAL = ExportOptions()

NETWORK_FILE = "network.onnx"
_Build = Callable[[Sequence[Any]], Any]  # makes of the parts' networks the whole model
_NO_FLOAT_MODEL = (
    "Each part of a combination prepares pictures in its own way. Export without it, or export a part by itself."
)


def export_run(
    run_dir: Path,
    images: Snapshot,
    out_dir: Path,
    *,
    options: ExportOptions = USUAL,
    facts: ProjectFacts = NOTHING_KNOWN,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> ExportResult:
    """Export a run's best checkpoint as `model.onnx` with `labels.txt`, samples and `export.json` in `out_dir`.

    Args:
        run_dir: Folder of the run.
        images: The project's pictures; those of the validation split are compared.
        out_dir: Where to; made when it is missing.
        options: What is written, and how.
        facts: What the project knows beside its pictures: the record and the card say it to whoever uses the file,
            notes and tags travel with the pictures of a run that holds some.
        on_event: Receives how far it is.
        should_stop: Asked between pictures.

    Raises:
        ExportError: The file differs from PyTorch, or a combination was to have a float model; `out_dir` is as it was.
        ExportError: A smaller file was wanted, and no labelled picture is there to make or judge it.
        RunError: The run cannot be read, or there are no validation pictures to compare on.
        StoppedError: The user stopped; `out_dir` is as it was.
        WeightsError: The pretrained weights that the run started from are no longer at hand.
    """
    if out_dir.is_file():
        raise ExportError(f"{out_dir} is a file.", "Give a folder.")
    options.check()
    logger.info("export starts: %s, %s", run_dir.name, options)
    # First of all: a place that cannot be written is said before minutes are spent.
    with publishing(out_dir, _planned(options)) as folder:
        answerer = load_current(read_run(run_dir), images, on_event=on_event, should_stop=should_stop)
        if options.float_input and answerer.is_combined:
            raise ExportError(f"{answerer.run.title} has no float model.", _NO_FLOAT_MODEL)
        require_pictures(options.precisions, answerer, images)
        export = _Export(answerer, images, folder, out_dir, options, facts, on_event, should_stop)
        result = export.make()
    logger.info("export ends: %d bytes, %s", result.bytes, result.parity)
    return result


@dataclass(frozen=True)
class _Export:
    """One export: what goes in, and the folder that is filled step by step."""

    answerer: Answerer
    images: Snapshot
    folder: Path
    out_dir: Path
    options: ExportOptions
    facts: ProjectFacts
    on_event: OnEvent
    should_stop: ShouldStop

    def make(self) -> ExportResult:
        """Write everything; return what it is."""
        of_timm = plain_network(self.answerer) if self.options.huggingface else None  # refused before anything is done
        hooks = {"on_event": self.on_event, "should_stop": self.should_stop}
        val, temperature, thresholds = calibrate(self.answerer, self.images, **hooks)
        fitted = fit_distance(self.answerer.strongest, self.images, **hooks)
        metadata = metadata_of(self.answerer, self.images, temperature, thresholds, fitted)
        build = partial(
            _whole, answerer=self.answerer, task=self.images.task, metadata=metadata, opset=self.options.opset
        )
        networks = self._write_model(fitted, metadata, build)
        trained = Reference(self.answerer, temperature, self.images.task, fitted)
        parity = compare(trained, self.images, self._model, **hooks)
        require_equal(parity)
        variants = self._write_variants(networks, build, Reading(temperature=temperature, thresholds=thresholds))
        result = self._finished(parity, temperature, fitted, variants)
        require_right(result.samples)
        if of_timm is not None:
            write_timm_folder(self.folder, of_timm, self.answerer.strongest, temperature)
        _keep_update(self.answerer, self.folder / ADAPTER_FOLDER)
        run = self.answerer.run
        measured = summarise(run, "val", val, temperature, thresholds) if val else None
        metrics = metrics_of([measured, read_evaluation(run.path, "test")])
        record = record_of(self.answerer, result, self.images, self.facts, metrics)
        return replace(result, files=_describe(self.folder, record | references_in(self.folder)))

    @property
    def _model(self) -> Path:
        return self.folder / MODEL_FILE

    def _write_model(self, fitted: FittedDistance | None, metadata: dict[str, Any], build: _Build) -> list[Any]:
        """Write `model.onnx`, and the float model where it is wanted; return the bare networks."""
        self.on_event(Progress(stage="Writing the ONNX file", done=0, total=0))
        bare = self.folder / NETWORK_FILE
        networks = _networks(self.answerer, bare, fitted, self.options.opset)
        self._model.write_bytes(build(networks).SerializeToString())
        if self.options.float_input:
            _keep_network(self.answerer.strongest, self.images, self.folder, metadata)
        bare.unlink(missing_ok=True)
        return networks

    def _write_variants(self, networks: Sequence[Any], build: _Build, reading: Reading) -> tuple[Variant, ...]:
        maker = VariantMaker(
            answerer=self.answerer, images=self.images, networks=networks, build=build, folder=self.folder,
            reading=reading, on_event=self.on_event, should_stop=self.should_stop,
        )  # fmt: skip
        return maker.make(self.options.precisions)

    def _finished(
        self, parity: Parity, temperature: float, fitted: FittedDistance | None, variants: Sequence[Variant]
    ) -> ExportResult:
        """Lay beside the models what uses them; measure them."""
        remembered = 0
        if _embeds(self.answerer):
            remarks = self.facts.remarks
            remembered = keep_index(self.answerer.strongest, self.images, self._model, temperature, remarks, variants)
        write_samples(self.folder)
        write_text(self.folder / LABELS_FILE, "\n".join(self.answerer.run.class_names) + "\n")
        self.on_event(Progress(stage="Measuring its speed", done=0, total=0))
        return ExportResult(
            model=self.out_dir / MODEL_FILE,
            bytes=self._model.stat().st_size,
            sha256=sha256_file(self._model),
            temperature=temperature,
            opset=self.options.opset,
            parity=parity,
            latency=self._latency(),
            float_model=self.out_dir / FLOAT_MODEL_FILE if self.options.float_input else None,
            border=fitted.border if fitted else None,
            remembered=remembered,
            variants=tuple(variants),
            large_ms=measure_large(self.answerer.strongest.preprocessing, self.options.opset),
            samples=self._run_samples(variants),
        )

    def _latency(self) -> Latency:
        """Measure the file on the first validation picture that can be read."""
        pixels = next(readable_pictures(compared_pictures(self.answerer.run, self.images)))
        return measure_latency(Predictor(self._model), pixels, should_stop=self.should_stop)

    def _run_samples(self, variants: Sequence[Variant]) -> tuple[SampleRun, ...]:
        self.on_event(Progress(stage="Running the programs beside it", done=0, total=0))
        pictures = [image.path for image in compared_pictures(self.answerer.run, self.images)]
        others = [each.file for each in variants if each.is_kept]
        return run_samples(self.folder, pictures, self.out_dir, others=others)


def _keep_update(answerer: Answerer, folder: Path) -> None:
    """Copy what other libraries load of a run, with its classes and the weights that it belongs to."""
    source = answerer.run.path / (answerer.run.config.method_row.exchange_folder or ".")
    if (source / UPDATE_FILE).is_file():
        shutil.copytree(source, folder)
        complete_exchange(folder, answerer.run.class_names, base_weights_of(answerer.run))


def _describe(folder: Path, record: dict[str, Any]) -> tuple[str, ...]:
    """Write the record and the card of all that lies in the folder; return what that is."""
    files = list_contents(folder)
    write_text(folder / CARD_FILE, model_card(record, files))
    files[CARD_FILE] = listed_file(folder / CARD_FILE)
    write_record(folder, record | {"files": {name: asdict(files[name]) for name in sorted(files)}})
    return tuple(sorted(files))


def _planned(options: ExportOptions) -> list[str]:
    """Return the files that will be written; others may come, such as the labelled pictures of a retrieval run."""
    of_timm = [f"{TIMM_FOLDER}/{name}" for name in (CONFIG_FILE, WEIGHTS_FILE)] if options.huggingface else []
    variants = [variant_file(precision) for precision in options.precisions]
    always = [MODEL_FILE, LABELS_FILE, CARD_FILE, RECORD_FILE, *sample_files()]
    return [*always, *[FLOAT_MODEL_FILE] * options.float_input, *variants, *of_timm]


def _networks(answerer: Answerer, path: Path, fitted: FittedDistance | None, opset: int) -> list[Any]:
    """Return the ONNX models of all parts' networks; the last one's file stays at `path`."""
    strongest = answerer.strongest
    return [
        _network(part, path, fitted if part is strongest else None, opset, embeds=_embeds(answerer))
        for part in answerer.parts
    ]


def _whole(networks: Sequence[Any], *, answerer: Answerer, task: Task, metadata: dict[str, Any], opset: int) -> Any:
    """Return the model that takes pictures and gives probabilities, from its parts' networks, in their order."""
    pairs = zip(networks, answerer.parts, strict=True)
    graphs = [from_pictures(network, part.preprocessing, opset=opset) for network, part in pairs]
    model = assemble(join(graphs, answerer), temperature=float(metadata["temperature"]), task=task)
    describe_values(model, task)
    metadata = metadata | hide_outputs(model)
    describe_model(model, metadata)
    set_metadata(model, metadata)
    return model


def _embeds(answerer: Answerer) -> bool:
    """Tell whether a run holds pictures that can be named; those of a combination's part stay in its head alone."""
    return not answerer.is_combined and answerer.run.config.method_row.is_live


def _network(part: LoadedRun, path: Path, fitted: FittedDistance | None, opset: int, *, embeds: bool) -> Any:
    """Return a classifier as an ONNX model that gives logits, distances, embedding, as far as wanted."""
    import onnx

    network, outputs = part.classifier.merged(), [LOGITS, *[DISTANCE] * (fitted is not None), *[EMBEDDING] * embeds]
    if len(outputs) > 1:
        distance = fitted.distance if fitted is not None else None
        network = WithOutputs(network, part.classifier.backbone, distance=distance, embeds=embeds).eval()
    export_network(network, part.preprocessing.size, path, opset=opset, outputs=outputs)
    return onnx.load(path)


def _keep_network(loaded: LoadedRun, images: Snapshot, folder: Path, metadata: dict[str, Any]) -> None:
    """Turn the bare network's file into `model_float.onnx`, after comparing its logits with PyTorch's.

    It gives nothing else: it is for runtimes that refuse what the other outputs are computed with (OpenCV 4).
    """
    import onnx
    import onnxruntime

    model = onnx.load(folder / NETWORK_FILE)
    keep_only(model, LOGITS)
    describe_values(model, images.task)
    metadata = {name: value for name, value in metadata.items() if name != DISTANCE}
    describe_model(model, metadata)
    set_metadata(model, metadata)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    pictures = parity_pictures(loaded.run, images)[:16]
    inputs = torch.stack([loaded.preprocessing.apply(pixels) for pixels in pictures])
    with torch.no_grad():
        expected = loaded.classifier(inputs).numpy()
    got = np.asarray(session.run([LOGITS], {NETWORK_INPUT: inputs.numpy()})[0])
    difference = float(np.abs(softmax(expected) - softmax(got)).max())
    if difference > MAX_ABS_DIFF:
        raise ExportError(f"{FLOAT_MODEL_FILE} differs from PyTorch by {difference:.2g}.", "Nothing was kept.")
    (folder / FLOAT_MODEL_FILE).write_bytes(content)
