"""How far a picture is from those that a model learned from, as a part of its graph: beyond 1 it is unlike them.

One Gaussian over several stages of the network, each a direction (its length says how much there is to see, not what),
fitted to training pictures, whatever they show: the Mahalanobis distance of normalised features (Lee et al. 2018,
arXiv:1807.03888; Mueller and Hein 2025, arXiv:2505.18032), without classes, so that several labels make no difference.

Measured on the ImageNet ResNet, 420 pictures, 5 % false alarms, three divisions: after photographs of waste it finds
.995 of those of hands, .97 without the directions, .91 by the last stage alone, .69 by the logits (energy); after
hands, all of waste. Classes, relative distances and nearest neighbours in the same space were within .01 of each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from models.methods.layers.joined import Stages
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.errors import RunError, StoppedError
from visionft.evaluation.report import output_batches, run_images
from visionft.events import OnEvent, ShouldStop
from visionft.export.parity import Border
from visionft.heads.fitting import standardise
from visionft.training.runs.loaded_run import LoadedRun

KIND = "mahalanobis"
SHARE = 0.95  # of ordinary pictures are nearer than the border; the others are false alarms
FITTED, BORDERING = 1000, 500  # pictures that are looked at, at most
FEW, TOO_FEW = 60, 20  # validation pictures: below, held-out training pictures help; pictures at all: below, no border
FOLDS = 5
RANK, SHRINKAGE = 128, 0.2


class Distance(nn.Module):
    """The Mahalanobis distance of (B, D) parts from a Gaussian, in units of the border.

    The covariance is S = U diag(l) U' + r (I - U U'), so that d^2 = (|x|^2 - sum_i (1 - r / l_i) (u_i' x)^2) / r.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    border: Tensor

    def __init__(self, parts: Tensor, widths: Sequence[int], looked_at: Sequence[int] | None = None) -> None:
        """Fit to the (N, D) parts of training pictures.

        Args:
            parts: Side by side.
            widths: Of the parts; their sum is D.
            looked_at: Places of those that count; all when None.
        """
        super().__init__()
        self._widths = list(widths)
        self._looked_at = list(range(len(widths)) if looked_at is None else looked_at)
        seen = [widths[place] for place in self._looked_at]
        inputs, scales, means = standardise(self._directions_of(parts.cpu()), seen)
        values, directions = _principal(inputs.double())
        mean_variance = float(inputs.double().square().sum() / len(inputs)) / inputs.shape[1]
        kept = (1 - SHRINKAGE) * values + SHRINKAGE * mean_variance
        left = max(0.0, mean_variance * inputs.shape[1] - float(values.sum()))
        rest = (1 - SHRINKAGE) * left / max(1, inputs.shape[1] - len(values)) + SHRINKAGE * mean_variance
        rest = max(rest, 1e-12)
        self.register_buffer("mean", means.float())
        self.register_buffer("scale", (scales / math.sqrt(rest)).float())
        self.register_buffer("axes", (directions * (1 - rest / kept.clamp_min(rest)).sqrt()).float())
        self.register_buffer("border", torch.ones(()))

    def forward(self, parts: Tensor) -> Tensor:
        """Map (B, D) parts to (B,) distances."""
        placed = (self._directions_of(parts) - self.mean) * self.scale
        squares = placed.square().sum(dim=1) - (placed @ self.axes).square().sum(dim=1)
        return squares.clamp_min(0).sqrt() / self.border

    def _directions_of(self, parts: Tensor) -> Tensor:
        separate = parts.split(self._widths, dim=1)
        return torch.cat([functional.normalize(separate[place], dim=1) for place in self._looked_at], dim=1)


def _principal(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest variances (K,) of centred (N, D) inputs and their directions (D, K)."""
    is_wide = inputs.shape[1] > inputs.shape[0]
    gram = (inputs @ inputs.T if is_wide else inputs.T @ inputs) / len(inputs)
    values, vectors = torch.linalg.eigh(gram)
    kept = values.flip(0)[:RANK] > 1e-9 * values[-1].clamp_min(1e-12)
    values, vectors = values.flip(0)[:RANK][kept], vectors.flip(1)[:, :RANK][:, kept]
    if is_wide:
        vectors = inputs.T @ vectors / (values * len(inputs)).sqrt()
    return values, vectors


@dataclass(frozen=True)
class FittedDistance:
    """A distance whose border was drawn, and from what."""

    distance: Distance
    border: Border


def fit_distance(
    loaded: LoadedRun, images: Snapshot, *, on_event: OnEvent, should_stop: ShouldStop
) -> FittedDistance | None:
    """Fit the distance to a run's training pictures and draw its border; None where there are too few pictures."""
    widths = Stages(loaded.classifier.backbone).widths

    def parts(split: Split, most: int) -> Tensor:
        chosen, stage = _spread(loaded, images, split, most), f"Measuring distances on {split}"
        return _parts(loaded, chosen, sum(widths), stage, on_event=on_event, should_stop=should_stop)

    train = parts("train", FITTED)
    if len(train) < TOO_FEW:
        return None
    looked_at = _telling_parts(loaded, len(widths))
    distance = Distance(train, widths, looked_at)
    distances = distance(parts("val", BORDERING))
    is_enough = len(distances) >= FEW
    if not is_enough:
        distances = torch.cat([distances, _held_out(train, widths, looked_at)])
    distance.border.fill_(_quantile(distances))
    source: Split = "val" if is_enough else "train"
    return FittedDistance(distance, Border(kind=KIND, split=source, pictures=len(distances), share=SHARE))


def _spread(loaded: LoadedRun, images: Snapshot, split: Split, most: int) -> Sequence[SnapshotImage]:
    """Return up to `most` pictures of a split, evenly spread over it."""
    try:
        chosen, _ = run_images(loaded.run, images, split)
    except RunError:  # there is none
        return ()
    return chosen[:: -(-len(chosen) // most)]


def _parts(
    loaded: LoadedRun,
    chosen: Sequence[SnapshotImage],
    width: int,
    stage: str,
    *,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Tensor:
    found = [torch.zeros(0, width)]
    if not chosen:
        return found[0]
    for outputs, _ in output_batches(loaded, chosen, loaded.classifier.stages, stage=stage, on_event=on_event):
        found.append(torch.from_numpy(outputs))
        if should_stop():
            raise StoppedError("The export was stopped.", "Nothing was kept.")
    return torch.cat(found)


def _telling_parts(loaded: LoadedRun, count: int) -> list[int]:
    """Return the parts that tell the strange from the known: all of a frozen network.

    Where the network learned, its embedding shows what tells the classes apart, and of a strange picture only that; the
    deepest earlier part shows more. (Fine-tuned at 96 px: it finds .72 of the hands, all parts .35, the embedding .03;
    the frozen network .62 to .75.)
    """
    if loaded.run.config.method_row.caches_features or count == 1:
        return list(range(count))
    return [count - 2]


def _held_out(parts: Tensor, widths: Sequence[int], looked_at: Sequence[int]) -> Tensor:
    """Return the (N,) distance of each training picture from a Gaussian that was fitted without it and its fold."""
    folds, distances = torch.arange(len(parts)) % FOLDS, torch.zeros(len(parts))
    for fold in range(FOLDS):
        inside = folds == fold
        distances[inside] = Distance(parts[~inside], widths, looked_at)(parts[inside])
    return distances


def _quantile(distances: Tensor) -> float:
    """Return what a new picture of the same kind exceeds with a probability of 1 - SHARE (split conformal)."""
    place = min(len(distances), math.ceil((len(distances) + 1) * SHARE))
    return max(1e-6, float(distances.sort().values[place - 1]))
