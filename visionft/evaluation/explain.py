"""Explaining a run's predictions: a heat map for each picture, and the test that says whether to believe it.

A job like the others: `explain_images(...) -> tuple[Explanation, ...]`. The same run, pictures and classes give the
same maps and scores.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.calibration import sigmoid, softmax
from visionft.data.decode import Decoded
from visionft.data.picture_cache import PictureCache
from visionft.data.types import Snapshot, Task
from visionft.devices import pick_device
from visionft.errors import ImageError, RunError
from visionft.evaluation import explanation
from visionft.evaluation.explanation import Asked, Box, Explanation
from visionft.evaluation.saliency import explain_batch, method_for
from visionft.evaluation.stored import temperature_of
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.retrieval.refreshing import refresh
from visionft.training.runs.answerer import Answerer, load_answerer
from visionft.training.runs.loaded_run import LoadedRun
from visionft.training.runs.run_folder import read_run

BATCH_SIZE = 32


def explain_images(
    run_dir: Path,
    asked: Sequence[Asked],
    *,
    task: Task = "single",
    images: Snapshot | None = None,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> tuple[Explanation, ...]:
    """Explain what a run's best checkpoint says of pictures; when stopped, those done so far come back.

    Args:
        run_dir: Folder of the run.
        asked: The pictures, each with the class to explain.
        task: "multi" when a picture may have several labels: each class has a probability of its own then.
        images: The project's pictures, which a run whose knowledge is live answers from; None leaves it as it is.
        on_event: Receives how far it is.
        should_stop: Asked before every picture.

    Raises:
        RunError: The run cannot be read, or does not know a class.
        WeightsError: The pretrained weights that the run started from are no longer at hand.
    """
    on_event(Progress(stage="Loading the network", done=0, total=0))
    run = read_run(run_dir)
    if images is not None:
        run = refresh(run, images, on_event=on_event, should_stop=should_stop)
    unknown = [each.class_name for each in asked if each.class_name and each.class_name not in run.class_names]
    if unknown:
        hint = f"It knows {', '.join(run.class_names)}."
        raise RunError(f"{run.title} does not know the class {unknown[0]!r}.", hint)
    explainer = Explainer(load_answerer(run, on_event=on_event, should_stop=should_stop), task=task)
    found: list[Explanation] = []
    for each in asked:
        if should_stop():
            break
        found.append(explainer.explain(each))
        on_event(Progress(stage="Explaining", done=len(found), total=len(asked)))
    return tuple(found)


class Explainer:
    """What answers for a run, and can say where it looked; it is as sure as its evaluation, if there is one, says.

    The map of a combination is the sum of its parts' maps, each by its share; the covering test asks the combination.
    """

    def __init__(self, answerer: Answerer, *, task: Task = "single") -> None:
        """Put the classifiers on the devices of their runs."""
        self._answerer, self._cache = answerer, PictureCache.usual()
        self._is_single, self._temperature = task == "single", temperature_of(answerer.run.path)
        self._views = [_View(part) for part in answerer.parts]

    def explain(self, asked: Asked) -> Explanation:
        """Explain one picture; one that cannot be read comes back with its error."""
        names = self._answerer.run.class_names
        try:
            decoded = [self._cache.load(asked.path, view.near_side) for view in self._views]
        except ImageError as error:
            empty = np.zeros((1, 1), np.float32)
            return Explanation(image_id=asked.image_id, path=asked.path, heat=empty, error=error.message)
        size = decoded[0].size
        inputs = [view.inputs(each) for view, each in zip(self._views, decoded, strict=True)]
        shares = self._probabilities([each[None] for each in inputs])[0]
        index = names.index(asked.class_name) if asked.class_name else int(shares.argmax())
        boxes = [view.preprocessing.crop_box(*size) for view in self._views]
        values = self._heat(inputs, boxes, index)
        own, *others = self._deletions(
            inputs, boxes, values, index, uncovered=float(shares[index]), seed=asked.image_id
        )
        return Explanation(
            image_id=asked.image_id,
            path=asked.path,
            class_name=names[index],
            probability=float(shares[index]),
            method=" + ".join(dict.fromkeys(method_for(view.classifier) for view in self._views)),
            size=size,
            box=explanation.around(boxes),
            heat=values,
            deletion=own,
            random_deletion=tuple(others),
        )

    def _heat(self, inputs: list[Tensor], boxes: list[Box], index: int) -> np.ndarray:
        """Return the parts' maps of a class, (rows, columns), added up by their shares."""
        maps = [
            view.heat(each, columns[index])
            for view, each, columns in zip(self._views, inputs, self._answerer.columns, strict=True)
        ]
        if len(maps) == 1:
            return maps[0]
        weighted = [share * heat for share, heat in zip(self._answerer.shares, maps, strict=True)]
        return explanation.normalised(explanation.laid_together(weighted, boxes))

    def _deletions(
        self, inputs: list[Tensor], boxes: list[Box], values: np.ndarray, index: int, *, uncovered: float, seed: int
    ) -> list[float]:
        """Return the deletion score of the map's order, then of each random one; the fill is the mean colour."""
        fills = [each.mean(dim=(1, 2), keepdim=True).expand_as(each) for each in inputs]
        covered = float(self._probabilities([fill[None] for fill in fills])[0, index])
        scores = []
        for ranks in explanation.covering_orders(values, seed=seed):
            steps = [
                torch.lerp(each[None], fill[None], _covers(ranks, box, boxes, each))  # (steps, 3, S, S)
                for each, fill, box in zip(inputs, fills, boxes, strict=True)
            ]
            inner = self._probabilities(steps)[:, index]
            scores.append(explanation.deletion_score(np.array([uncovered, *inner, covered])))
        return scores

    def _probabilities(self, inputs: list[Tensor]) -> np.ndarray:
        """Return (B, C) probabilities of pictures, given as each part's input, calibrated as the evaluation's are."""
        answers = [view.logits(each) for view, each in zip(self._views, inputs, strict=True)]
        scaled = self._answerer.mixed(answers) / self._temperature
        return softmax(scaled) if self._is_single else sigmoid(scaled)


