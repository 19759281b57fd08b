"""What a run starts from: its weights, fetched where they are missing, said in its log, and kept in its folder.

`weights.json` holds the hash of the file. What a PEFT method learns means something only beside the very weights that
it was learnt on, so continuing, evaluating and exporting refuse others.
"""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from models.backbone import NOT_STATED
from models.parameters import count_parameters
from visionft.amounts import size_text
from visionft.errors import RunError, WeightsError
from visionft.events import OnEvent, ShouldStop, ignore_event
from visionft.files import read_json, write_json
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import BaseWeights, RunSummary, TrainResult
from visionft.weights import fetch
from visionft.weights.locations import PRETRAINED, RANDOM, bundled_file
from visionft.weights.reading import stated_licence
from visionft.weights.records import WeightsRecord, read_record

if TYPE_CHECKING:
    from models.networks import LoadReport

WEIGHTS_FILE = "weights.json"
NO_LICENCE = "none (random weights)"


def ensure_weights(config: TrainConfig, *, on_event: OnEvent, should_stop: ShouldStop) -> bool:
    """Fetch the pretrained weights when the settings want them and they are not here; False when stopped.

    Raises:
        WeightsError: They cannot be had.
    """
    if config.weights != PRETRAINED:
        return True
    is_main = os.environ.get("RANK", "0") == "0"  # of processes that train together one tells, the others wait for it
    tell = on_event if is_main else ignore_event
    fetched = fetch(
        config.backbone_row, accepted=config.accept_licence, with_text=False, on_event=tell, should_stop=should_stop
    )
    return fetched is not None


def stopped_before_start(config: TrainConfig, *, classes: int, run_dir: Path) -> TrainResult:
    """Return the result of a run that was stopped while its weights were fetched; it has left no folder."""
    count = count_parameters(
        config.backbone_row,
        config.method_row,
        classes=classes,
        options=config.method_options,
        image_size=config.input_size,
    )
    return TrainResult(
        run=run_dir.name,
        best=None,
        seconds=0.0,
        stopped=True,
        trainable_parameters=count.trainable,
        total_parameters=count.total,
        device=config.device,
        precision=config.precision,
    )


def base_weights_for(config: TrainConfig, loaded: "LoadReport | None") -> BaseWeights:
    """Return what a run starts from, as its result and its export tell it."""
    if loaded is None:
        return BaseWeights(source=RANDOM, licence=NO_LICENCE)
    path = loaded.path
    licence, origin, revision = stated_origin(config, path, loaded.sha256)
    return BaseWeights(
        source=config.weights,
        file=path.name,
        sha256=loaded.sha256,
        bytes=loaded.bytes,
        licence=licence,
        origin=origin,
        revision=revision,
        head_classes=loaded.head_classes,
        left_out=loaded.left_out,
        resized_from=loaded.resized_from,
    )


def stated_origin(config: TrainConfig, path: Path, sha256: str) -> tuple[str, str, str]:
    """Return licence, origin and revision of the file that a run starts from, as far as anybody states them."""
    backbone, record = config.backbone_row, _record_of(path, sha256)
    if record:
        return record.licence, record.origin, record.revision
    if config.weights != PRETRAINED:
        return stated_licence(path), str(path), ""
    if path == bundled_file(backbone):
        return backbone.licence, backbone.origin, ""
    revision = path.parent.name if path.parent.parent.name == "snapshots" else ""  # of the hub's cache
    return backbone.licence, backbone.hub_id, revision


def _record_of(path: Path, sha256: str) -> WeightsRecord | None:
    """Return the record beside a file of any weights folder, when it speaks of this very file."""
    try:
        record = read_record(path)
    except WeightsError:
        return None  # some other program's JSON beside a file that was given by its path
    return record if record and record.sha256 == sha256 else None


def describe(weights: BaseWeights) -> str:
    """Say in a line or two what a run starts from and what of the file it does not use."""
    if weights.source == RANDOM:
        return "Starts from random weights."
    text = f"Starts from {weights.file} ({size_text(weights.bytes)}, licence {weights.licence})."
    if weights.head_classes:
        text += f" Its classifier head for {weights.head_classes:,} classes is left out; a fresh one learns yours."
    others = [name for name in weights.left_out if not name.startswith(("head.", "fc."))]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        text += f" This network has no place for {others[0]}{more}."
    if weights.resized_from:
        text += f" Its {weights.resized_from} position embeddings are interpolated to this picture size."
    return text


def save_base_weights(run_dir: Path, weights: BaseWeights) -> None:
    """Keep what a run starts from in its folder.

    Raises:
        RunError: The folder belongs to a run that started from other weights.
    """
    if (run_dir / WEIGHTS_FILE).exists():
        check_base_weights(run_dir, weights)
    else:
        write_json(run_dir / WEIGHTS_FILE, dataclasses.asdict(weights))


def check_base_weights(run_dir: Path, weights: BaseWeights) -> None:
    """Refuse weights that are not the ones that a run was started from; runs that kept none pass.

    Raises:
        RunError: They are others.
    """
    earlier = read_base_weights(run_dir)
    if earlier is None or earlier.sha256 == weights.sha256:
        return
    hint = f"Bring back the {earlier.file} of {earlier.origin} with SHA-256 {earlier.sha256[:12]}..., or train again."
    raise RunError(f"{run_dir.name} was started from other weights than the {weights.file} that is here now.", hint)


def base_weights_of(run: RunSummary) -> BaseWeights:
    """Return what a run started from; for a run of an older VisionFT, what its settings tell of it.

    Raises:
        RunError: Its `weights.json` is damaged.
    """
    config = run.config
    is_pretrained = config.weights == PRETRAINED
    licence = config.backbone_row.licence if is_pretrained else NO_LICENCE if config.weights == RANDOM else NOT_STATED
    return read_base_weights(run.path) or BaseWeights(source=config.weights, licence=licence)


def read_base_weights(run_dir: Path) -> BaseWeights | None:
    """Return what `save_base_weights` kept; None for a run of an older VisionFT.

    Raises:
        RunError: The file is damaged.
    """
    path = run_dir / WEIGHTS_FILE
    if not path.exists():
        return None
    try:
        return BaseWeights.from_dict(read_json(path))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is damaged: {error}.", "Restore it from a copy, or train again.") from error
