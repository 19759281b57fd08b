"""Pretrain a starter backbone by distilling a teacher's stored outputs (see ``targets``).

``pretrain.py --backbone ... --data ... --teacher ... --cache ... --out ... --minutes 90``

The schedule is a function of the elapsed share of the time budget, so a busy machine costs views and nothing else.
An interrupted run resumes with the same command; a finished one is continued by ``--restart --minutes N``, a new
cosine from a lower peak, and ``--init FILE`` does so from exported weights when the checkpoint is gone (the heads,
not exported, are trained alone first). ``--export FILE`` writes the averaged weights of the last checkpoint and
trains nothing.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augment import NO_CLASS, augment
from distiller import Distiller, TargetSource
from muon import build_optimizers
from safetensors.torch import load_file, save_file
from students import INPUT_SIZE_PX, MEAN, STD, STUDENTS
from targets import Shard, load_teacher, open_shards
from timm.layers.config import set_fused_attn
from views import SOURCE_PX, load_images, load_labels, render

from models.catalog import BACKBONES

logger = logging.getLogger(__name__)

EMA_DECAY = 0.998
WARM_UP_SHARE = 0.03
RESTART_PEAK = 0.5
# New heads must not disturb a trained backbone: they are trained alone for this many steps.
HEADS_ALONE_STEPS = 150
# The first cycle, then the others: strong colour changes reduce agreement with the teacher's outputs.
RECOLOURED_SHARES = (0.6, 0.3)
MODES, MODE_SHARES = ("bilinear", "bicubic", "nearest"), (0.6, 0.25, 0.15)


@dataclass(frozen=True)
class Recipe:
    """The differences between the two students.

    Attributes:
        batch: Views per step.
        lr: Peak learning rate.
        sizes: ``(until, {size_px: share of steps})`` by elapsed share of the budget, rising.
        later_batch: Views per step of every further cycle.
        later_sizes: Sizes of every further cycle.
    """

    batch: int
    lr: float
    sizes: tuple[tuple[float, dict[int, float]], ...]
    later_batch: int = 128
    later_sizes: tuple[tuple[float, dict[int, float]], ...] = ((0.5, {96: 1.0}), (1.0, {96: 0.5, 128: 0.5}))


RECIPES = {
    "starter_resnet": Recipe(
        batch=256,
        lr=2e-3,
        sizes=((0.45, {64: 0.7, 96: 0.3}), (0.85, {64: 0.4, 96: 0.6}), (1.0, {96: 0.6, 128: 0.4})),
    ),
    "starter_vit": Recipe(
        batch=128,
        lr=2e-3,
        sizes=((0.3, {64: 0.5, 96: 0.5}), (0.8, {96: 1.0}), (1.0, {96: 0.5, 128: 0.5})),
    ),
}


@dataclass
class Progress:
    """The values of a checkpoint other than tensors; times in seconds."""

    step: int = 0
    views: int = 0
    cycle: int = 0
    elapsed_s: float = 0.0
    total_s: float = 0.0
    budget_s: float = 0.0

    @property
    def fraction(self) -> float:
        """Return the elapsed share of the budget of this cycle."""
        return min(1.0, self.elapsed_s / self.budget_s)


class Trainer:
    """One student, its optimisers, its average and their checkpoint."""

    def __init__(self, name: str, *, images: np.ndarray, labels: np.ndarray, teacher: Any, cache: Path, out: Path):
        torch.manual_seed(0)
        self.name, self.recipe, self.out, self.cache = name, RECIPES[name], out, cache
        self.images, self.labels = images, torch.from_numpy(labels.astype(np.int64))
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.shards: list[Shard] = open_shards(cache)
        sample = self.shards[0]
        self.source = TargetSource(
            teacher.classifier.cpu(),
            maps=torch.from_numpy(np.array(sample.maps[:4000], np.float32)),
            pooled=torch.from_numpy(np.array(sample.pooled[:4000], np.float32)),
        )
        # On a CPU the compiler's fused softmax trains twice as fast as the library's attention kernel.
        set_fused_attn(self.device == "cuda")
        student: Any = Distiller(name, class_count=int(labels.max()) + 1)
        self.student: Distiller = student.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.student.backbone).requires_grad_(False)
        self.optimizers = build_optimizers(self.student.backbone, self.student.heads(), lr=self.recipe.lr)
        self.progress = Progress()
        self.heads_alone_until = 0

    def compile(self) -> None:
        """Fuse the backbone's small operations; one graph per size."""
        self.student.extract = torch.compile(self.student.extract, dynamic=False)

    def restore(self) -> bool:
        """Load the last checkpoint; return whether there was one."""
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        return True

    def start_from(self, path: Path) -> None:
        """Begin a second cycle from an exported backbone."""
        state = {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
        self.student.backbone.load_state_dict(state)
        self.average.load_state_dict(state)
        self.progress.cycle, self.heads_alone_until = 1, HEADS_ALONE_STEPS

    def save(self) -> None:
        """Write a checkpoint; an interruption leaves the previous one whole."""
        state = {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": vars(self.progress),
        }
        partial = self.out / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.out / "checkpoint.pt")

    def step(self) -> dict[str, float]:
        """Train on one batch; everything random follows from the step number."""
        progress, recipe = self.progress, self.recipe
        is_first = progress.cycle == 0
        batch, sizes = (recipe.batch, recipe.sizes) if is_first else (recipe.later_batch, recipe.later_sizes)
        rng = np.random.default_rng([17, progress.step])
        per_epoch = len(self.images) // batch
        epoch, place = divmod(progress.step, per_epoch)
        order = np.random.default_rng([18, epoch]).permutation(len(self.images))
        rows = np.sort(order[place * batch : (place + 1) * batch])
        shard = self.shards[int(rng.integers(len(self.shards)))]
        shares = next(shares for until, shares in sizes if progress.fraction <= until)
        size_px = int(rng.choice(list(shares), p=list(shares.values())))
        mode = str(rng.choice(MODES, p=MODE_SHARES))

        windows = shard.windows[rows]
        views = render(self.images, shard.indices[rows], windows, size_px, mode=mode)
        class_index = self.labels[torch.from_numpy(shard.indices[rows][:, 0].astype(np.int64))]
        is_mosaic = torch.from_numpy(windows[:, 2] > SOURCE_PX)
        targets = self.source.targets(
            torch.from_numpy(shard.maps[rows]).float(),
            torch.from_numpy(shard.pooled[rows]).float(),
            class_index.masked_fill(is_mosaic, NO_CLASS),
        )
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        views, targets = augment(views, targets, generator, recoloured_share=RECOLOURED_SHARES[not is_first])
        views = views.to(self.device, memory_format=torch.channels_last)
        targets = type(targets)(**{key: value.to(self.device) for key, value in vars(targets).items()})

        lr = self._learning_rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
        losses = self.student(views, targets)
        torch.stack(list(losses.values())).sum().backward()
        if progress.step < self.heads_alone_until:
            for parameter in self.student.backbone.parameters():
                parameter.grad = None
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._update_average()
        progress.step += 1
        progress.views += batch
        return {"lr": lr, "size_px": size_px, **{key: float(value.detach()) for key, value in losses.items()}}

    def _learning_rate(self) -> float:
        """Return a linear warm-up followed by a half cosine to 1 % of the peak."""
        fraction = self.progress.fraction
        peak = self.recipe.lr * (1.0 if self.progress.cycle == 0 else RESTART_PEAK)
        if fraction < WARM_UP_SHARE:
            return peak * max(0.02, fraction / WARM_UP_SHARE)
        cosine = 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))
        return peak * (0.01 + 0.99 * cosine)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.progress.step) / (10 + self.progress.step))
        current = self.student.backbone.state_dict()
        for key, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[key], 1 - decay)
            else:
                value.copy_(current[key])

    def export(self, path: Path) -> None:
        """Write the averaged backbone as float16 safetensors, plain timm names, no head."""
        state = {
            key: (value.half() if value.is_floating_point() else value).contiguous().cpu()
            for key, value in self.average.state_dict().items()
        }
        metadata = {
            "format": "pt",
            "architecture": self.name,
            "timm_class": "ResNet" if BACKBONES[self.name].family == "resnet" else "VisionTransformer",
            "timm_kwargs": json.dumps(dict(BACKBONES[self.name].model_args)),
            "input_size": json.dumps([3, INPUT_SIZE_PX, INPUT_SIZE_PX]),
            "mean": json.dumps(MEAN),
            "std": json.dumps(STD),
            "licence": "Apache-2.0 (see the model card: trained on Tiny ImageNet images, ImageNet research terms)",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "views": str(self.progress.views),
        }
        partial = path.with_suffix(".partial")
        save_file(state, partial, metadata=metadata)
        partial.chmod(0o644)
        partial.replace(path)

    def train(self, *, checkpoint_s: float = 300, log_s: float = 60, snapshot_s: float = 1200) -> None:
        """Train until the budget is spent, then save and export."""
        progress = self.progress
        last = {"log": time.monotonic(), "save": time.monotonic()}
        before, sums, logged_views = time.monotonic(), {}, progress.views
        while progress.fraction < 1:
            values = self.step()
            sums = {key: [*sums.get(key, []), value] for key, value in values.items()}
            now = time.monotonic()
            progress.elapsed_s, progress.total_s = progress.elapsed_s + now - before, progress.total_s + now - before
            is_snapshot = progress.total_s // snapshot_s > (progress.total_s - now + before) // snapshot_s
            before = now
            if now - last["log"] >= log_s:
                rate = (progress.views - logged_views) / (now - last["log"])
                self._log({key: sum(row) / len(row) for key, row in sums.items()}, rate)
                last["log"], sums, logged_views = now, {}, progress.views
                self.shards = open_shards(self.cache)
            if now - last["save"] >= checkpoint_s:
                self.save()
                last["save"] = now
            if is_snapshot:
                self.export(self.out / f"snapshot_{round(progress.total_s / 60):04d}min.safetensors")
        self.save()
        self.export(self.out / f"{self.name}.safetensors")

    def _log(self, values: dict[str, float], rate: float) -> None:
        progress = self.progress
        row = {
            "time": datetime.datetime.now().isoformat(timespec="seconds"),
            "cycle": progress.cycle,
            "step": progress.step,
            "views": progress.views,
            "fraction": round(progress.fraction, 4),
            "views_per_s": round(rate, 1),
            "shards": len(self.shards),
            **{key: float(f"{value:.4g}") for key, value in values.items()},
        }
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def _seconds_until(clock: str) -> float:
    hour, minute = map(int, clock.split(":"))
    now = datetime.datetime.now()
    return (now.replace(hour=hour, minute=minute, second=0) - now).total_seconds()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=STUDENTS, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with train_*.npz")
    parser.add_argument("--teacher", type=Path, required=True, help="safetensors file of the teacher")
    parser.add_argument("--cache", type=Path, required=True, help="folder that targets.py filled")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, log and exports")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="time budget of this cycle")
    budget.add_argument("--until", help="HH:MM at which this cycle is to end, today")
    parser.add_argument("--restart", action="store_true", help="begin a new cycle from the checkpoint")
    parser.add_argument("--init", type=Path, help="exported weights to begin from where there is no checkpoint")
    parser.add_argument("--export", type=Path, help="only write the checkpoint's averaged weights here")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def main() -> None:
    """Start, resume or export, depending on the arguments."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        arguments.backbone,
        images=load_images(arguments.data, arguments.cache),
        labels=load_labels(arguments.data),
        teacher=load_teacher(arguments.teacher),
        cache=arguments.cache,
        out=arguments.out,
    )
    is_resumed = trainer.restore()
    if arguments.init and not is_resumed:
        trainer.start_from(arguments.init)
    if arguments.export:
        trainer.export(arguments.export)
        return
    progress = trainer.progress
    if arguments.restart and is_resumed:
        progress.cycle, progress.elapsed_s = progress.cycle + 1, 0.0
    if arguments.until:
        progress.budget_s = progress.elapsed_s + _seconds_until(arguments.until)
    elif arguments.minutes:
        progress.budget_s = arguments.minutes * 60
    if progress.budget_s <= 0:
        raise SystemExit("No time budget: give --minutes or --until.")
    logger.info("%s at step %d", "resumed" if is_resumed else "started", progress.step)
    if arguments.compile:
        trainer.compile()
    trainer.train()


if __name__ == "__main__":
    main()
