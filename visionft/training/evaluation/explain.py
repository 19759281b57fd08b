"""Explaining a run's predictions: a heat map for each image, and a deletion test of the map.

Maps are deterministic. A ViT gets gradient-weighted attention, other networks Grad-CAM. Both use only structures that
all training methods share, the attention of the blocks and the last feature map, so LoRA, adapters and prefixes are
explained without merging.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.overrides import TorchFunctionMode  # noqa: TID253

from models.classifier import TrainableClassifier
from models.heads.calibration import sigmoid, softmax
from visionft.core.devices import pick_device
from visionft.core.errors import ImageError, RunError
from visionft.core.events import Progress
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.decode import DecodedImage
from visionft.data.image_cache import ImageCache
from visionft.data.preprocess import Box
from visionft.data.types import Snapshot, Task
from visionft.training.evaluation import explanation
from visionft.training.evaluation.explanation import Explanation, ExplanationRequest
from visionft.training.evaluation.stored import temperature_of
from visionft.training.retrieval import load_current_model
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import RunModel, load_run_model

GRAD_CAM, ATTENTION = "Grad-CAM", "attention"


def method_for(classifier: TrainableClassifier) -> str:
    return ATTENTION if classifier.backbone.shape.has_tokens else GRAD_CAM


def explain_batch(classifier: TrainableClassifier, inputs: Tensor, class_indices: Tensor) -> Tensor:
    """Return (B, rows, columns) maps >= 0 of the evidence for a class, in the coarse grid of the network.

    Args:
        inputs: (B, 3, H, W) normalised images.
        class_indices: (B,) the class to explain for each image.
    """
    with torch.enable_grad():
        # With frozen parameters, autograd builds a graph only if the input requires a gradient.
        inputs = inputs.detach().requires_grad_(True)
        if classifier.backbone.shape.has_tokens:
            return _attention_map(classifier, inputs, class_indices)
        # Grad-CAM: relu(sum over channels of mean gradient x activation), last map (arXiv:1610.02391, eq. 1 and 2).
        last = classifier.body.get_submodule(classifier.backbone.shape.last_layer)
        score, output = _score(classifier, inputs, class_indices, last)
        (gradient,) = torch.autograd.grad(score, output)  # (B, D, h, w)
        return (gradient.mean(dim=(2, 3), keepdim=True) * output).sum(dim=1).clamp_min(0).detach()


def _attention_map(classifier: TrainableClassifier, inputs: Tensor, class_indices: Tensor) -> Tensor:
    """Return the relevance of each patch: attention weighted by its gradient, chained through the blocks.

    R <- R + A' R with A' = mean over heads of relu(dy/dA * A) (Chefer et al. 2021, arXiv:2103.15679, eq. 5 and 6). The
    relevance of a patch is read from the rows of R that the head pools: the class token, or for average pooling all
    tokens, weighted by their contributions to the logit. Keys without an image token (a prefix) are ignored.
    """
    network = classifier.body
    with _RecordedAttention() as recorded:
        score, output = _score(classifier, inputs, class_indices, network.blocks[-1])
    maps = recorded.maps[: len(network.blocks)]  # a head with attention pooling adds one map
    if len(maps) != len(network.blocks):
        raise RuntimeError(f"{len(maps)} attention maps for {len(network.blocks)} blocks")
    token_gradients, *map_gradients = torch.autograd.grad(score, [output, *maps])
    count = token_gradients.shape[1]
    relevance = torch.eye(count, device=inputs.device).expand(len(inputs), -1, -1)  # (B, N, N)
    for attention, gradient in zip(maps, map_gradients, strict=True):
        weighted = (attention * gradient).clamp_min(0).mean(dim=1)[..., -count:]  # (B, N, N), without prefix keys
        relevance = relevance + weighted @ relevance
    if network.global_pool == "token":
        pooled = relevance[:, 0]
    else:
        contributions = (token_gradients * output).sum(dim=-1).clamp_min(0)  # (B, N)
        pooled = (contributions[:, None] @ relevance)[:, 0]
    patches = pooled[:, network.num_prefix_tokens :]
    return patches.detach().reshape(len(inputs), *network.patch_embed.grid_size)


def _score(
    classifier: TrainableClassifier, inputs: Tensor, class_indices: Tensor, module: nn.Module
) -> tuple[Tensor, Tensor]:
    """Return the sum of the chosen logits, and the output of a module of the network.

    The gradient of the sum is the gradient of each image's logit, because images are independent.
    """
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        outputs.append(output)

    handle = module.register_forward_hook(keep)
    try:
        return classifier(inputs).gather(1, class_indices[:, None]).sum(), outputs[-1]
    finally:
        handle.remove()


class _RecordedAttention(TorchFunctionMode):
    """Replaces torch's fused attention kernel by separate steps that record the attention maps.

    The mode affects this thread only, and every call of `scaled_dot_product_attention`: timm's, also with LoRA or an
    adapter, and the prefix method's.

    Attributes:
        maps: (B, heads, N, keys) of each block, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, key, value = args[:3]
        attention = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        self.maps.append(attention)
        return attention @ value


