"""Distil an exported run into a small network: the Starter ResNet learns the run's probabilities of all images.

Soft labels after Hinton et al. 2015 (arXiv:1503.02531), at the run's calibrated temperature, for images with and
without a label. Labelled images of validation and test are left out, so that the comparison with the run stays fair.
"""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.messages import Message
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.errors import ExportError, NextStep
from visionft.evaluation.report import Logits, class_images, logit_batches
from visionft.events import Event, Notice, Progress, StepDone
from visionft.export.contents import MODEL_FILE
from visionft.export.export_result import ExportResult
from visionft.export.graph import set_metadata
from visionft.export.model_file import open_session
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
from visionft.training.runs.run_model import RunModel

logger = logging.getLogger(__name__)

MOST_IMAGES: Final = 20_000
# Images shown in training in all (epochs x images): some minutes on two cores.
SHOWN: Final = 12_000
_EPOCHS: Final = (4, 60)
_NOTHING = np.zeros(0)


@dataclass(frozen=True, kw_only=True)
class Distiller:
    """Distils a run, and compares the small network with `model.onnx`.

    Attributes:
        model: The exported run or ensemble.
        images: Of the project.
        val: Its logits of the validation images, as the evaluation has them.
        decoder: Temperature and thresholds of `model.onnx`.
        folder: Of `model.onnx`; the small file is written there.
        export: Exports a run folder with images into a folder, with an int8 variant.
    """

    model: RunModel
    images: Snapshot
    val: Logits
    decoder: LogitDecoder
    folder: Path
    export: Callable[[Path, Snapshot, Path, JobContext], ExportResult]
    job: JobContext

    def make(self) -> Variant:
        """Train the small network and return its measurements; the file is kept where it is as accurate.

        Raises:
            JobCancelled: The user cancelled.
        """
        job = self.job.in_stages(14)
        with job.stage(weight=2):
            taught = self._taught(job)
        with tempfile.TemporaryDirectory(prefix="visionft-") as temporary:
            run_dir, out_dir = Path(temporary) / "runs" / "001", Path(temporary) / "export"
            with job.stage(weight=8):
                train(self._config(len(taught.soft_labels)), taught, run_dir, job=_as_one_stage(job))
            job.check_cancelled()
            with job.stage(weight=3):
                made = self.export(run_dir, taught, out_dir, job)
            with job.stage(weight=1):
                return self._compared(made, out_dir, len(taught.soft_labels), job)

    def _taught(self, job: JobContext) -> Snapshot:
        """Return the images to learn from with the run's probabilities, and the validation images."""
        names = self.model.run.class_names
        own = {each.image_id: _with_labels(each, row) for each, row in zip(*self._labelled("train"), strict=True)}
        held_out = {image.image_id for split in ("val", "test") for image in self.images.labelled(split)}
        known = [image for image in self.images.images if image.image_id not in held_out]
        chosen, soft = list(spread(known, MOST_IMAGES)), dict[int, tuple[float, ...]]()
        learning = list[SnapshotImage]()
        for logits, places in logit_batches(self.model, chosen, stage=Message("Predicting all images"), job=job):
            job.check_cancelled()
            rows = self.decoder.probabilities(logits.astype(np.float64))
            for place, row in zip(places, rows, strict=True):
                image = chosen[place]
                top = np.flatnonzero(row > 0.5) if self.decoder.thresholds is not None else ()  # several labels
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
        judged = [_with_labels(image, row) for image, row in zip(*self._labelled("val"), strict=True)]
        return replace(self.images, class_names=names, images=(*learning, *judged), prompts=(), soft_labels=soft)

    def _labelled(self, split: Split) -> tuple[tuple[SnapshotImage, ...], np.ndarray]:
        """Return the images of a split with labels in the run's classes, and their targets."""
        return class_images(self.model.run.class_names, self.images, split)

    def _config(self, images: int) -> TrainConfig:
        """Return the settings of the small network's training, with the framing and device of the run."""
        own = self.model.strongest.run.config
        epochs = min(max(round(SHOWN / images), _EPOCHS[0]), _EPOCHS[1])
        kept = {name: getattr(own, name) for name in ("framing", "aspect", "region", "device", "workers", "seed")}
        # The end of a run solves for a head by hard labels; here the probabilities are to be kept.
        return replace(
            TrainConfig(), backbone=SMALL_NETWORK, method="full", epochs=epochs, label_smoothing=0.0,
            interpolation=False, image_reading=own.image_reading, **kept,
        )  # fmt: skip

    def _compared(self, made: ExportResult, out_dir: Path, learned_from: int, job: JobContext) -> Variant:
        """Compare the small network, int8 where that kept its accuracy, with `model.onnx` on held-out images."""
        int8 = next((each for each in made.variants if each.is_kept), None)
        content = self._content(out_dir / (int8.file if int8 else MODEL_FILE))
        reference = (self.folder / MODEL_FILE).read_bytes()
        name = variant_file("distilled")
        sessions = {
            MODEL_FILE: open_session(self.folder / MODEL_FILE, reference, device="cpu"),
            name: open_session(self.folder / name, content, device="cpu"),
        }
        split: Split = "test" if self._labelled("test")[0] else "val"
        chosen, targets = self._labelled(split)
        if split == "val":
            chosen, targets = self.val.images, self.val.targets
        places = list(spread(range(len(chosen)), MEASURED))
        reading = self.model.run.config.image_reading
        shown = [chosen[place] for place in places]
        outputs, read = run_models(sessions, shown, reading, job)
        read = [places[each] for each in read]
        own = self.val.values[read] if split == "val" else outputs[MODEL_FILE].logits  # held-out predictions
        thresholds = sessions[name].get_modelmeta().custom_metadata_map.get("thresholds")
        decoder = LogitDecoder(
            temperature=made.temperature, thresholds=None if thresholds is None else np.array(parse_json(thresholds))
        )
        answers = compare_outputs(
            ModelOutputs(own, _NOTHING), ModelOutputs(outputs[name].logits, _NOTHING), targets[read],
            decoder=self.decoder, own_decoder=decoder, stretch=1.0,
        )  # fmt: skip
        _, pixels = next(readable_images(shown, reading))
        speed = time_both(sessions[MODEL_FILE], sessions[name], pixels, job)
        variant = Variant(
            precision="distilled", file=name, bytes=len(content), reference_bytes=len(reference), sha256="",
            answers=answers, temperature=made.temperature, bits=int8.bits if int8 else 32,
            calibrated_on=int8.calibrated_on if int8 else 0, in_float=int8.in_float if int8 else (), speed=speed,
            verdict=judge("distilled", answers, speed), split=split, learned_from=learned_from,
        )  # fmt: skip
        logger.info("distilled: %s, %s", variant.verdict, answers)
        if not variant.is_kept:
            return replace(variant, file="")
        (self.folder / name).write_bytes(content)
        return replace(variant, sha256=sha256_file(self.folder / name))

    def _content(self, path: Path) -> bytes:
        """Return a model file that names the run as its teacher."""
        import onnx

        made = onnx.load(path)
        metadata: dict[str, Any] = {each.key: each.value for each in made.metadata_props}
        name = self.model.run.name
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
                stage=Message("Training the small network"), done=round(1000 * (event.share or 0)), total=1000,
                share=event.share,
            )  # fmt: skip
        if isinstance(event, Progress | Notice):
            job.report(event)

    return job.with_report(report)
