"""Measuring the price of a run once it is made: time an answer, size, and what was forgotten of what the start knew.

Forgetting is measured, never concluded from the method: a linear probe's drift is 0 because the features came out the
same, and it would be another number if something had moved them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.classifier import Classifier, build_classifier, fastest_order
from visionft.data.decode import decode
from visionft.data.preprocess import Preprocessing
from visionft.data.types import Snapshot, SnapshotImage
from visionft.devices import pick_device
from visionft.errors import ImageError, RunError, StoppedError, VisionFTError, nothing_readable
from visionft.evaluation.price import AnswerTime, MeasuredPrice, OldHead, write_price
from visionft.evaluation.report import output_batches, run_images
from visionft.evaluation.timing import computer_id, processor_name, timed_calls
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.retrieval.refreshing import load_current
from visionft.training.loop.costs import feature_drift
from visionft.training.loop.samples import DRIFT_PICTURES, spread
from visionft.training.runs.loaded_run import LoadedRun, load_trained
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER, RunSummary, load_run, read_run
from visionft.weights import weights_loader
from visionft.weights.locations import RANDOM, find_weights
from visionft.weights.reading import read_state

TIMED_PICTURES = 8
_AFTER, _BEFORE = "Asking the network of now", "Asking the network of before"


def measure_price(
    run_dir: Path, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> MeasuredPrice:
    """Measure what a run costs, and keep it in its folder.

    Raises:
        RunError: The run cannot be read, or no picture can.
        StoppedError: The user stopped.
        WeightsError: The pretrained weights that the run started from are no longer at hand.
    """
    answerer = load_current(read_run(run_dir), images, on_event=on_event, should_stop=should_stop)
    networks = [(part.classifier.merged(), part.preprocessing) for part in answerer.parts]
    shipped_bytes = _shipped_bytes([network for network, _ in networks])
    time = _answer_time(networks, images, on_event=on_event, should_stop=should_stop)
    asking = _Asking(on_event=on_event, should_stop=should_stop)
    # What a combination forgot is told by each of its parts.
    nothing: tuple[float | None, int, list[OldHead]] = (None, 0, [])
    drift, pictures, heads = nothing if answerer.is_combined else _forgotten(answerer.strongest, images, asking)
    price = MeasuredPrice(
        weights=weights_hash(run_dir / BEST_FOLDER),
        shipped_bytes=shipped_bytes,
        time=time,
        drift=drift,
        drift_pictures=pictures,
        old_heads=tuple(heads),
    )
    write_price(run_dir, price)
    return price


def _shipped_bytes(networks: Sequence[nn.Module]) -> int:
    """Return the bytes of all tensors; what several networks have in common counts once, as their file holds it once.

    `visionft.export.joining` takes out what is there twice, tensor by tensor.
    """
    tensors = [each for network in networks for each in network.state_dict().values()]
    if len(networks) > 1:
        tensors = list({_content(each): each for each in tensors}.values())
    return sum(each.numel() * each.element_size() for each in tensors)


def _content(tensor: Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    values = tensor.detach().cpu().contiguous()
    return values.dtype, values.shape, hashlib.sha256(values.reshape(-1).view(torch.uint8).numpy().tobytes()).digest()


# -- time -------------------------------------------------------------------------------------------------------------


def _answer_time(
    networks: Sequence[tuple[nn.Module, Preprocessing]],
    images: Snapshot,
    *,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> AnswerTime:
    """Time a picture at a time, from decoded pixels to probabilities, on the device that `auto` takes.

    Args:
        networks: One, or those of a combination, which are asked in turn; each with what makes its input. As they would
            be exported: adapters that can be folded into the weights cost nothing.
        images: Whose pictures to take.
        on_event: Receives how far it is.
        should_stop: Asked before every picture.
    """
    on_event(Progress(stage="Timing an answer", done=0, total=0))
    device, pixels = pick_device(), _some_pixels(images)
    target = torch.device(device.kind)
    for network, _ in networks:
        network.to(device=target, memory_format=fastest_order(target))  # type: ignore[call-overload]

    def answer(picture: np.ndarray) -> None:
        with torch.inference_mode():
            for network, preprocessing in networks:
                network(preprocessing.apply(picture)[None].to(target)).softmax(dim=1).cpu()  # waits for the device

    times = timed_calls([lambda picture=picture: answer(picture) for picture in pixels], should_stop=should_stop)
    if should_stop():
        raise StoppedError("Measuring was stopped.", "Start it again when you like.")
    threads = torch.get_num_threads()
    cpu = f"{processor_name()}, {threads} {'thread' if threads == 1 else 'threads'}"
    return AnswerTime(
        median_ms=round(float(np.median(times)), 3),
        p95_ms=round(float(np.percentile(times, 95)), 3),
        runs=len(times),
        pictures=len(pixels),
        device=cpu if device.kind == "cpu" else device.name,
        computer=computer_id(),
    )


def _some_pixels(images: Snapshot) -> list[np.ndarray]:
    """Return decoded pictures of validation, or of the project where it has none that can be read."""
    for chosen in (images.labelled("val"), images.images):
        found: list[np.ndarray] = []
        for image in spread(chosen, TIMED_PICTURES):
            try:
                found.append(decode(image.path))
            except ImageError:
                continue
        if found:
            return found
    raise nothing_readable("pictures")


# -- what was forgotten -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """Runs pictures through a network, and hears of stops."""

    on_event: OnEvent
    should_stop: ShouldStop

    def __call__(
        self, loaded: LoadedRun, chosen: Sequence[SnapshotImage], answer: Callable[[Tensor], Tensor], stage: str
    ) -> tuple[Tensor, Tensor]:
        """Return what `answer` says of the pictures that can be read, (N, ...) float32, and their places."""
        parts: list[np.ndarray] = []
        places: list[int] = []
        for outputs, at in output_batches(loaded, chosen, answer, stage=stage, on_event=self._tell):
            parts.append(outputs)
            places += at
            if self.should_stop():
                raise StoppedError("Measuring was stopped.", "Start it again when you like.")
        if not parts:
            raise nothing_readable("pictures")
        return torch.from_numpy(np.concatenate(parts)), torch.tensor(places)

    def _tell(self, event: object) -> None:
        if isinstance(event, Progress):  # what cannot be read was told by the evaluation
            self.on_event(event)


def _forgotten(loaded: LoadedRun, images: Snapshot, asking: _Asking) -> tuple[float | None, int, list[OldHead]]:
    """Return the drift from the pretrained network, on how many pictures, and what old heads still say."""
    run, chosen = loaded.run, spread(images.labelled("val"), DRIFT_PICTURES)
    heads: list[OldHead] = []
    drift, pictures = None, 0
    if run.config.weights != RANDOM and chosen:
        try:
            drift, pictures, head = _beside_pretrained(loaded, chosen, asking)
            heads += [head] if head else []
        except VisionFTError as error:
            if isinstance(error, StoppedError):
                raise
            asking.on_event(Notice(message=error.message, level="warning", next_step=error.next_step))
    if run.config.start_from:
        try:
            heads += [_beside_earlier(loaded, images, asking)]
        except (RunError, ValueError) as error:
            message = error.message if isinstance(error, RunError) else str(error)
            asking.on_event(Notice(message=f"What {run.title} forgot of its start is not known: {message}"))
    return drift, pictures, heads


def _beside_pretrained(
    loaded: LoadedRun, chosen: Sequence[SnapshotImage], asking: _Asking
) -> tuple[float, int, OldHead | None]:
    untouched = replace(loaded, classifier=_untouched(loaded.run))
    now, places = asking(loaded, chosen, _both(loaded.classifier), _AFTER)
    before, _ = asking(untouched, chosen, _both(untouched.classifier), _BEFORE)
    width = sum(loaded.classifier.head_parts)
    drift = max(0.0, round(feature_drift(before[:, :width], now[:, :width]), 9))
    head = _pretrained_head(loaded.run, before.shape[1] - width)
    if head is None:
        return drift, len(places), None
    said_before, said = (head(part[:, width:]).argmax(dim=1) for part in (before, now))
    old = OldHead(
        kind="pretrained",
        source=find_weights(loaded.run.config.backbone_row, loaded.run.config.weights).name,
        classes=head.out_features,
        pictures=len(places),
        agreement=float((said_before == said).float().mean()),
    )
    return drift, len(places), old


def _untouched(run: RunSummary) -> Classifier:
    """Return the run's classifier as it was before it learnt anything."""
    config = run.config
    return build_classifier(
        config.backbone_row,
        config.method_row,
        classes=len(run.class_names),
        options=config.method_options,
        weights=weights_loader(config.weights),
        image_size=config.input_size,
        seed=config.seed,
    ).eval()


