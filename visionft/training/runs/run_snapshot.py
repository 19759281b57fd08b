"""The pictures, labels and splits that a run learns from, as its folder keeps them. Torch-free."""

import gzip
import json
from pathlib import Path

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.files import atomic_path, parse_json, read_gzip

SNAPSHOT_FILE = "snapshot.json.gz"


def write_snapshot(run_dir: Path, images: Snapshot) -> None:
    """Keep the pictures, labels, splits and prompts that a run learns from."""
    rows = [[i.image_id, str(i.path), i.sha256, list(i.labels), i.split] for i in images.images]
    values = {"task": images.task, "class_names": images.class_names, "images": rows}
    if any(images.prompts):
        values["prompts"] = images.prompts
    text = json.dumps(values, ensure_ascii=False)
    with atomic_path(run_dir / SNAPSHOT_FILE) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), compresslevel=5, mtime=0))


def read_snapshot(run_dir: Path) -> Snapshot:
    """Return what `write_snapshot` kept.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        values = parse_json(read_gzip(run_dir / SNAPSHOT_FILE))
        images = tuple(
            SnapshotImage(number, Path(path), digest, tuple(labels), split)
            for number, path, digest, labels, split in values["images"]
        )
        prompts = tuple(tuple(lines) for lines in values.get("prompts", ()))
        return Snapshot(values["task"], tuple(values["class_names"]), images, prompts)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run_dir.name} does not know its pictures any more: {error}.", "Start a new run.") from error
