"""A job file: one training run, to be carried to another computer.

It holds the images as the network will see them, their labels as numbers, the settings, and weights that do not come
with the program. It holds no path, no file name, no name of a class or of the project.
"""

import contextlib
import dataclasses
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from models.weights.locations import PRETRAINED, RANDOM, bundled_file, find_weights
from visionft.core.amounts import size_text
from visionft.core.errors import ImageError, VisionFTError, no_readable_images_error
from visionft.core.events import Notice, Progress
from visionft.core.files import MAX_RECORD_BYTES, list_folder, read_json, temporary_folder, write_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.records import from_plain
from visionft.data.decode import decode
from visionft.data.image_reading import AS_STORED
from visionft.data.types import SPLITS, Snapshot, SnapshotImage
from visionft.features.feature_spec import with_aspect
from visionft.training.base_weights import ensure_weights
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import resolved_framing
from visionft.training.remote.packed_file import (
    SETTINGS,
    Content,
    Manifest,
    PackedFileError,
    PackedJob,
    is_job_number,
    pack,
    read_kept_job,
    read_manifest,
    require_trainable_elsewhere,
)
from visionft.training.runs.manifest import is_plain_name
from visionft.training.runs.run_folder import RUNS_FOLDER
from visionft.training.runs.run_snapshot import SNAPSHOT_FILE, write_snapshot

KIND: Final = "job"
SUFFIX: Final = ".vftjob"
RESULT_SUFFIX: Final = ".vftresult"
JOBS_FOLDER: Final = "jobs"  # in a project: the packed jobs, whose results are taken back
JOB_FILE: Final = "job.json"  # in the folder of an unpacked job, and in the run of its result
IMPORTED_FILE: Final = "imported.json"  # in the record of a job: the run of its result
QUALITY: Final = 95  # of JPEG, without chroma subsampling
_FORECAST_IMAGES: Final = 16  # images, for the forecast
_WEIGHTS: Final = "weights"


