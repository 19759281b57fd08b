"""The base weights of a run: downloaded where missing, logged, and recorded in its folder.

`weights.json` holds the hash of the file. PEFT updates are valid only with their own base weights, so resuming,
evaluation and export refuse others.
"""

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from models.backbone import NOT_STATED
from models.methods.method import count_parameters
from models.weights.locations import PRETRAINED, RANDOM, bundled_file
from models.weights.records import read_record
from models.weights.weights_loading import stated_licence
from visionft.core.amounts import size_text
from visionft.core.errors import RunError, WeightsError
from visionft.core.files import read_json, write_json
from visionft.core.jobs import JobContext
from visionft.core.messages import Message, listed, sentences
from visionft.features.embedding import ensure_network
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import BaseWeights, StoredRun, TrainResult

if TYPE_CHECKING:
    from models.networks import LoadReport

WEIGHTS_FILE = "weights.json"
NO_LICENCE = "none (random weights)"


def ensure_weights(config: TrainConfig, *, job: JobContext) -> bool:
    """Download the pretrained weights if the settings need them and they are missing; return False when cancelled."""
    return ensure_network(config.features, accepted=config.accept_licence, job=job)


def stopped_before_start(config: TrainConfig, *, classes: int, run_dir: Path) -> TrainResult:
    """Return the result of a run cancelled during the download of its weights; it has no folder."""
    size = {"classes": classes, "options": config.method_options, "shape": config.input_shape}
    count = count_parameters(config.backbone_row, config.method_row, **size)
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
    if loaded is None:
        return BaseWeights(source=RANDOM, licence=NO_LICENCE)
    licence, origin, revision = stated_origin(config, loaded.path, loaded.sha256)
    names = ("sha256", "bytes", "head_classes", "left_out", "resized_from")
    report = {name: getattr(loaded, name) for name in names}
    file = loaded.path.name
    return BaseWeights(source=config.weights, file=file, licence=licence, origin=origin, revision=revision, **report)


def stated_origin(config: TrainConfig, path: Path, sha256: str) -> tuple[str, str, str]:
    """Return licence, origin and revision of the base weights; empty where they are unknown."""
    backbone, record = config.backbone_row, None
    with contextlib.suppress(WeightsError):  # a JSON file of another program may lie beside a file given by its path
        record = read_record(path)
    if record and record.sha256 == sha256:
        return record.licence, record.origin, record.revision
    if config.weights != PRETRAINED:
        return stated_licence(path), str(path), ""
    if path == bundled_file(backbone):
        return backbone.licence, backbone.origin, ""
    revision = path.parent.name if path.parent.parent.name == "snapshots" else ""  # layout of the hub's cache
    return backbone.licence, backbone.hub_id, revision


def describe(weights: BaseWeights) -> str:
    """Describe the base weights and their unused tensors in one to four sentences."""
    if weights.source == RANDOM:
        return Message("Starts from random weights.")
    origin = Message("Starts from {file} ({size}, licence {licence}).", size=size_text(weights.bytes))
    texts = [Message(origin, file=weights.file, licence=weights.licence)]
    if weights.head_classes:
        left_out = Message("Its classifier head for {count} classes is left out; a fresh one learns yours.")
        texts.append(Message(left_out, count=weights.head_classes))
    unused = [name for name in weights.left_out if not name.startswith(("head.", "fc."))]
    if unused:
        texts.append(Message("Ignored, because the network lacks it: {name}.", name=listed(unused, most=1)))
    if weights.resized_from:
        resized = Message("Its {count} position embeddings are interpolated to this image size.")
        texts.append(Message(resized, count=weights.resized_from))
    return sentences(*texts)


def save_base_weights(run_dir: Path, weights: BaseWeights) -> None:
    """Write the record of the base weights into a run's folder (RunError: the run has other base weights)."""
    if (run_dir / WEIGHTS_FILE).exists():
        check_base_weights(run_dir, weights)
    else:
        write_json(run_dir / WEIGHTS_FILE, dataclasses.asdict(weights))


def check_base_weights(run_dir: Path, weights: BaseWeights) -> None:
    """Raise RunError if the weights differ from the run's recorded base weights; runs without a record pass."""
    recorded = read_base_weights(run_dir)
    if recorded is None or recorded.sha256 == weights.sha256:
        return
    hint = Message(
        "Restore {file} of {origin} (SHA-256 {sha256}...), or train again.",
        file=recorded.file,
        origin=recorded.origin,
        sha256=recorded.sha256[:12],
    )
    message = Message("{name} was started from other weights than the {file} that is here now.", name=run_dir.name)
    raise RunError(Message(message, file=weights.file), hint)


def base_weights_of(run: StoredRun) -> BaseWeights:
    """Return the base weights of a run; for a run of an older VisionFT, from its settings alone."""
    config = run.config
    is_pretrained = config.weights == PRETRAINED
    licence = config.backbone_row.licence if is_pretrained else NO_LICENCE if config.weights == RANDOM else NOT_STATED
    return read_base_weights(run.path) or BaseWeights(source=config.weights, licence=licence)


def read_base_weights(run_dir: Path) -> BaseWeights | None:
    """Return the record from `save_base_weights`; None for a run of an older VisionFT."""
    path = run_dir / WEIGHTS_FILE
    if not path.exists():
        return None
    try:
        return BaseWeights.from_dict(read_json(path))
    except (OSError, ValueError) as error:
        message = Message("{path} is damaged: {reason}.", path=path, reason=error)
        raise RunError(message, "Restore it from a copy, or train again.") from error