BATCH_SIZE = 32


def explain_images(
    run_dir: Path,
    requests: Sequence[ExplanationRequest],
    *,
    task: Task = "single",
    images: Snapshot | None = None,
    job: JobContext = SILENT_JOB,
) -> tuple[Explanation, ...]:
    """Explain the predictions of a run's best checkpoint; return the finished explanations when cancelled.

    Args:
        requests: The images, each with the class to explain.
        task: "multi" for several labels per image: each class then has its own probability.
        images: The project's images, whose labels a k-NN run uses; None uses the labels of its training.

    Raises:
        RunError: The run cannot be read, or does not have a requested class.
        WeightsError: The pretrained weights of the run's start are missing.
    """
    job.report(Progress(stage="Loading the network", done=0, total=0))
    run = read_run(run_dir)
    model = load_run_model(run, job=job) if images is None else load_current_model(run, images, job=job)
    names = model.run.class_names
    unknown = [each.class_name for each in requests if each.class_name and each.class_name not in names]
    if unknown:
        message = Message("{title} does not know the class {unknown}.", title=model.run.title, unknown=repr(unknown[0]))
        raise RunError(message, Message("It knows {names}.", names=", ".join(names)))
    explainer = Explainer(model, task=task)
    explanations: list[Explanation] = []
    for request in requests:
        if job.is_cancelled:
            break
        explanations.append(explainer.explain(request))
        job.report(Progress(stage="Explaining", done=len(explanations), total=len(requests)))
    return tuple(explanations)


