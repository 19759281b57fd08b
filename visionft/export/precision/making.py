"""Making the smaller files beside `model.onnx`: convert the networks, judge on validation, calibrate, time, keep.

Only the networks change. What prepares pictures, heads, distance and temperature are float32 in every file.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionft.data.decode import decode
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ExportError, ImageError, NextStep, StoppedError, nothing_readable
from visionft.evaluation.report import run_images
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.export.contents import MODEL_FILE
from visionft.export.options import OPSET
from visionft.export.parity_pictures import readable_pictures
from visionft.export.precision.body import module_of
from visionft.export.precision.half import at_half_precision
from visionft.export.precision.measuring import (
    MEASURED,
    Asked,
    Asking,
    Reading,
    compare_answers,
    stretch_of,
    time_beside,
)
from visionft.export.precision.observing import observe
from visionft.export.precision.patching import patch
from visionft.export.precision.processor import adds_bytes_exactly
from visionft.export.precision.quantising import Plan, session_of
from visionft.export.precision.restoring import HeldOut, Search
from visionft.export.precision.variants import Precision, Variant, is_right, judge, variant_file
from visionft.export.predictor import INPUT
from visionft.export.preprocessing_graph import preprocessing_model
from visionft.files import sha256_file
from visionft.training.loop.samples import spread
from visionft.training.runs.answerer import Answerer
from visionft.training.runs.loaded_run import LoadedRun

logger = logging.getLogger(__name__)

CALIBRATING = 128  # training pictures
SEARCHED = 400  # validation pictures that layers are judged on, at most
_MOST_BYTES = 256 * 2**20  # of them in memory


@dataclass(frozen=True)
class _Networks:
    """Every part's network at a lower precision, and what became of its layers."""

    models: tuple[Any, ...]
    bits: int
    in_float: tuple[str, ...] = ()
    calibrated_on: int = 0