def _both(classifier: Classifier) -> Callable[[Tensor], Tensor]:
    """Return what maps pictures to the head's input (B, D) and the network's own embedding (B, D'), side by side."""

    def answer(pictures: Tensor) -> Tensor:
        body = classifier.body
        embedding = body.forward_head(body.forward_features(pictures), pre_logits=True)
        return torch.cat([classifier.features(pictures), embedding], dim=1)

    return answer


def _pretrained_head(run: RunSummary, width: int) -> nn.Linear | None:
    """Return the classifier head of the weights' own classes; None where the file has none that fits."""
    config = run.config
    state = read_state(find_weights(config.backbone_row, config.weights))
    weight, bias = (state.get(f"{config.backbone_row.head}.{part}") for part in ("weight", "bias"))
    if weight is None or weight.ndim != 2 or weight.shape[1] != width:
        return None
    head = nn.Linear(width, weight.shape[0], bias=bias is not None)
    head.load_state_dict({"weight": weight.float()} | ({} if bias is None else {"bias": bias.float()}))
    return head.requires_grad_(False)


def _beside_earlier(loaded: LoadedRun, images: Snapshot, asking: _Asking) -> OldHead:
    """Ask the head of the run that this one went on from, on the features of both.

    Raises:
        RunError: That run, its weights or pictures of its classes are gone.
        ValueError: Its head reads other features.
    """
    run = loaded.run
    earlier = load_trained(load_run(run.path.parent.parent, run.config.start_from))
    if earlier.classifier.head_parts != loaded.classifier.head_parts:
        raise ValueError(f"The head of {earlier.run.title} reads other features.")
    chosen, targets = run_images(earlier.run, images, "val")
    before, places = asking(earlier, chosen, earlier.classifier, _BEFORE)
    head = earlier.classifier.head
    now, _ = asking(loaded, chosen, lambda pictures: head(loaded.classifier.features(pictures)), _AFTER)
    wanted = torch.from_numpy(targets)[places]
    said_before, said = (_said(logits, is_multilabel=targets.ndim == 2) for logits in (before, now))
    return OldHead(
        kind="run",
        source=earlier.run.name,
        classes=len(earlier.run.class_names),
        pictures=len(places),
        agreement=_share(said_before, said),
        accuracy_before=_share(said_before, wanted),
        accuracy=_share(said, wanted),
    )


def _said(logits: Tensor, *, is_multilabel: bool) -> Tensor:
    """Return (N,) classes, or for several labels (N, C) zeros and ones."""
    return (logits > 0).long() if is_multilabel else logits.argmax(dim=1)


def _share(first: Tensor, second: Tensor) -> float:
    """Return the share of pictures of which both say the same, every label of several."""
    same = first == second.to(first.dtype)
    return float((same.all(dim=1) if same.ndim == 2 else same).float().mean())
