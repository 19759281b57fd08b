"""Distil an exported run into a small network: the Starter ResNet learns the run's probabilities of all images.

Soft labels after Hinton et al. 2015 (arXiv:1503.02531), at the run's calibrated temperature, for images with and
without a label. Labelled images of validation and test are left out, so that the comparison with the run stays fair.
"""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.messages import Message
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.errors import ConfigError, ExportError, NextStep, RunError
from visionft.evaluation.report import class_images, logit_batches
from visionft.events import Event, Notice, Progress, StepDone
from visionft.export.contents import MODEL_FILE
from visionft.export.export_result import ExportResult
from visionft.export.graph import set_metadata
from visionft.export.model_file import open_session
from visionft.export.options import ExportOptions
from visionft.export.precision.variant_evaluation import (
    MEASURED,
    LogitDecoder,
    ModelOutputs,
    compare_outputs,
    run_models,
    time_both,
)
from visionft.export.precision.variants import SMALL_NETWORK, Variant, judge, variant_file
from visionft.export.pytorch_comparison import readable_images
from visionft.files import parse_json, sha256_file
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.subsets import spread
from visionft.training.loop.train import train

if TYPE_CHECKING:
    from visionft.export.exporter import Export

logger = logging.getLogger(__name__)

MOST_IMAGES: Final = 20_000
# Images shown in training in all (epochs x images): some minutes on two cores.
SHOWN: Final = 12_000
_EPOCHS: Final = (4, 60)
_NOTHING = np.zeros(0)


def write_small_network(export: "Export") -> None:
    """Train the small network and compare it with `model.onnx`; the file is kept where it is as accurate.

    Where it cannot be trained, it is left out with the reason.
    """
    try:
        export.variants.append(_made(export))
    except (ConfigError, ExportError, RunError) as error:
        export.leave_out(Message("The small network: {reason}", reason=error.message))


def _made(export: "Export") -> Variant:
    from visionft.export.exporter import export_run

    job = export.job.in_stages(14)
    with job.stage(weight=2):
        taught = _taught(export, job)
    learned_from = len(taught.soft_labels)
    with tempfile.TemporaryDirectory(prefix="visionft-") as temporary:
        run_dir = Path(temporary) / "runs" / "001"
        out_dir = Path(temporary) / "export"
        with job.stage(weight=8):
            train(_config(export, learned_from), taught, run_dir, job=_as_one_stage(job))
        job.check_cancelled()
        options = ExportOptions(artefacts=("int8",), opset=export.options.opset)
        with job.stage(weight=3):
            made = export_run(run_dir, taught, out_dir, options=options, job=job)
        with job.stage(weight=1):
            return _compared(export, made, learned_from, job)


def _taught(export: "Export", job: JobContext) -> Snapshot:
    """Return the images to learn from with the run's probabilities, and the validation images."""
    names, decoder = export.class_names, export.decoder
    own = {each.image_id: _with_labels(each, row) for each, row in zip(*_labelled(export, "train"), strict=True)}
    held_out = {image.image_id for split in ("val", "test") for image in export.images.labelled(split)}
    known = [image for image in export.images.images if image.image_id not in held_out]
    chosen = list(spread(known, MOST_IMAGES))
    soft = dict[int, tuple[float, ...]]()
    learning = list[SnapshotImage]()
    for logits, places in logit_batches(export.model, chosen, stage=Message("Predicting all images"), job=job):
        job.check_cancelled()
        rows = decoder.probabilities(logits.astype(np.float64))
        for place, row in zip(places, rows, strict=True):
            image = chosen[place]
            top = np.flatnonzero(row > 0.5) if decoder.thresholds is not None else ()  # several labels
            labels = tuple(int(each) for each in top) or (int(row.argmax()),)
            # The labels only make the first head; a class that the run never predicts needs its own there.
            learning.append(own.get(image.image_id) or replace(image, labels=labels, split="train"))
            soft[image.image_id] = tuple(row.tolist())
    if len(learning) < 2:
        raise ExportError(
            "There is no image to distil with: all labelled ones are for validation and test.",
            "Import images without labels, or export without it.",
            NextStep("import_unlabelled"),
        )
    judged = [_with_labels(image, row) for image, row in zip(*_labelled(export, "val"), strict=True)]
    return replace(export.images, class_names=names, images=(*learning, *judged), prompts=(), soft_labels=soft)


