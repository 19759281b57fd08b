"""The snapshot of images, labels and splits in a run's folder. Torch-free."""

import gzip
import json
from pathlib import Path

from models.messages import Message
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.files import atomic_path, parse_json, read_gzip

SNAPSHOT_FILE = "snapshot.json.gz"


def write_snapshot(run_dir: Path, images: Snapshot) -> None:
    rows = [[i.image_id, str(i.path), i.sha256, list(i.labels), i.split] for i in images.images]
    values = {"task": images.task, "class_names": images.class_names, "images": rows}
    if any(images.prompts):
        values["prompts"] = images.prompts
    if images.image_reading != AS_STORED:
        values["image_reading"] = images.image_reading.to_dict()
    text = json.dumps(values, ensure_ascii=False)
    with atomic_path(run_dir / SNAPSHOT_FILE) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), compresslevel=5, mtime=0))


def read_snapshot(run_dir: Path) -> Snapshot:
    """Return a snapshot from `write_snapshot` (RunError: the file is missing or damaged)."""
    try:
        values = parse_json(read_gzip(run_dir / SNAPSHOT_FILE))
        images = tuple(
            SnapshotImage(number, Path(path), digest, tuple(labels), split)
            for number, path, digest, labels, split in values["images"]
        )
        prompts = tuple(tuple(lines) for lines in values.get("prompts", ()))
        reading = ImageReading.from_dict(values.get("image_reading", {}))
        return Snapshot(values["task"], tuple(values["class_names"]), images, prompts, reading)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        message = Message("{name} has lost the list of its images: {reason}.", name=run_dir.name, reason=error)
        raise RunError(message, "Start a new run.") from error
