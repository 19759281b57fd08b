"""Export a run: merge it, write one ONNX file, compare its predictions with PyTorch on real images, then publish it.

Every export is compared with PyTorch (design rule 6). Optional files are rows of `visionft.export.options`. Each is
added to the published export when it is finished, so `model.onnx` can be used meanwhile.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.heads.solutions import memory_of
from visionft.core.errors import ExportError, NextStep
from visionft.core.events import Notice, ResultStored
from visionft.core.files import sha256_file, write_text
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, Split
from visionft.export.contents import (
    INDEX_FILE,
    LABELS_FILE,
    LICENCE_FILE,
    MODEL_FILE,
    RECORD_FILE,
    adding_files,
    file_entry,
    list_contents,
    publishing,
    write_record,
)
from visionft.export.distance import embeddings
from visionft.export.export_result import (
    MAX_ABS_DIFF,
    ExportResult,
    Latency,
    SampleRun,
    Variant,
)
from visionft.export.model_card import CARD_FILE, model_card
from visionft.export.options import DEFAULT_OPTIONS, Artefact, ExportOptions
from visionft.export.predictor import ExportedIndex, IndexEntry, Predictor, read_index, write_index
from visionft.export.prepared import (
    PreparedRun,
    compare,
    network_inputs,
    prepare_run,
    uniform_batch,
)
from visionft.export.record import NO_FACTS, ProjectFacts, metrics_of, record_of
from visionft.export.sample_programs import require_agreement, run_samples, sample_files, write_licence, write_samples
from visionft.export.verifying import references_in
from visionft.training.evaluation.comparison import write_file_cost
from visionft.training.evaluation.timing import runs_for, spread_of, timed_calls
from visionft.training.retrieval import load_current_model
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import RunModel

logger = logging.getLogger(__name__)

INDEX_PARITY_IMAGES = 16
# Weights of the job's stages, measured with a ResNet-18 on two cores.
_WRITE_SECONDS, _COMPARE_SECONDS, _TIMING_SECONDS, _FINISH_SECONDS = 10.0, 3.0, 2.0, 4.0
MAX_TIMING_SECONDS = 1.5  # 60 runs of 25 ms are enough for a 95th percentile


def export_run(
    run_dir: Path,
    images: Snapshot,
    out_dir: Path,
    *,
    options: ExportOptions = DEFAULT_OPTIONS,
    facts: ProjectFacts = NO_FACTS,
    job: JobContext = SILENT_JOB,
) -> ExportResult:
    """Export a run's best checkpoint as `model.onnx` with `labels.txt`, samples and `export.json` in `out_dir`.

    Args:
        run_dir: Folder of the run.
        images: The project's images; its validation images are compared.
        out_dir: Created when missing.
        options: Files to write, and their format. A file that this run does not support is omitted with a reason.
        facts: Further facts of the project for the record and the model card; notes and tags are exported with the
            images of a retrieval run.

    Returns:
        The export. If it was cancelled after `model.onnx` was finished, it has the files finished so far.

    Raises:
        ExportError: The file differs from PyTorch, or a variant was requested without labelled images to calibrate or
            evaluate it; `out_dir` is unchanged. Or an optional file differs; `out_dir` has the files before it.
        RunError: The run cannot be read, or there are no validation images to compare on.
        JobCancelled: The user cancelled before `model.onnx` was finished; `out_dir` is unchanged.
        WeightsError: The pretrained weights of the run are no longer available.
    """
    if out_dir.is_file():
        raise ExportError(Message("{out_dir} is a file.", out_dir=out_dir), "Give a folder.")
    options.check()
    logger.info("export starts: %s, %s", run_dir.name, options)
    rows = options.rows
    # Incomplete: the index of a retrieval run, for example, is known only after loading.
    names = [name for row in rows for name in row.files]
    planned = [MODEL_FILE, LABELS_FILE, LICENCE_FILE, CARD_FILE, RECORD_FILE, *names]
    planned += sample_files()
    # Open the destination first, so that a read-only one is reported before minutes of work.
    with publishing(out_dir, planned) as folder:
        run = read_run(run_dir)
        load_seconds = 2 + 0.002 * (len(images.labelled("train")) + len(images.labelled("val")))
        base_seconds = load_seconds + _WRITE_SECONDS + _COMPARE_SECONDS + _TIMING_SECONDS + _FINISH_SECONDS
        job = job.in_stages(base_seconds + sum(row.weight for row in rows))
        with job.stage("Loading the network", weight=load_seconds):
            model = load_current_model(run, images, job=job)
            require_images(rows, model, images)
            prepared = prepare_run(model, images, opset=options.opset, job=job)
        path = folder / MODEL_FILE
        with job.stage("Writing the ONNX file", weight=_WRITE_SECONDS):
            path.write_bytes(prepared.build_full_model(prepared.onnx_networks).SerializeToString())
            write_text(folder / LABELS_FILE, "\n".join(prepared.class_names) + "\n")
            write_samples(folder)
            write_licence(folder, prepared.metadata)
        with job.stage("Comparing with PyTorch", weight=_COMPARE_SECONDS):
            predictor = Predictor(path)
            parity = compare(prepared, predictor, job=job)
        with job.stage("Measuring its speed", weight=_TIMING_SECONDS):
            latency = measure_latency(predictor, prepared.pixels[-1], job=job)
        with job.stage(weight=_FINISH_SECONDS):
            result = ExportResult(
                model=out_dir / MODEL_FILE,
                bytes=path.stat().st_size,
                sha256=sha256_file(path),
                temperature=prepared.temperature,
                opset=options.opset,
                parity=parity,
                latency=latency,
                border=prepared.border,
                target=options.target,
            )
            result, references = complete_export(prepared, folder, result, {}, facts=facts, job=job)
    with suppress(OSError):  # the project is in a read-only folder
        write_file_cost(run_dir, file_bytes=result.bytes, milliseconds=result.latency.median_ms)
    if rows:
        message = Message("{file} is finished and can be used; further files follow.", file=MODEL_FILE)
        job.report(Notice(message=message))
    for row in rows:
        job.report(ResultStored(name=str(result.model)))
        try:
            job.check_cancelled()
            with job.stage(weight=row.weight), adding_files(out_dir, result.sha256) as folder:
                following = row.write(prepared, folder, result, job)
                following = replace(following, artefacts=(*result.artefacts, row.name))
                result, references = complete_export(prepared, folder, following, references, facts=facts, job=job)
        except JobCancelled:
            break
    logger.info("export ends: %d bytes, %s, %s", result.bytes, result.parity, result.artefacts)
    return result


def require_images(rows: Sequence[Artefact], model: RunModel, images: Snapshot) -> None:
    """Check early that the images needed to make and evaluate the artefacts exist.

    Raises:
        ExportError: There is no labelled validation image, or no labelled training image to calibrate int8.
    """
    messages: dict[Split, str] = {
        "val": Message("Variants are evaluated on labelled validation images, and this project has none."),
        "train": Message("int8 is calibrated on training images, and there are none with a label."),
    }
    for split, message in messages.items():
        labels = {images.class_names[label] for image in images.labelled(split) for label in image.labels}
        if labels.isdisjoint(model.run.class_names) and any(split in row.needs for row in rows):
            raise ExportError(message, "Divide the images, or export without variants.", NextStep("split"))


def measure_latency(predictor: Predictor, pixels: np.ndarray, *, job: JobContext) -> Latency:
    """Return the latency of a model for one (H, W, 3) image, with enough runs for a 95th percentile."""
    call = partial(predictor.probabilities, pixels[None])
    times_ms = timed_calls([call], job=job, max_runs=runs_for(0.95), max_seconds=MAX_TIMING_SECONDS)
    height, width, _ = pixels.shape
    return Latency(**asdict(spread_of(times_ms)), provider=predictor.provider, width=width, height=height)


def complete_export(
    prepared: PreparedRun,
    folder: Path,
    result: ExportResult,
    references: dict[str, Any],
    *,
    facts: ProjectFacts,
    job: JobContext,
) -> tuple[ExportResult, dict[str, Any]]:
    """Run the sample programs if there are new model files, and write the index, the record and the model card.

    Args:
        prepared: The run.
        folder: The folder with all files of the export.
        result: The export so far.
        references: The reference predictions so far, as `references_in` returns them; empty at first.
        facts: Facts of the project.
        job: Receives the progress.

    Returns:
        The completed result, and the reference predictions of all model files.

    Raises:
        ExportError: The Python sample or the index disagrees with `model.onnx`.
    """
    kept = [variant for variant in result.variants if variant.is_kept]
    if prepared.has_index:
        result = replace(result, remembered=_write_index(prepared, folder, facts, kept))
    stages = job.in_stages(2)
    with stages.stage("Running the sample programs", weight=1):
        complete_references = references_in(folder, references)
        if complete_references != references:
            result = replace(result, samples=_run_samples(prepared, folder, kept))
    with stages.stage("Writing the record", weight=1):
        result = replace(result, files=tuple(sorted({*list_contents(folder), CARD_FILE})))
        metrics = metrics_of(prepared.model.run, prepared.evaluations)
        record = record_of(prepared.model, result, prepared.images, facts, metrics) | complete_references
        files = list_contents(folder)
        write_text(folder / CARD_FILE, model_card(record, files))
        files[CARD_FILE] = file_entry(folder / CARD_FILE)
        write_record(folder, record | {"files": dict(sorted(files.items()))})
    return result, complete_references


def _run_samples(prepared: PreparedRun, folder: Path, kept: Sequence[Variant]) -> tuple[SampleRun, ...]:
    """Run the sample programs with `model.onnx` and its variants.

    Raises:
        ExportError: The Python sample disagrees with `model.onnx`.
    """
    names = [MODEL_FILE, *(variant.file for variant in kept)]
    predictors = [Predictor(folder / name, device="cpu") for name in names]
    images = [image.path for image in prepared.compared_images]
    samples = run_samples(folder, images, predictors)
    require_agreement(samples)
    return samples


def _write_index(prepared: PreparedRun, folder: Path, facts: ProjectFacts, kept: Sequence[Variant]) -> int:
    """Write the retrieval index of the model and its variants, and return its number of images.

    An existing index only gets the new variants, because the user may have added images to it.
    """
    loaded, path = prepared.model.strongest, folder / MODEL_FILE
    hashes = tuple(variant.sha256 for variant in kept)
    if (earlier := read_index(path)) is not None:
        write_index(folder / INDEX_FILE, replace(earlier, variants=hashes))
        return len(earlier.memory)
    memory = memory_of(loaded.classifier.head.state_dict())
    ids = set(memory.image_ids.tolist())
    entries = {
        image.image_id: IndexEntry(image.path.name, image.sha256, *facts.remarks.get(image.image_id, ("", ())))
        for image in prepared.images.images
        if image.image_id in ids
    }
    index = ExportedIndex(
        memory, loaded.run.class_names, entries, prepared.temperature, sha256_file(path), variants=hashes
    )
    write_index(folder / INDEX_FILE, index)
    predictor = Predictor(path, device="cpu")
    pixels = uniform_batch(prepared.pixels, INDEX_PARITY_IMAGES)
    inputs = network_inputs(loaded, pixels)
    expected = embeddings(loaded.classifier.network, loaded.classifier.backbone, inputs).numpy()
    exported = predictor.embeddings(pixels)
    pairs = ((expected, exported), (index.probabilities(exported), predictor.probabilities(pixels)))
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
