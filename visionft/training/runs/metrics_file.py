"""`metrics.jsonl` of a run: a line for each epoch that has ended. Torch-free."""

import dataclasses
import json
from contextlib import suppress
from pathlib import Path

from visionft.events import EpochDone
from visionft.files import parse_json, read_lines, write_text


def read_metrics(run_dir: Path) -> tuple[EpochDone, ...]:
    """Read the epochs of a run, leaving out a last line that a crash cut short."""
    path = run_dir / "metrics.jsonl"
    if not path.exists():
        return ()
    epochs: dict[int, EpochDone] = {}
    with suppress(ValueError, TypeError, AttributeError):
        for line in read_lines(path):
            epoch = EpochDone.from_dict(parse_json(line))
            epochs[epoch.epoch] = epoch
    return tuple(epochs.values())


def replace_metrics(run_dir: Path, changed: EpochDone) -> None:
    """Record an epoch in place of what was recorded of it."""
    epochs = [changed if epoch.epoch == changed.epoch else epoch for epoch in read_metrics(run_dir)]
    _write(run_dir, epochs)


def append_metrics(run_dir: Path, done: EpochDone) -> None:
    """Record an epoch as the last line, in place of the same or a later one that a crash had left."""
    epochs = [epoch for epoch in read_metrics(run_dir) if epoch.epoch < done.epoch]
    _write(run_dir, [*epochs, done])


def _write(run_dir: Path, epochs: list[EpochDone]) -> None:
    lines = [json.dumps(dataclasses.asdict(epoch)) for epoch in epochs]
    write_text(run_dir / "metrics.jsonl", "\n".join(lines) + "\n")