class Explainer:
    """Predicts with a run and computes its heat maps; calibrated by the run's evaluation if it has one.

    The map of an ensemble is the weighted sum of its parts' maps; the deletion test uses the ensemble's prediction.
    """

    def __init__(self, model: RunModel, *, task: Task = "single") -> None:
        """Put the classifiers on the devices of their runs."""
        self._model = model
        self._cache = ImageCache.default()
        self._is_single = task == "single"
        self._temperature = temperature_of(model.run.path)
        self._views = [_View(part) for part in model.parts]

    def explain(self, request: ExplanationRequest) -> Explanation:
        """Explain one image; for an unreadable image, return an explanation with `error`."""
        names, image_id, path = self._model.run.class_names, request.image_id, request.path
        try:
            decoded = [view.load(path, self._cache) for view in self._views]
        except ImageError as error:
            empty = np.zeros((1, 1), np.float32)
            return Explanation(image_id=image_id, path=path, heat=empty, error=error.message)
        size = decoded[0].size
        inputs = [view.inputs(each) for view, each in zip(self._views, decoded, strict=True)]
        probabilities = self._probabilities([each[None] for each in inputs])[0]
        index = names.index(request.class_name) if request.class_name else int(probabilities.argmax())
        boxes = [view.preprocessing.crop_box(*size) for view in self._views]
        maps = [
            view.heat(each, columns[index])
            for view, each, columns in zip(self._views, inputs, self._model.columns, strict=True)
        ]
        heat = maps[0]
        if len(maps) > 1:
            weighted = [share * each for share, each in zip(self._model.shares, maps, strict=True)]
            heat = explanation.normalised(explanation.summed_maps(weighted, boxes))
        probability = float(probabilities[index])
        map_score, *random_scores = self._deletions(inputs, boxes, heat, index, uncovered=probability, seed=image_id)
        return Explanation(
            image_id=image_id,
            path=path,
            class_name=names[index],
            probability=probability,
            method=" + ".join(dict.fromkeys(method_for(view.classifier) for view in self._views)),
            size=size,
            box=explanation.bounding_box(boxes),
            heat=heat,
            deletion=map_score,
            random_deletion=tuple(random_scores),
        )

    def _deletions(
        self, inputs: list[Tensor], boxes: list[Box], heat: np.ndarray, index: int, *, uncovered: float, seed: int
    ) -> list[float]:
        """Return the deletion scores of the map's order and of the random orders; the fill is the mean colour."""
        fills = [each.mean(dim=(1, 2), keepdim=True).expand_as(each) for each in inputs]
        covered = float(self._probabilities([fill[None] for fill in fills])[0, index])
        scores = []
        for ranks in explanation.covering_orders(heat, seed=seed):
            steps = [
                torch.lerp(each[None], fill[None], _covers(ranks, box, boxes, each))  # (steps, 3, H, W)
                for each, fill, box in zip(inputs, fills, boxes, strict=True)
            ]
            inner = self._probabilities(steps)[:, index]
            scores.append(explanation.deletion_score(np.array([uncovered, *inner, covered])))
        return scores

    def _probabilities(self, inputs: list[Tensor]) -> np.ndarray:
        """Return (B, C) calibrated probabilities of images; `inputs` has the input of each part."""
        logits = [view.logits(each) for view, each in zip(self._views, inputs, strict=True)]
        scaled = self._model.mixed(logits) / self._temperature
        return softmax(scaled) if self._is_single else sigmoid(scaled)


class _View:
    """One network of a run with its preprocessing: reads images, predicts and computes heat maps."""

    def __init__(self, loaded: RunModel) -> None:
        self.preprocessing, self.near_side = loaded.preprocessing, loaded.run.config.near_side
        self._device = pick_device(loaded.run.config.device).kind
        self.classifier = loaded.classifier.to_device(self._device).eval().requires_grad_(False)

    def load(self, path: Path, cache: ImageCache) -> DecodedImage:
        return cache.load(path, self.near_side, reading=self.preprocessing.image_reading)

    def inputs(self, decoded: DecodedImage) -> Tensor:
        return self.preprocessing.apply_reduced(decoded).to(self._device)

    def heat(self, inputs: Tensor, column: int) -> np.ndarray:
        """Return the (rows, columns) map, 0..1, of the evidence for the class at that index of the outputs."""
        maps = explain_batch(self.classifier, inputs[None], torch.tensor([column], device=self._device))
        return explanation.normalised(maps[0].float().cpu().numpy())

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> np.ndarray:
        """Return (B, C) logits of (B, 3, H, W) inputs."""
        return torch.cat([self.classifier(part).float() for part in inputs.split(BATCH_SIZE)]).cpu().numpy()


def _covers(ranks: np.ndarray, box: Box, boxes: list[Box], inputs: Tensor) -> Tensor:
    """Return (steps, 1, H, W) opacity of the fill at each pixel of a part's input, aligned between the parts."""
    outer = explanation.bounding_box(boxes)
    rows, columns = inputs.shape[-2:]
    y_scale, x_scale = rows / box.height, columns / box.width  # input pixels per image pixel
    height, width = max(rows, round(outer.height * y_scale)), max(columns, round(outer.width * x_scale))
    top = min(height - rows, round((box.top - outer.top) * y_scale))
    left = min(width - columns, round((box.left - outer.left) * x_scale))
    covers = explanation.covers(ranks, height, width)[:, top : top + rows, left : left + columns]
    return torch.from_numpy(np.ascontiguousarray(covers)).to(inputs.device)[:, None]