def packed_bytes(images: Snapshot, config: TrainConfig, *, lossless: bool = False) -> int:
    """Return a forecast of the size of a job file, from a few of its images."""
    used, weights = _used(images), _packed_weights(config)
    some = used[:: max(1, len(used) // _FORECAST_IMAGES)]
    sizes = [len(content) for image in some if (content := _packed_image(image, config, lossless=lossless))]
    return round(len(used) * sum(sizes) / max(1, len(sizes))) + (weights.stat().st_size if weights else 0)


def pack_job(
    project_dir: Path,
    images: Snapshot,
    config: TrainConfig,
    target: Path,
    *,
    lossless: bool = False,
    job: JobContext = SILENT_JOB,
) -> PackedJob:
    """Pack a training run of a project into a file, and keep a record in the project.

    The framing `auto` is measured here first, so that images are packed at the size which it needs.

    Args:
        target: The file to write; an earlier one is replaced.
        lossless: Pack the very pixels of training here; about twice as large.

    Raises:
        ConfigError: Settings or images are unsuitable for training.
        RunError: No image can be read.
        VisionFTError: The file cannot be written, or the settings need a run of the project.
        JobCancelled: The user cancelled; nothing is left behind.
    """
    check_config(config, images)
    require_trainable_elsewhere(config)
    ensure_weights(config, job=job)
    config = with_aspect(resolved_framing(config, images, project_dir, job=job), images)
    size = packed_bytes(images, config, lossless=lossless)
    job.report(Notice(message=Message("The job file takes about {size}.", size=size_text(size))))
    packer = _ImagePacker(config, images, lossless=lossless, job=job)
    number = str(uuid.uuid4())
    with temporary_folder(project_dir / JOBS_FOLDER / number) as kept:
        facts = {"job": number, "side": config.near_side, "lossless": lossless}
        manifest = pack(target, KIND, facts, packer.contents(kept, facts))
        write_json(kept / SETTINGS, config.to_dict())
        write_snapshot(kept, packer.packed(of_project=True))
        (project_dir / JOBS_FOLDER).mkdir(exist_ok=True)
        shutil.copytree(kept, project_dir / JOBS_FOLDER / number)
    return PackedJob.of(manifest)


def _used(images: Snapshot) -> list[SnapshotImage]:
    return [image for split in SPLITS for image in images.labelled(split)]


def _packed_weights(config: TrainConfig) -> Path | None:
    """Return the weights file to pack; None for bundled weights."""
    if config.weights == RANDOM or not config.needs_base_weights:
        return None
    found = find_weights(config.backbone_row, config.weights)
    is_bundled = config.weights == PRETRAINED and found == bundled_file(config.backbone_row)
    return None if is_bundled else found


class _ImagePacker:
    """The files of a job, one after the other."""

    def __init__(self, config: TrainConfig, images: Snapshot, *, lossless: bool, job: JobContext) -> None:
        self._config, self._images, self._lossless, self._job = config, images, lossless, job
        self._packed: list[tuple[SnapshotImage, SnapshotImage]] = []  # here, there

    def contents(self, folder: Path, facts: dict[str, Any]) -> Iterator[Content]:
        """Yield the files; `facts` are completed with their counts. `folder` is for temporary files."""
        used = _used(self._images)
        for done, image in enumerate(used):
            self._job.check_cancelled()
            self._job.report(Progress(stage="Packing images", done=done, total=len(used), unit="images"))
            content = _packed_image(image, self._config, lossless=self._lossless)
            if not content:
                continue
            name = f"images/{image.image_id}.{'webp' if self._lossless else 'jpg'}"
            there = dataclasses.replace(image, path=Path(name), sha256=hashlib.sha256(content).hexdigest())
            self._packed.append((image, there))
            yield name, content
        if not self._packed:
            raise no_readable_images_error("images")
        facts |= {"images": len(self._packed), "left_out": len(used) - len(self._packed)}
        settings = dataclasses.replace(self._config, device="auto", image_reading=AS_STORED)
        if weights := _packed_weights(self._config):
            name = f"{_WEIGHTS}/base{weights.suffix}"
            settings = dataclasses.replace(settings, weights=name)
            yield name, weights
        write_snapshot(folder, self.packed())
        yield SNAPSHOT_FILE, (folder / SNAPSHOT_FILE).read_bytes()
        yield SETTINGS, json.dumps(settings.to_dict()).encode()

    def packed(self, *, of_project: bool = False) -> Snapshot:
        """Return the packed images with their labels: as they are in the job file, or in the project."""
        images = tuple(sorted((pair[not of_project] for pair in self._packed), key=lambda image: image.image_id))
        if of_project:
            return dataclasses.replace(self._images, images=images)
        numbers = tuple(str(index) for index in range(len(self._images.class_names)))
        return Snapshot(self._images.task, numbers, images)


def _packed_image(image: SnapshotImage, config: TrainConfig, *, lossless: bool) -> bytes:
    """Return an image as it is packed; nothing where it cannot be read."""
    try:
        pixels = decode(image.path, near_side=config.near_side, reading=config.image_reading)
    except ImageError:
        return b""
    return encoded(pixels, lossless=lossless)


def encoded(pixels: Any, *, lossless: bool) -> bytes:
    """Return uint8 (H, W, 3) pixels as JPEG, or as WebP without loss."""
    from PIL import Image

    written = BytesIO()
    if lossless:
        Image.fromarray(pixels).save(written, "webp", lossless=True, quality=50, method=2)
    else:
        Image.fromarray(pixels).save(written, "jpeg", quality=QUALITY, subsampling=0)
    return written.getvalue()


def read_job(path: Path) -> tuple[Manifest, PackedJob]:
    """Return the manifest and the facts of a job file (PackedFileError: not a job file, or unsafe)."""
    manifest = read_manifest(path, KIND)
    return manifest, PackedJob.of(manifest)


def job_of_folder(folder: Path) -> str:
    """Return the number of the job that a folder is of, as its `JOB_FILE` states it; empty where it states none."""
    try:
        return from_plain(dict[str, str], read_json(folder / JOB_FILE, max_bytes=MAX_RECORD_BYTES)).get("job", "")
    except (OSError, ValueError):
        return ""


def imported_run(project_dir: Path, number: str) -> str:
    """Return the run that the result of a job became; empty where it is not in the project, or no longer."""
    runs = project_dir / RUNS_FOLDER
    with contextlib.suppress(OSError, ValueError):
        record = read_json(project_dir / JOBS_FOLDER / number / IMPORTED_FILE, max_bytes=MAX_RECORD_BYTES)
        named = from_plain(dict[str, str], record).get("run", "")
        if is_plain_name(named) and (runs / named).is_dir():
            return named
    folders = (each for each in list_folder(runs) if not each.name.startswith("."))
    return next((each.name for each in folders if job_of_folder(each) == number), "")


def kept_job(project_dir: Path, number: str) -> tuple[TrainConfig, Snapshot]:
    """Return the settings and images that a project packed under this number.

    Raises:
        PackedFileError: It packed no such job, or the record of it is damaged.
    """
    folder = project_dir / JOBS_FOLDER / number
    if not is_job_number(number) or not folder.is_dir():
        message = Message("{project} has packed no such job.", project=project_dir.name)
        raise PackedFileError(message, "Open the project that it was packed from.")
    try:
        return read_kept_job(folder)
    except (OSError, ValueError, VisionFTError) as error:
        message = Message(
            "The record of this job in {project} is damaged: {reason}.", project=project_dir.name, reason=error
        )
        raise PackedFileError(message, "Train it again.") from error