class _View:
    """A trained classifier, how it sees a picture, and what in it spoke for a class."""

    def __init__(self, loaded: LoadedRun) -> None:
        self.preprocessing, self.near_side = loaded.preprocessing, loaded.run.config.near_side
        self._device = pick_device(loaded.run.config.device).kind
        self.classifier = loaded.classifier.to_device(self._device).eval().requires_grad_(False)

    def inputs(self, decoded: Decoded) -> Tensor:
        """Return the (3, S, S) input that it makes of a picture."""
        return self.preprocessing.apply_reduced(decoded).to(self._device)

    def heat(self, inputs: Tensor, column: int) -> np.ndarray:
        """Return the (rows, columns) map, 0..1, of what spoke for the class in that place of its answers."""
        found = explain_batch(self.classifier, inputs[None], torch.tensor([column], device=self._device))
        return explanation.normalised(found[0].float().cpu().numpy())

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> np.ndarray:
        """Map (B, 3, S, S) inputs to (B, C) logits."""
        return torch.cat([self.classifier(part).float() for part in inputs.split(BATCH_SIZE)]).cpu().numpy()


def _covers(ranks: np.ndarray, box: Box, boxes: list[Box], inputs: Tensor) -> Tensor:
    """Return (steps, 1, S, S) how much of the fill covers each pixel of a part's input, the same places for all."""
    share = box[2] / max(side for _, _, side in boxes)
    outer = round(inputs.shape[-1] / share)
    left = (outer - inputs.shape[-1]) // 2
    inner = slice(left, left + inputs.shape[-1])
    covers = explanation.covers(ranks, outer)[:, inner, inner]
    return torch.from_numpy(np.ascontiguousarray(covers)).to(inputs.device)[:, None]
