"""Pretrain the hybrid ViT's blocks on stored maps of its frozen embedding (see ``hybrid_targets``).

``hybrid_pretrain.py --data ... --resnet ... --teacher ... --cache ... --out ... --until 11:05``

The schedule is a function of the elapsed share of the time budget, as in ``pretrain``; an interrupted run resumes
with the same command. ``--export FILE`` writes the averaged weights of the last checkpoint and trains nothing.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hybrid_distiller import NO_CLASS, CachedBatch, HybridDistiller, start_from
from hybrid_targets import HybridShard, load_efficientnet, load_resnet, open_held_out, open_shards
from muon import build_optimizers
from pretrain import Progress
from safetensors.torch import save_file
from views import SOURCE_PX, load_labels

from models.catalog import BACKBONES

logger = logging.getLogger(__name__)

ROW = BACKBONES["hybrid_vit"]
NAME, INPUT_SIZE_PX, TIMM_KWARGS = ROW.name, ROW.input_size, dict(ROW.model_args)
MEAN, STD = ROW.normalisation

BATCH, WARM_UP_SHARE, EMA_DECAY = 48, 0.05, 0.98
# Of Muon (the blocks' matrices) and of AdamW: the heads begin at their closed-form solution and need smaller steps.
PEAK_RATES = (1e-3, 3e-4)
HELD_OUT_BATCH, HELD_OUT_COUNT, SAMPLE_SHARDS = 150, 300, 8


def stored_batch(shard: HybridShard, rows: np.ndarray, labels: np.ndarray) -> CachedBatch:
    """Read rows of a shard."""

    def read(name: str) -> torch.Tensor:
        return torch.from_numpy(getattr(shard, name)[rows].astype(np.float32))

    stage4, class_index = read("stage4"), labels[shard.indices[rows][:, 0]].astype(np.int64)
    is_mosaic = np.asarray(shard.windows[rows][:, 2] > SOURCE_PX)
    own = [stage4.mean((2, 3)).clamp_min(0).sqrt(), read("stage2").clamp_min(0).sqrt()]
    return CachedBatch(
        embed=read("embed"),
        pooled=torch.cat([read("pooled"), *own], 1),
        maps=torch.cat([stage4, read("teacher")], 1),
        class_index=torch.from_numpy(np.where(is_mosaic, NO_CLASS, class_index)),
    )


class HybridTrainer:
    """The student, its optimisers, its average and their checkpoint."""

    def __init__(self, *, labels: np.ndarray, resnet: Any, teacher: Any, cache: Path, out: Path):
        torch.manual_seed(0)
        self.labels, self.cache, self.out = labels, cache, out
        self.shards, held_out = open_shards(cache), open_held_out(cache)
        self.held_out = [
            stored_batch(held_out, np.arange(at, at + HELD_OUT_BATCH), labels)
            for at in range(0, HELD_OUT_COUNT, HELD_OUT_BATCH)
        ]
        sample = self._sample(SAMPLE_SHARDS)
        network = start_from(resnet)
        self.student = HybridDistiller(network, teacher.classifier, sample=sample, class_count=int(labels.max()) + 1)
        self.average = copy.deepcopy(self.student)
        self.optimizers = build_optimizers(network, self.student.heads(), lr=PEAK_RATES[0])
        self.progress = Progress()

    def _sample(self, shards: int) -> CachedBatch:
        """Return all of the first shards of one image size: one map size goes into one batch."""
        same = [shard for shard in self.shards if shard.embed.shape[2:] == self.shards[0].embed.shape[2:]][:shards]
        parts = [stored_batch(shard, np.arange(len(shard.indices)), self.labels) for shard in same]
        return CachedBatch(**{key: torch.cat([getattr(part, key) for part in parts]) for key in vars(parts[0])})

    def restore(self) -> bool:
        """Load the last checkpoint; return whether there was one."""
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        return True

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
        progress = self.progress
        rng = np.random.default_rng([19, progress.step])
        shard = self.shards[int(rng.integers(len(self.shards)))]
        rows = np.sort(rng.choice(len(shard.indices), BATCH, replace=False))
        stored = stored_batch(shard, rows, self.labels)
        relative = self._relative_rate()
        for optimizer, peak in zip(self.optimizers, PEAK_RATES, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * relative
        losses = self.student(stored)
        torch.stack(list(losses.values())).sum().backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._update_average()
        progress.step += 1
        progress.views += BATCH
        return {"lr": PEAK_RATES[0] * relative, **{key: float(value.detach()) for key, value in losses.items()}}

    def _relative_rate(self) -> float:
        """Return a linear warm-up followed by a half cosine to 1 % of the peak, as a share of the peak."""
        fraction = self.progress.fraction
        if fraction < WARM_UP_SHARE:
            return max(0.02, fraction / WARM_UP_SHARE)
        cosine = 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))
        return 0.01 + 0.99 * cosine

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.progress.step) / (10 + self.progress.step))
        own = dict(self.student.named_parameters())
        for name, value in self.average.named_parameters():
            value.lerp_(own[name], 1 - decay)

    @torch.no_grad()
    def held_out_losses(self) -> dict[str, float]:
        """Return the averaged weights' mean losses on views of held-out images."""
        rows = [self.average(stored) for stored in self.held_out]
        return {f"held_out_{key}": float(np.mean([float(row[key]) for row in rows])) for key in rows[0]}

    def export(self, path: Path) -> None:
        """Write the averaged network as safetensors, matrices in float16, plain timm names, no head."""
        state = {
            key: (value.half() if value.ndim > 1 else value).contiguous().clone()
            for key, value in self.average.network.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        metadata = {
            "format": "pt",
            "architecture": NAME,
            "timm_class": "VisionTransformer",
            "timm_kwargs": json.dumps(TIMM_KWARGS),
            "input_size": json.dumps([3, INPUT_SIZE_PX, INPUT_SIZE_PX]),
            "mean": json.dumps(MEAN),
            "std": json.dumps(STD),
            "licence": "MIT (stages 1 to 3: CNTK's ResNet-18) and Apache-2.0 (the blocks; see the model card: trained "
            "on Tiny ImageNet images, ImageNet research terms)",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "views": str(self.progress.views),
        }
        partial = path.with_suffix(".partial")
        save_file(state, partial, metadata=metadata)
        partial.chmod(0o644)
        partial.replace(path)

    def train(self, *, checkpoint_s: float = 240, held_out_s: float = 900, log_s: float = 60) -> None:
        """Train until the budget is spent, then save and export."""
        progress = self.progress
        logged = saved = checked = before = time.monotonic()
        sums: dict[str, list[float]] = {}
        logged_views = progress.views
        while progress.fraction < 1:
            for key, value in self.step().items():
                sums.setdefault(key, []).append(value)
            now = time.monotonic()
            progress.elapsed_s, progress.total_s = progress.elapsed_s + now - before, progress.total_s + now - before
            before = now
            if now - saved >= checkpoint_s:
                self.save()
                saved = now
            if now - checked >= held_out_s:
                self._log(self.held_out_losses(), {})
                checked = now
            if now - logged >= log_s:
                rate = round((progress.views - logged_views) / (now - logged), 1)
                self._log({key: sum(row) / len(row) for key, row in sums.items()}, {"views_per_s": rate})
                logged, sums, logged_views = now, {}, progress.views
                self.shards = open_shards(self.cache)
        self.save()
        self._log(self.held_out_losses(), {})
        self.export(self.out / f"{NAME}.safetensors")

    def _log(self, values: dict[str, float], more: dict[str, float]) -> None:
        progress = self.progress
        row = {
            "time": datetime.datetime.now().isoformat(timespec="seconds"),
            "step": progress.step,
            "views": progress.views,
            "fraction": round(progress.fraction, 4),
            "shards": len(self.shards),
            **more,
            **{key: float(f"{value:.4g}") for key, value in values.items()},
        }
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train_*.npz")
    parser.add_argument("--resnet", type=Path, required=True, help="safetensors file of the ImageNet ResNet")
    parser.add_argument("--teacher", type=Path, required=True, help="safetensors file of EfficientNet-Lite2")
    parser.add_argument("--cache", type=Path, required=True, help="folder that hybrid_targets.py filled")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, log and export")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="time budget")
    budget.add_argument("--until", help="HH:MM at which training is to end, today")
    parser.add_argument("--export", type=Path, help="only write the checkpoint's averaged weights here")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Start, resume or export, depending on the arguments."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    trainer = HybridTrainer(
        labels=load_labels(arguments.data),
        resnet=load_resnet(arguments.resnet),
        teacher=load_efficientnet(arguments.teacher),
        cache=arguments.cache,
        out=arguments.out,
    )
    is_resumed = trainer.restore()
    if arguments.export:
        trainer.export(arguments.export)
        return
    progress = trainer.progress
    if arguments.until:
        end = datetime.datetime.combine(datetime.date.today(), datetime.time.fromisoformat(arguments.until))
        progress.budget_s = progress.elapsed_s + (end - datetime.datetime.now()).total_seconds()
    elif arguments.minutes:
        progress.budget_s = arguments.minutes * 60
    if progress.budget_s <= 0:
        raise SystemExit("No time budget: give --minutes or --until.")
    logger.info("%s at step %d", "resumed" if is_resumed else "started", progress.step)
    trainer._log(trainer.held_out_losses(), {})
    trainer.train()


if __name__ == "__main__":
    main()
