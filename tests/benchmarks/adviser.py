"""Error of the adviser's forecasts against real runs, and the accuracy cost of its advice.

    python tests/benchmarks/adviser.py ../shared/data/trashnet ../shared/data/sign_digits --images 60 250
    python tests/benchmarks/adviser.py ... --images 1500 --seeds 0 --really really.json

For each set, number of training images and seed: the images of `presets_table.py`, an adviser that trains and validates
on them, and the accuracy of a linear probe (Quick) and of fine-tuning (Balanced) on `--test` others. Prints the
forecasts with their intervals next to the real accuracy, the number of forecasts within two points of the mean over the
seeds, the number of intervals containing it, and the regret: the mean accuracy of the better method less that of the
advised one. `--really FILE` reads known results from a file, {"SET IMAGES SEED": {"quick": .., "balanced": ..}}, and
adds new measurements; `--trials FILE` does the same for the short trials, and without it none are run.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench import divide, heading, read_options, row
from presets_table import preset

from visionft.advice.choice import is_worth
from visionft.advice.forecast import forecast_accuracy, ratio_after
from visionft.advice.learning_curve import curve_of, labelled_images
from visionft.advice.models_to_make import held_out_models
from visionft.advice.trials import Trial, run_trial
from visionft.data.types import Snapshot
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.jobs import SILENT
from visionft.training.config.train_config import TrainConfig
from visionft.training.preset_choice import project_circumstances
from visionft.training.probing import resolve_preset

NEAR, PRESETS = 0.02, ("quick", "balanced")
Forecast = tuple[float, float, float]  # accuracy and its 95 % interval


@dataclass(frozen=True)
class Case:
    """One division: both accuracies as the adviser estimates them, and the real accuracies."""

    forecasts: dict[str, Forecast]
    really: dict[str, float]

    @property
    def advised(self) -> str:
        """Return the advised method; training must be worth its cost."""
        return "balanced" if is_worth(self.forecasts["quick"][0], self.forecasts["balanced"][0]) else "quick"

    def holds(self, name: str) -> bool:
        """Return whether the interval of a forecast holds the real accuracy."""
        _, low, high = self.forecasts[name]
        return low <= self.really[name] <= high


def config_of(images: Snapshot, folder: Path, name: str) -> TrainConfig:
    """Return the settings of a preset here, with the first suited backbone."""
    return resolve_preset(name, project_circumstances(images, folder, device="cpu"), device="cpu")


def look(images: Snapshot, folder: Path, seed: int, trial: Trial | None, features: Features) -> dict[str, Forecast]:
    """Return the estimates of the best method without training, and of fine-tuning."""
    labelled, total = labelled_images(features, images)
    curve, laws = curve_of(labelled, images.class_names, total=total, seed=seed)
    quick = config_of(images, folder, "quick")
    free = held_out_models(labelled, laws, quick, images, milliseconds={}, job=SILENT)
    best = max(free, key=lambda each: each.expected)
    ratio = ratio_after(trial, len(images.labelled("train")) / curve.classes)
    return {
        "quick": (best.top1 or 0.0, *(best.top1_interval or (0.0, 1.0))),
        "balanced": forecast_accuracy(1 - (best.top1 or 0.0), best.images, ratio),
    }


def known(file: Path | None, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the values of a key in a JSON file; make and add them where they are missing."""
    values = json.loads(file.read_text()) if file is not None and file.is_file() else {}
    if key not in values:
        values[key] = make()
        if file is not None:
            file.write_text(json.dumps(values, indent=1))
    return values[key]


def one_case(folder: Path, image_count: int, seed: int, options: argparse.Namespace) -> Case:
    """Advise on one division, compare with real runs, and print a row."""
    key, images = (
        f"{folder.name} {image_count} {seed}",
        divide(folder, image_count=image_count, test=options.test, seed=seed),
    )
    seen = replace(images, images=tuple(image for image in images.images if image.split != "test"))
    with tempfile.TemporaryDirectory() as temporary:
        features, trial = embedded(Path(temporary), seen), None
        if options.trials is not None:
            balanced = config_of(seen, Path(temporary), "balanced")
            made = known(
                options.trials, key, lambda: dataclasses.asdict(run_trial(balanced, seen, features, seed=seed))
            )
            trial = Trial(**made)
        began = time.monotonic()
        forecasts = look(seen, Path(temporary), seed, trial, features)
        seconds = time.monotonic() - began
    really = known(options.really, key, lambda: {name: preset(name, images, seed).top1 for name in PRESETS})
    case = Case(forecasts, really)
    cells: list[str] = []
    for name in PRESETS:
        middle, low, high = forecasts[name]
        cells += [f"{middle:.3f} ({low:.3f}-{high:.3f})", f"{really[name]:.3f}"]
    row(f"{folder.name} {image_count}", seed, *cells, case.advised, f"{seconds:.0f} s")
    return case


def sum_up(by_condition: dict[str, list[Case]]) -> None:
    """Print each condition as the mean of its seeds, and how many bars are met."""
    print()
    heading("condition", "seeds", "forecast of balanced", "reached", "error", "regret")
    near = regretted = 0
    for condition, cases in by_condition.items():
        forecast = np.mean([case.forecasts["balanced"][0] for case in cases])
        means = {name: float(np.mean([case.really[name] for case in cases])) for name in PRESETS}
        error = float(forecast) - means["balanced"]
        regret = max(means.values()) - float(np.mean([case.really[case.advised] for case in cases]))
        near, regretted = near + (abs(error) <= NEAR), regretted + (regret > 0.01)
        figures = f"{forecast:.3f}", f"{means['balanced']:.3f}", f"{error:+.3f}", f"{regret:.3f}"
        row(condition, len(cases), *figures)
    held = [case.holds(name) for cases in by_condition.values() for case in cases for name in PRESETS]
    print(
        f"\nwithin {NEAR:.0%}: {near} of {len(by_condition)}; regret above a point: {regretted}; "
        f"intervals that hold what was reached: {sum(held)} of {len(held)}"
    )


if __name__ == "__main__":
    options = read_options(
        __doc__, folders="+", images=[60, 250, 1500], seeds=[0, 1, 2], test=500, really=None, trials=None
    )
    heading("condition", "seed", "quick: forecast", "reached", "balanced: forecast", "reached", "advised", "took")
    found: dict[str, list[Case]] = defaultdict(list)
    for image_count in options.images:
        for folder in options.folders:
            for seed in options.seeds:
                found[f"{folder.name} {image_count}"].append(one_case(folder, image_count, seed, options))
    sum_up(found)
