"""Explaining a run's predictions: a heat map for each picture, and the test that says whether to believe it.

A job like the others: `explain_images(...) -> tuple[Explanation, ...]`. The same run, pictures and classes give the
same maps and scores.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.data.picture_cache import PictureCache
from visionft.data.types import Snapshot, Task
from visionft.devices import pick_device
from visionft.errors import ImageError, RunError
from visionft.evaluation import explanation
from visionft.evaluation.explanation import Asked, Explanation
from visionft.evaluation.saliency import explain_batch, method_for
from visionft.evaluation.stored import temperature_of
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.retrieval.refreshing import refresh
from visionft.training.runs.loaded_run import LoadedRun, load_trained
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
    explainer = Explainer(load_trained(run, on_event=on_event, should_stop=should_stop), task=task)
    found: list[Explanation] = []
    for each in asked:
        if should_stop():
            break
        found.append(explainer.explain(each))
        on_event(Progress(stage="Explaining", done=len(found), total=len(asked)))
    return tuple(found)


class Explainer:
    """A trained classifier that can say where it looked; it is as sure as its evaluation, if there is one, says."""

    def __init__(self, loaded: LoadedRun, *, task: Task = "single") -> None:
        """Put the classifier on the device of its run."""
        self._names, self._preprocessing = loaded.run.class_names, loaded.preprocessing
        self._cache, self._near_side = PictureCache.usual(), loaded.run.config.near_side
        self._is_single, self._temperature = task == "single", temperature_of(loaded.run.path)
        self._device = pick_device(loaded.run.config.device).kind
        self._classifier = loaded.classifier.to_device(self._device).eval().requires_grad_(False)

    def explain(self, asked: Asked) -> Explanation:
        """Explain one picture; one that cannot be read comes back with its error."""
        try:
            decoded = self._cache.load(asked.path, self._near_side)
        except ImageError as error:
            empty = np.zeros((1, 1), np.float32)
            return Explanation(image_id=asked.image_id, path=asked.path, heat=empty, error=error.message)
        inputs = self._preprocessing.apply_reduced(decoded).to(self._device)
        shares = self._probabilities(inputs[None])[0]
        index = self._names.index(asked.class_name) if asked.class_name else int(shares.argmax())
        found = explain_batch(self._classifier, inputs[None], torch.tensor([index], device=self._device))
        values = explanation.normalised(found[0].float().cpu().numpy())
        own, *others = self._deletions(inputs, values, index, uncovered=float(shares[index]), seed=asked.image_id)
        return Explanation(
            image_id=asked.image_id,
            path=asked.path,
            class_name=self._names[index],
            probability=float(shares[index]),
            method=method_for(self._classifier),
            size=decoded.size,
            box=self._preprocessing.crop_box(*decoded.size),
            heat=values,
            deletion=own,
            random_deletion=tuple(others),
        )

    def _deletions(self, inputs: Tensor, values: np.ndarray, index: int, *, uncovered: float, seed: int) -> list[float]:
        """Return the deletion score of the map's order, then of each random one; the fill is the mean colour."""
        fill = inputs.mean(dim=(1, 2), keepdim=True).expand_as(inputs)
        covered = float(self._probabilities(fill[None])[0, index])
        scores = []
        for ranks in explanation.covering_orders(values, seed=seed):
            share = torch.from_numpy(explanation.covers(ranks, inputs.shape[-1])).to(self._device)[:, None]
            steps = torch.lerp(inputs[None], fill[None], share)  # (steps, 3, S, S)
            inner = self._probabilities(steps)[:, index]
            scores.append(explanation.deletion_score(np.array([uncovered, *inner, covered])))
        return scores

    @torch.no_grad()
    def _probabilities(self, inputs: Tensor) -> np.ndarray:
        """Return (B, C) probabilities, calibrated as those of the evaluation are."""
        logits = torch.cat([self._classifier(part).float() for part in inputs.split(BATCH_SIZE)]) / self._temperature
        return (logits.softmax(dim=1) if self._is_single else logits.sigmoid()).cpu().numpy()
