"""Error of the adviser's forecasts against real runs, and the accuracy cost of its advice.

    python tests/benchmarks/adviser.py ../shared/data/trashnet ../shared/data/sign_digits --images 60 250
    python tests/benchmarks/adviser.py ... --images 1500 --seeds 0 --really really.json

For each set, number of training images and seed: the images of `presets_table.py`, an adviser that trains and validates
on them, and the accuracy of a linear probe (Quick) and of fine-tuning (Balanced) on 500 others. Prints the forecasts
with their intervals next to the real accuracy, the number of forecasts within two points of the mean over the seeds,
the number of intervals containing it, and the regret: the mean accuracy of the better method less that of the advised
one. `--really FILE` reads known results from a file, {"SET IMAGES SEED": {"quick": .., "balanced": ..}}, and adds new
measurements; `--trials FILE` does the same for the short trials, and without it none are run.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from presets_table import divide, preset

from models.catalog import BACKBONES
from visionft.advice.forecast import forecast_accuracy, ratio_after
from visionft.advice.learning_curve import curve_of, labelled_images
from visionft.advice.model_candidates import training_free_candidates
from visionft.advice.recommend import is_worth
from visionft.advice.trials import Trial, run_trial
from visionft.data.types import Snapshot
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.jobs import SILENT
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.weights.locations import local_file

NEAR = 0.02
Forecast = tuple[float, float, float]  # accuracy and its 95 % interval


@dataclass(frozen=True, kw_only=True)
class Case:
    """One division: both accuracies as the adviser estimates them, and the real accuracies."""

    condition: str
    quick: Forecast
    balanced: Forecast
    really: dict[str, float]
    seconds: float

    @property
    def advised(self) -> str:
        """Return the advised method; training must be worth its cost."""
        is_trained = is_worth(self.quick[0], self.balanced[0])
        return "balanced" if is_trained else "quick"


def config_of(images: Snapshot, name: str) -> TrainConfig:
    """Return the settings of a preset here."""
    here = [backbone for backbone, row in BACKBONES.items() if local_file(row)]
    return replace(preset_config(name, Circumstances.of(images, here=here, device="cpu")), device="cpu")


def look(images: Snapshot, seed: int, trial: Trial | None, features: Features) -> tuple[Forecast, Forecast]:
    """Return the estimates of the best method without training, and of fine-tuning."""
    labelled, total = labelled_images(features, images)
    curve, laws = curve_of(labelled, images.class_names, total=total, seed=seed)
    quick = config_of(images, "quick")
    free = training_free_candidates(labelled, laws, quick, images, milliseconds={}, job=SILENT)
    best = max(free, key=lambda each: each.expected)
    ratio = ratio_after(trial, len(images.labelled("train")) / curve.classes)
    family = config_of(images, "balanced").backbone_row.family
    trained = forecast_accuracy(1 - best.accuracy, best.images, ratio, kind="full", family=family)
    return (best.accuracy, best.low, best.high), trained


def one_case(folder: Path, image_count: int, seed: int, options: argparse.Namespace) -> Case:
    """Advise on one division, and compare with real runs."""
    key, images = f"{folder.name} {image_count} {seed}", divide(folder, image_count=image_count, test=500, seed=seed)
    seen = replace(images, images=tuple(image for image in images.images if image.split != "test"))
    with tempfile.TemporaryDirectory() as temporary:
        features = embedded(Path(temporary), seen)
        trial = _trial(key, seen, features, seed, options.trials)
        began = time.monotonic()
        quick, balanced = look(seen, seed, trial, features)
        seconds = time.monotonic() - began
    really = _read(options.really).get(key, {})
    for name in ("quick", "balanced"):
        if name not in really:
            really[name] = preset(name, images, seed).top1
            _write(options.really, key, really)
    return Case(
        condition=f"{folder.name} {image_count}", quick=quick, balanced=balanced, really=really, seconds=seconds
    )


def _trial(key: str, seen: Snapshot, features: Features, seed: int, file: Path | None) -> Trial | None:
    if file is None:
        return None
    kept = _read(file).get(key)
    if kept is not None:
        return Trial(**kept)
    made = run_trial(config_of(seen, "balanced"), seen, features, seed=seed)
    _write(file, key, dataclasses.asdict(made))
    return made


def _read(file: Path | None) -> dict[str, dict[str, Any]]:
    return json.loads(file.read_text()) if file is not None and file.is_file() else {}


def _write(file: Path | None, key: str, values: dict[str, Any]) -> None:
    if file is not None:
        file.write_text(json.dumps({**_read(file), key: values}, indent=1))


def tell(case: Case, seed: int) -> None:
    """Print one division."""
    shown = []
    for name, (middle, low, high) in (("quick", case.quick), ("balanced", case.balanced)):
        shown.append(f"{middle:.3f} ({low:.3f}-{high:.3f}) | {case.really[name]:.3f}")
    print(f"| {case.condition} | {seed} | {' | '.join(shown)} | {case.advised} | {case.seconds:.0f} s |", flush=True)


def sum_up(cases: list[Case]) -> None:
    """Print each condition as the mean of its seeds, and how many bars are met."""
    by_condition: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_condition[case.condition].append(case)
    print("\n| condition | seeds | forecast of balanced | reached | error | regret |\n|---|---|---|---|---|---|")
    near = regretted = 0
    for condition, some in by_condition.items():
        forecast = float(np.mean([case.balanced[0] for case in some]))
        reached = float(np.mean([case.really["balanced"] for case in some]))
        best = max(float(np.mean([case.really[name] for case in some])) for name in ("quick", "balanced"))
        regret = best - float(np.mean([case.really[case.advised] for case in some]))
        near, regretted = near + (abs(forecast - reached) <= NEAR), regretted + (regret > 0.01)
        print(
            f"| {condition} | {len(some)} | {forecast:.3f} | {reached:.3f} | {forecast - reached:+.3f} | {regret:.3f} |"
        )
    held = [_holds(case, name) for case in cases for name in ("quick", "balanced")]
    print(
        f"\nwithin {NEAR:.0%}: {near} of {len(by_condition)}; regret above a point: {regretted}; "
        f"intervals that hold what was reached: {sum(held)} of {len(held)}"
    )


def _holds(case: Case, name: str) -> bool:
    _, low, high = getattr(case, name)
    return low <= case.really[name] <= high


def main() -> None:
    """Read the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=int, default=[60, 250, 1500])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--really", type=Path, help="what runs reached, by set, images and seed")
    parser.add_argument("--trials", type=Path, help="short trials, kept here")
    options = parser.parse_args()
    print("| condition | seed | quick: forecast | reached | balanced: forecast | reached | advised | took |")
    print("|---|---|---|---|---|---|---|---|")
    cases = []
    for image_count in options.images:
        for folder in options.folders:
            for seed in options.seeds:
                cases.append(one_case(folder, image_count, seed, options))
                tell(cases[-1], seed)
    sum_up(cases)


if __name__ == "__main__":
    main()
