"""Measuring the cost of a finished run: latency, size, and what continued training cost the head it started from."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.classifier import fastest_order
from models.messages import Message
from visionft.calibration import are_right
from visionft.data.decode import decode
from visionft.data.image_reading import ImageReading
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot, SnapshotImage
from visionft.devices import pick_device
from visionft.errors import ImageError, RunError, nothing_readable
from visionft.evaluation.report import output_batches, run_images
from visionft.evaluation.run_cost import EarlierHead, MeasuredCost, PredictionTime, write_cost
from visionft.evaluation.timing import computer_id, processor_name, timed_calls
from visionft.events import Notice, Progress
from visionft.jobs import SILENT, JobContext
from visionft.retrieval.live_view import load_current_model
from visionft.training.loop.subsets import spread
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER, load_run, read_run
from visionft.training.runs.run_model import RunModel, load_run_model

TIMED_IMAGES = 8


def measure_cost(run_dir: Path, images: Snapshot, *, job: JobContext = SILENT) -> MeasuredCost:
    """Measure the cost of a run, and save it in its folder.

    Raises:
        RunError: The run cannot be read, or no image can.
        WeightsError: The pretrained weights of the run's start are missing.
    """
    model = load_current_model(read_run(run_dir), images, job=job)
    networks = [(part.classifier.merged(), part.preprocessing) for part in model.parts]
    shipped_bytes = _shipped_bytes([network for network, _ in networks])
    time = _prediction_time(networks, images, job=job)
    head = None
    if not model.is_combined and model.run.config.start_from:
        try:
            head = _earlier_head(model.strongest, images, job=job)
        except RunError as error:
            message = Message(
                "The head that {title} started from is not measured: {error}",
                title=model.run.title,
                error=error.message,
            )
            job.report(Notice(message=message))
    weights = weights_hash(run_dir / BEST_FOLDER)
    cost = MeasuredCost(weights=weights, shipped_bytes=shipped_bytes, time=time, earlier_head=head)
    write_cost(run_dir, cost)
    return cost


def _shipped_bytes(networks: Sequence[nn.Module]) -> int:
    """Return the bytes of all tensors; tensors shared by several networks count once, as in the exported file.

    `visionft.export.joining` removes such duplicates, tensor by tensor.
    """

    def content(tensor: Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
        values = tensor.detach().cpu().contiguous()
        data = values.reshape(-1).view(torch.uint8).numpy().tobytes()
        return values.dtype, values.shape, hashlib.sha256(data).digest()

    tensors = [each for network in networks for each in network.state_dict().values()]
    if len(networks) > 1:
        tensors = list({content(each): each for each in tensors}.values())
    return sum(each.numel() * each.element_size() for each in tensors)


def _prediction_time(
    networks: Sequence[tuple[nn.Module, PreprocessConfig]], images: Snapshot, *, job: JobContext
) -> PredictionTime:
    """Measure the latency image by image, from decoded pixels to probabilities, on the device of `auto`.

    Args:
        networks: One, or the members of an ensemble, run in turn; each with its preprocessing. As in an export:
            adapters that can be merged into the weights cost nothing.
        images: The source of the images.
    """
    job.report(Progress(stage="Timing predictions", done=0, total=0))
    device = pick_device()
    reading = images.image_reading
    pixels = _some_pixels(images.labelled("val"), reading) or _some_pixels(images.images, reading)
    if not pixels:
        raise nothing_readable("images")
    target = torch.device(device.kind)
    for network, _ in networks:
        network.to(device=target, memory_format=fastest_order(target))  # type: ignore[call-overload]

    def predict(image: np.ndarray) -> None:
        with torch.inference_mode():
            for network, preprocessing in networks:
                network(preprocessing.apply(image)[None].to(target)).softmax(dim=1).cpu()  # waits for the device

    times = timed_calls([lambda image=image: predict(image) for image in pixels], job=job)
    job.check_cancelled()
    threads = torch.get_num_threads()
    cpu = f"{processor_name()}, {threads} {'thread' if threads == 1 else 'threads'}"
    return PredictionTime(
        median_ms=round(float(np.median(times)), 3),
        p95_ms=round(float(np.percentile(times, 95)), 3),
        runs=len(times),
        images=len(pixels),
        device=cpu if device.kind == "cpu" else device.name,
        computer=computer_id(),
    )


def _some_pixels(images: Sequence[SnapshotImage], reading: ImageReading) -> list[np.ndarray]:
    pixels: list[np.ndarray] = []
    for image in spread(images, TIMED_IMAGES):
        with suppress(ImageError):
            pixels.append(decode(image.path, reading=reading))
    return pixels


def _unseen(earlier: RunModel, images: Snapshot) -> tuple[tuple[SnapshotImage, ...], np.ndarray]:
    """Return images that the head of a run was not fitted to, of validation or else of test, and their targets.

    Raises:
        RunError: There is none.
    """
    seen = set[int]() if earlier.held_out is None else set(earlier.held_out.image_ids.tolist())
    chosen, targets = run_images(earlier.run, images, "val")
    if rows := [row for row, image in enumerate(chosen) if image.image_id not in seen]:
        return tuple(chosen[row] for row in rows), targets[rows]
    return run_images(earlier.run, images, "test")


def _earlier_head(loaded: RunModel, images: Snapshot, *, job: JobContext) -> EarlierHead:
    """Evaluate the head of the run that this one was continued from, on the features of both.

    Raises:
        RunError: That run, its weights or images of its classes are gone, or its head reads other features.
    """
    run = loaded.run
    earlier = load_run_model(load_run(run.path.parent.parent, run.config.start_from))
    if earlier.classifier.head_parts != loaded.classifier.head_parts:
        message = Message("The head of {title} reads other features.", title=earlier.run.title)
        raise RunError(message, "Choose a run of the same method.")
    chosen, targets = _unseen(earlier, images)

    def accuracy(part: RunModel, outputs_of: Callable[[Tensor], Tensor], stage: str) -> tuple[float, int]:
        right = count = 0
        for outputs, places in output_batches(part, chosen, outputs_of, stage=stage, job=job):
            right += int(are_right(outputs, targets[places]).sum())
            count += len(places)
            job.check_cancelled()
        if not count:
            raise nothing_readable("images")
        return right / count, count

    head = earlier.classifier.head
    before, count = accuracy(earlier, earlier.classifier, Message("Evaluating the earlier run"))
    now, _ = accuracy(loaded, lambda batch: head(loaded.classifier.features(batch)), Message("Evaluating its head"))
    return EarlierHead(
        run=earlier.run.name, classes=len(earlier.run.class_names), images=count, accuracy_before=before, accuracy=now
    )
