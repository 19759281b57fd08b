"""The distance of an image from the training images, as a part of the graph; above 1 it is out of distribution.

The Mahalanobis distance of normalised features (Lee et al. 2018, arXiv:1807.03888; Mueller and Hein 2025,
arXiv:2505.18032) from a Gaussian over several stages of the network. The feature vector of each stage is normalised to
unit length, because its length measures the amount of content, not its kind. The Gaussian is fitted to the training
images of all classes together, so multi-label tasks need no special treatment.

Measured with the ImageNet ResNet on 420 images, at 5 % false alarms, over three splits: fitted to photographs of waste,
it detects 0.995 of the photographs of hands (0.97 without the normalisation, 0.91 with the last stage alone, 0.69 with
the energy of the logits); fitted to hands, it detects all photographs of waste. Class-conditional Gaussians, relative
distances and nearest neighbours in the same space differed by at most 0.01.
"""

import math
from collections.abc import Sequence

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from models.backbone import Backbone
from models.heads.linear_head import standardization
from models.methods.layers import JoinedNetwork, Stages
from visionft.core.errors import RunError
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, Split
from visionft.export.export_result import Border
from visionft.export.graph import LOGITS
from visionft.export.predictor import DISTANCE, EMBEDDING
from visionft.training.evaluation.report import output_batches, run_images, stored_stages
from visionft.training.runs.run_model import RunModel
from visionft.training.runs.run_snapshot import spread

SHARE = 0.95  # share of in-distribution images below the border; the others are false alarms
MAX_FITTED_IMAGES, MAX_BORDER_IMAGES = 1000, 500  # to fit the Gaussian; to set the border
STABLE_DISTANCES, MIN_DISTANCES = 200, 20  # numbers for a stable border, and for any border
# Folds of the training images. A Gaussian fitted without a fold is farther from this fold than the full Gaussian is
# from new images: with 100 images of magnetic tiles, 1.2 % of new images exceeded the border of 5 folds, and 3 % the
# border of 20 or 100 folds (target: 5 %); with 280 images of clothes (8 draws) 2.3, 5.4 and 5.6 %, in 0.05, 0.23 and
# 1.1 s of processor time.
FOLDS = 20
RANK, SHRINKAGE = 128, 0.2


class Distance(nn.Module):
    """The Mahalanobis distance of (B, D) multi-stage features from a Gaussian, in units of the border.

    The covariance is S = U diag(l) U' + r (I - U U'), so d^2 = (|x|^2 - sum_i (1 - r / l_i) (u_i' x)^2) / r.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    border: Tensor

    def __init__(self, parts: Tensor, widths: Sequence[int], stages: Sequence[int] | None = None) -> None:
        """Fit to the (N, D) features of training images.

        Args:
            parts: Features of the stages, concatenated.
            widths: Number of features of each stage; their sum is D.
            stages: Indices of the stages to use; all when None.
        """
        super().__init__()
        self._widths = list(widths)
        self._stages = list(range(len(widths)) if stages is None else stages)
        joined = self._directions_of(parts.cpu())
        used = [widths[place] for place in self._stages]
        means, divisors = (torch.from_numpy(each) for each in standardization(joined.numpy(), used))
        inputs = ((joined - means) / divisors).double()
        values, directions = _principal(inputs)
        mean_variance = float(inputs.square().sum() / len(inputs)) / inputs.shape[1]
        kept = (1 - SHRINKAGE) * values + SHRINKAGE * mean_variance
        left = max(0.0, mean_variance * inputs.shape[1] - float(values.sum()))
        rest = (1 - SHRINKAGE) * left / max(1, inputs.shape[1] - len(values)) + SHRINKAGE * mean_variance
        rest = max(rest, 1e-12)
        self.register_buffer("mean", means.float())
        self.register_buffer("scale", (1 / (divisors.double() * math.sqrt(rest))).float())
        self.register_buffer("axes", (directions * (1 - rest / kept.clamp_min(rest)).sqrt()).float())
        self.register_buffer("border", torch.ones(()))

    def forward(self, parts: Tensor) -> Tensor:
        """Map (B, D) features to (B,) distances."""
        placed = (self._directions_of(parts) - self.mean) * self.scale
        squares = placed.square().sum(dim=1) - (placed @ self.axes).square().sum(dim=1)
        return squares.clamp_min(0).sqrt() / self.border

    def held_out(self, parts: Tensor, *, least: int) -> Tensor:
        """Return distances of at least `least` of the (N, D) `parts`, or all, by Gaussians without their fold."""
        folds = torch.arange(len(parts)) % FOLDS
        distances = torch.zeros(0)
        for fold in range(FOLDS):
            if len(distances) < least:
                others = Distance(parts[folds != fold], self._widths, self._stages)
                distances = torch.cat([distances, others(parts[folds == fold])])
        return distances

    def _directions_of(self, parts: Tensor) -> Tensor:
        separate = parts.split(self._widths, dim=1)
        return torch.cat([functional.normalize(separate[place], dim=1) for place in self._stages], dim=1)


def _principal(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest variances (K,) of centred (N, D) inputs and their directions (D, K)."""
    is_wide = inputs.shape[1] > inputs.shape[0]
    gram = (inputs @ inputs.T if is_wide else inputs.T @ inputs) / len(inputs)
    values, vectors = torch.linalg.eigh(gram)
    kept = values.flip(0)[:RANK] > 1e-9 * values[-1].clamp_min(1e-12)
    values = values.flip(0)[:RANK][kept]
    vectors = vectors.flip(1)[:, :RANK][:, kept]
    if is_wide:
        vectors = inputs.T @ vectors / (values * len(inputs)).sqrt()
    return values, vectors