@dataclass(frozen=True, kw_only=True)
class VariantMaker:
    """Makes smaller files of what was exported.

    Attributes:
        answerer: What was exported.
        images: The project's pictures.
        networks: ONNX models of its parts' bare networks, in their order.
        build: Makes of such networks the whole model, with the metadata of `model.onnx`.
        folder: Where `model.onnx` lies, and the others will.
        reading: How `model.onnx` reads its logits.
    """

    answerer: Answerer
    images: Snapshot
    networks: Sequence[Any]
    build: Callable[[Sequence[Any]], Any]
    folder: Path
    reading: Reading
    on_event: OnEvent
    should_stop: ShouldStop

    def make(self, precisions: Sequence[Precision]) -> tuple[Variant, ...]:
        """Write the files that are good enough, and return what was measured of all.

        Raises:
            StoppedError: The user stopped.
        """
        if not precisions:
            return ()
        lowered: dict[Precision, _Networks] = {precision: self._lowered(precision) for precision in precisions}
        models = {precision: self.build(each.models) for precision, each in lowered.items()}
        reference = Asked((self.folder / MODEL_FILE).read_bytes(), "cpu")
        asked = {name: Asked(model.SerializeToString(), _device(name)) for name, model in models.items()}
        sessions = {name: each.session(self.folder) for name, each in {MODEL_FILE: reference, **asked}.items()}
        chosen, targets = run_images(self.answerer.run, self.images, "val")
        places = spread(range(len(chosen)), MEASURED)
        asking = Asking(sessions, self.on_event, self.should_stop)
        said, targets = asking.about([chosen[place] for place in places], targets[list(places)])
        found: list[Variant] = []
        for precision, networks in lowered.items():
            own = self.reading.or_better(said[precision].logits, targets)
            stretch = stretch_of(said[MODEL_FILE], said[precision])
            answers = compare_answers(
                said[MODEL_FILE], said[precision], targets, usual=self.reading, own=own, stretch=stretch
            )
            model = patch(models[precision], own, stretch)
            variant = self._kept(precision, networks, model.SerializeToString(), answers, own, chosen)
            logger.info("%s: %s, %s", precision, variant.verdict, answers)
            found.append(variant)
        return tuple(found)

    def _kept(
        self, precision: Precision, networks: _Networks, content: bytes, answers: Any, own: Reading, chosen: Any
    ) -> Variant:
        """Write a file whose answers are good enough and time it; say what it is."""
        reference = (self.folder / MODEL_FILE).read_bytes()
        speed, file, digest = None, "", ""
        if is_right(precision, answers):
            self.on_event(Progress(stage="Measuring its speed", done=0, total=0))
            pixels = next(readable_pictures(chosen))
            usual, own_file = (Asked(each, _device(precision)) for each in (reference, content))
            speed = time_beside(usual, own_file, self.folder, pixels, self.should_stop)
            path = self.folder / variant_file(precision)
            path.write_bytes(content)
            file, digest = path.name, sha256_file(path)
        return Variant(
            precision=precision,
            file=file,
            bytes=len(content),
            reference_bytes=len(reference),
            sha256=digest,
            answers=answers,
            temperature=own.temperature,
            bits=networks.bits,
            calibrated_on=networks.calibrated_on,
            in_float=networks.in_float,
            is_for_any_processor=networks.bits != 8,
            speed=speed,
            verdict=judge(precision, answers, speed),
        )

    def _lowered(self, precision: Precision) -> _Networks:
        if precision == "int8":
            return self._in_whole_numbers()
        self.on_event(Progress(stage="Halving the numbers", done=0, total=0))
        pairs = zip(self.networks, self.answerer.parts, strict=True)
        return _Networks(tuple(at_half_precision(network, _head(part)) for network, part in pairs), 16)

    def _in_whole_numbers(self) -> _Networks:
        found, calibrated_on = [], 0
        for network, part in zip(self.networks, self.answerer.parts, strict=True):
            plan = Plan.of(network, _head(part))
            training, _ = run_images(part.run, self.images, "train")
            training = spread(training, CALIBRATING)
            watched = (rows for rows, _ in self._prepared(part, training, "Watching layers"))
            observed = observe(network, plan, watched)
            calibrated_on = observed.pictures
            bits = (7, 8) if adds_bytes_exactly() else (7,)
            search = Search(network, plan, observed, self._held_out(part), bits, self.on_event, self.should_stop)
            found.append(search.run())
        models = tuple(each.network for each in found)
        layers = tuple(dict.fromkeys(module_of(layer) for each in found for layer in each.in_float))
        return _Networks(models, max(each.bits for each in found), layers, calibrated_on)

    def _held_out(self, part: LoadedRun) -> HeldOut:
        chosen, targets = run_images(part.run, self.images, "val")
        most = max(16, min(SEARCHED, _MOST_BYTES // (12 * part.preprocessing.size**2)))
        places = list(spread(range(len(chosen)), most))
        rows = list(self._prepared(part, [chosen[place] for place in places], "Preparing validation pictures"))
        if not rows:
            raise nothing_readable("validation pictures")
        read = [places[place] for _, place in rows]
        return HeldOut(np.concatenate([each for each, _ in rows]), targets[read])

    def _prepared(
        self, part: LoadedRun, chosen: Sequence[SnapshotImage], stage: str
    ) -> Iterator[tuple[np.ndarray, int]]:
        """Yield pictures as a network sees them, (1, 3, S, S), and their places; without those that cannot be read.

        The file's own steps prepare them: what is 1e-6 away falls on other whole numbers, and changes an answer.
        """
        session = session_of(preprocessing_model(part.preprocessing, OPSET).SerializeToString())
        for place, image in enumerate(chosen):
            if self.should_stop():
                raise StoppedError("The export was stopped.", "Nothing was kept.")
            self.on_event(Progress(stage=stage, done=place, total=len(chosen)))
            try:
                yield session.run(None, {INPUT: decode(image.path)[None]})[0], place
            except ImageError as error:
                logger.info("picture %d is left out: %s", image.image_id, error.message)


def require_pictures(precisions: Sequence[Precision], answerer: Answerer, images: Snapshot) -> None:
    """Refuse smaller files where no picture could judge them, before anything else is done.

    Raises:
        ExportError: There is no validation picture, or no training picture for the ranges of whole numbers.
    """
    if not precisions:
        return
    known = set(answerer.run.class_names)
    wanted = {"val": "A smaller file is judged by validation pictures, and there are none with a label."}
    if "int8" in precisions:
        wanted["train"] = "Whole numbers get their ranges from training pictures, and there are none with a label."
    for split, message in wanted.items():
        images_there = images.labelled(split)  # type: ignore[arg-type]
        if not any(known.intersection(images.class_names[label] for label in each.labels) for each in images_there):
            raise ExportError(message, "Divide the pictures, or export without smaller files.", NextStep("split"))


def _head(part: LoadedRun) -> str:
    return part.classifier.backbone.head


def _device(precision: str) -> str:
    """Return the device that a precision is for: half precision is for graphics cards, whole numbers for processors."""
    return "auto" if precision == "fp16" else "cpu"