def _labelled(export: "Export", split: Split) -> tuple[tuple[SnapshotImage, ...], np.ndarray]:
    """Return the images of a split with labels in the run's classes, and their targets."""
    return class_images(export.class_names, export.images, split)


def _config(export: "Export", images: int) -> TrainConfig:
    """Return the settings of the small network's training, with the framing and device of the run."""
    own = export.model.strongest.run.config
    epochs = min(max(round(SHOWN / images), _EPOCHS[0]), _EPOCHS[1])
    kept = {name: getattr(own, name) for name in ("framing", "aspect", "region", "device", "workers", "seed")}
    return replace(
        TrainConfig(),
        backbone=SMALL_NETWORK,
        method="full",
        epochs=epochs,
        image_reading=own.image_reading,
        **kept,
    )


def _compared(export: "Export", made: ExportResult, learned_from: int, job: JobContext) -> Variant:
    """Compare the small network, int8 where that kept its accuracy, with `model.onnx` on held-out images."""
    int8 = next((each for each in made.variants if each.is_kept), None)
    content = _content(export, made.model.with_name(int8.file if int8 else MODEL_FILE))
    path = export.folder / MODEL_FILE
    name = variant_file("distilled")
    reference = path.read_bytes()
    sessions = {
        MODEL_FILE: open_session(path, reference, device="cpu"),
        name: open_session(export.folder / name, content, device="cpu"),
    }
    split: Split = "test" if _labelled(export, "test")[0] else "val"
    chosen, targets = _labelled(export, split)
    val = export.val
    assert val is not None  # after `require_images`
    if split == "val":
        chosen, targets = val.images, val.targets
    places = list(spread(range(len(chosen)), MEASURED))
    reading = export.model.run.config.image_reading
    shown = [chosen[place] for place in places]
    outputs, read = run_models(sessions, shown, reading, job)
    read = [places[each] for each in read]
    own = val.values[read] if split == "val" else outputs[MODEL_FILE].logits  # held-out predictions
    thresholds = sessions[name].get_modelmeta().custom_metadata_map.get("thresholds")
    decoder = LogitDecoder(
        temperature=made.temperature, thresholds=None if thresholds is None else np.array(parse_json(thresholds))
    )
    answers = compare_outputs(
        ModelOutputs(own, _NOTHING),
        ModelOutputs(outputs[name].logits, _NOTHING),
        targets[read],
        decoder=export.decoder,
        own_decoder=decoder,
        stretch=1.0,
    )
    _, pixels = next(readable_images(shown, reading))
    speed = time_both(sessions[MODEL_FILE], sessions[name], pixels, job)
    variant = Variant(
        precision="distilled",
        file=name,
        bytes=len(content),
        reference_bytes=len(reference),
        sha256="",
        answers=answers,
        temperature=made.temperature,
        bits=int8.bits if int8 else 32,
        calibrated_on=int8.calibrated_on if int8 else 0,
        in_float=int8.in_float if int8 else (),
        speed=speed,
        verdict=judge("distilled", answers, speed),
        split=split,
        learned_from=learned_from,
    )
    logger.info("distilled: %s, %s", variant.verdict, answers)
    if not variant.is_kept:
        return replace(variant, file="")
    (export.folder / name).write_bytes(content)
    return replace(variant, sha256=sha256_file(export.folder / name))


def _content(export: "Export", path: Path) -> bytes:
    """Return a model file that names the run as its teacher."""
    import onnx

    made = onnx.load(path)
    metadata: dict[str, Any] = {each.key: each.value for each in made.metadata_props}
    name = export.model.run.name
    set_metadata(made, metadata | {"run": name, "distilled_from": name})
    return made.SerializeToString()


def _with_labels(image: SnapshotImage, target: np.ndarray) -> SnapshotImage:
    """Return an image with the labels of a target: a class index, or (C,) zeros and ones."""
    labels = np.flatnonzero(target) if np.ndim(target) else [target]
    return replace(image, labels=tuple(int(each) for each in labels))


def _as_one_stage(job: JobContext) -> JobContext:
    """Return a context that reports a training as one stage of an export."""

    def report(event: Event) -> None:
        if isinstance(event, StepDone):
            event = Progress(
                stage=Message("Training the small network"),
                done=round(1000 * (event.share or 0)),
                total=1000,
                share=event.share,
            )
        if isinstance(event, Progress | Notice):
            job.report(event)

    return job.with_report(report)