def fit_distance(loaded: RunModel, images: Snapshot, *, job: JobContext) -> tuple[Distance, Border] | None:
    """Fit the distance to a run's training images and set its border; None if there are too few images.

    All stages of a frozen network are used. The embedding of a trained network represents little more than the
    differences between the classes, so the deepest earlier stage is used instead. (Fine-tuned at 96 px, this stage
    detects 0.72 of the hands, all stages 0.35, the embedding 0.03; the frozen network 0.62 to 0.75.)
    """
    widths = Stages(loaded.classifier.backbone).widths
    train = _features(loaded, images, "train", MAX_FITTED_IMAGES, job=job)
    if len(train) < MIN_DISTANCES:
        return None
    is_frozen = loaded.run.config.method_row.caches_features
    stages = range(len(widths)) if is_frozen or len(widths) == 1 else [len(widths) - 2]
    distance = Distance(train, widths, stages)
    val = _features(loaded, images, "val", MAX_BORDER_IMAGES, job=job)
    return distance, draw_border(distance, train, val, is_frozen=is_frozen)


def draw_border(distance: Distance, train: Tensor, val: Tensor, *, is_frozen: bool) -> Border:
    """Set the border so that new images of the same kind exceed it with a probability of 1 - SHARE (split conformal).

    Args:
        distance: Fitted to `train`; its unit becomes the border.
        train: (N, D) features of training images.
        val: (M, D) features of validation images.
        is_frozen: Whether the network was not trained on the training images. For a trained network they are nearer
            than new images, so they are only used if there are too few validation images.
    """
    distances = distance(val)
    missing = (STABLE_DISTANCES if is_frozen else MIN_DISTANCES) - len(distances)
    if missing > 0:
        distances = torch.cat([distances, distance.held_out(train, least=missing)])
    rank = min(len(distances), math.ceil((len(distances) + 1) * SHARE))
    distance.border.fill_(max(1e-6, float(distances.sort().values[rank - 1])))
    split: Split = "train" if missing > 0 else "val"
    return Border(kind="mahalanobis", split=split, images=len(distances), share=SHARE)


def _features(loaded: RunModel, images: Snapshot, split: Split, most: int, *, job: JobContext) -> Tensor:
    """Return the (N, D) multi-stage features of up to `most` images, evenly spread over a split."""
    found = [torch.zeros(0, sum(Stages(loaded.classifier.backbone).widths))]
    try:
        chosen, _ = run_images(loaded.run, images, split)
    except RunError:  # the split is empty
        return found[0]
    stage = Message("Measuring distances on {split}", split=split)
    some = spread(chosen, most)
    if loaded.run.config.method_row.caches_features:
        batches = stored_stages(loaded, some, stage=stage, job=job)
    else:
        batches = output_batches(loaded, some, loaded.classifier.stages, stage=stage, job=job)
    for outputs, _ in batches:
        found.append(torch.from_numpy(outputs))
        job.check_cancelled()
    return torch.cat(found)


class WithOutputs(nn.Module):
    """A merged network with logits and, where requested, the distance and the embedding of an image."""

    def __init__(self, network: nn.Module, backbone: Backbone, *, distance: Distance | None, embeds: bool) -> None:
        super().__init__()
        self.network = network
        self.distance = distance
        self._stages = Stages(backbone)
        self._embeds = embeds

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map (B, 3, H, W) normalised images to (B, C) logits, then (B,) distances, then (B, K) embeddings."""
        logits, parts = self._stages.with_logits(self.network, images)
        found = [logits]
        if self.distance is not None:
            found.append(self.distance(parts))
        if self._embeds:
            found.append(directions(self.network, parts))
        return tuple(found)


def with_outputs(part: RunModel, distance: Distance | None, *, embeds: bool) -> tuple[nn.Module, list[str]]:
    """Return a part's merged network for tracing, from normalised images, and the names of its outputs in order."""
    names = [LOGITS, *[DISTANCE] * (distance is not None), *[EMBEDDING] * embeds]
    network = part.classifier.merged()
    if len(names) > 1:
        network = WithOutputs(network, part.classifier.backbone, distance=distance, embeds=embeds).eval()
    return network, names


def directions(network: nn.Module, parts: Tensor) -> Tensor:
    """Map (B, D) multi-stage features of a retrieval network to (B, K) directions, comparable with its `rows`."""
    assert isinstance(network, JoinedNetwork)
    head = network.get_classifier()
    found: Tensor = head.directions(network.seen_of(parts))  # type: ignore[operator]
    return found


@torch.no_grad()
def embeddings(network: nn.Module, backbone: Backbone, inputs: Tensor) -> Tensor:
    """Map (B, 3, H, W) normalised images to (B, K) embeddings, as the exported file does."""
    assert isinstance(network, JoinedNetwork)
    return directions(network, Stages(backbone)(network.body, inputs)[1])
