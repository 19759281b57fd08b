"""How near the adviser's forecasts come to what runs really give, and what its advice costs in accuracy.

    python tests/benchmarks/adviser.py ../shared/data/trashnet ../shared/data/sign_digits --pictures 60 250
    python tests/benchmarks/adviser.py ... --pictures 1500 --seeds 0 --really really.json

For each set, number of training pictures and seed: the pictures of `presets_table.py`, an adviser that sees those to
learn from and to validate with, and what a linear probe (Quick) and fine-tuning (Balanced) reach on 500 others. Printed
are forecasts with their intervals beside that, how many of them are within two points in the mean of the seeds, how
many intervals hold it, and the regret: what the method that is better in that mean reached less what was advised.
`--really FILE` takes what runs reached from a file, {"SET PICTURES SEED": {"quick": .., "balanced": ..}}, where it is
known from before, and adds what is measured now; `--trials FILE` keeps the short trials likewise, which otherwise are
not made.
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

from visionft.advice.answerers import Plan
from visionft.advice.choosing import is_worth
from visionft.advice.forecast import probe_accuracies, ratio_after, tuned_accuracies
from visionft.advice.learning_curve import curve_of, labelled_pictures
from visionft.advice.trials import Trial, run_trial
from visionft.data.types import Snapshot
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features

NEAR = 0.02


@dataclass(frozen=True, kw_only=True)
class Case:
    """One division: draws of both accuracies as the adviser sees them, and what was really reached."""

    condition: str
    quick: np.ndarray
    balanced: np.ndarray
    really: dict[str, float]
    seconds: float

    @property
    def advised(self) -> str:
        """Return what is advised: training has to be worth it."""
        is_trained = is_worth(float(np.median(self.quick)), float(np.median(self.balanced)))
        return "balanced" if is_trained else "quick"


def look(images: Snapshot, seed: int, trial: Trial | None, features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of the accuracy of a linear probe and of fine-tuning."""
    labelled, total = labelled_pictures(features, images)
    curve, laws = curve_of(labelled, images.class_names, total=total, seed=seed)
    labels = len(images.labelled("train"))
    ratio = ratio_after(trial, labels / curve.classes)
    family = Plan.of(images, (), device="cpu").balanced.backbone_row.family
    errors = laws.errors(labels)
    return probe_accuracies(errors), tuned_accuracies(errors, ratio, kind="full", family=family, seed=seed)


def one_case(folder: Path, pictures: int, seed: int, options: argparse.Namespace) -> Case:
    """Advise on one division, and see what runs give."""
    key, images = f"{folder.name} {pictures} {seed}", divide(folder, pictures=pictures, test=500, seed=seed)
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
    return Case(condition=f"{folder.name} {pictures}", quick=quick, balanced=balanced, really=really, seconds=seconds)


def _trial(key: str, seen: Snapshot, features: Features, seed: int, file: Path | None) -> Trial | None:
    if file is None:
        return None
    kept = _read(file).get(key)
    if kept is not None:
        return Trial(**kept)
    made = run_trial(Plan.of(seen, (), device="cpu").balanced, seen, features, seed=seed)
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
    for name, draws in (("quick", case.quick), ("balanced", case.balanced)):
        low, middle, high = np.quantile(draws, (0.025, 0.5, 0.975))
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
        forecast = float(np.mean([np.median(case.balanced) for case in some]))
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
    low, high = np.quantile(getattr(case, name), (0.025, 0.975))
    return bool(low <= case.really[name] <= high)


def main() -> None:
    """Read the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pictures", nargs="+", type=int, default=[60, 250, 1500])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--really", type=Path, help="what runs reached, by set, pictures and seed")
    parser.add_argument("--trials", type=Path, help="short trials, kept here")
    options = parser.parse_args()
    print("| condition | seed | quick: forecast | reached | balanced: forecast | reached | advised | took |")
    print("|---|---|---|---|---|---|---|---|")
    cases = []
    for pictures in options.pictures:
        for folder in options.folders:
            for seed in options.seeds:
                cases.append(one_case(folder, pictures, seed, options))
                tell(cases[-1], seed)
    sum_up(cases)


if __name__ == "__main__":
    main()
