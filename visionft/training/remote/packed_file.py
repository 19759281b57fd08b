"""A job file and its result: a zip with a manifest of sizes and hashes, and its schema.

The file is untrusted: only names of the manifest are unpacked, each must be a plain relative path of ASCII, and
nothing is larger than the manifest says. Types and ranges are checked whole before anything is used: the manifest
here, a job by `running.py`, a result by `results.py`. Nothing in it runs, and PyTorch is not loaded.
"""

import dataclasses
import hashlib
import json
import math
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import visionft
from models.weights.locations import PRETRAINED, RANDOM
from visionft.core.amounts import size_text
from visionft.core.errors import VisionFTError
from visionft.core.events import EpochDone, Progress
from visionft.core.files import MAX_RECORD_BYTES, atomic_path, open_regular, parse_json, read_json, read_lines
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.records import from_plain
from visionft.data.types import Snapshot
from visionft.training.base_weights import WEIGHTS_FILE
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.manifest import BEST_FOLDER, MODEL_FILE, STATE_FILE
from visionft.training.runs.manifest import MANIFEST_FILE as BEST_MANIFEST
from visionft.training.runs.manifest import read_manifest as read_checkpoint_manifest
from visionft.training.runs.run_folder import BaseWeights, TrainResult, best_epoch
from visionft.training.runs.run_snapshot import read_snapshot

FORMAT: Final = 1  # another number whenever an earlier program could not read the file
SETTINGS: Final = "settings.json"  # of a job
CONFIG, METRICS, RESULT = "config.json", "metrics.jsonl", "result.json"  # of a result
OF_RESULT: Final = (
    *(CONFIG, METRICS, RESULT, WEIGHTS_FILE),
    *(f"{BEST_FOLDER}/{name}" for name in (BEST_MANIFEST, MODEL_FILE, STATE_FILE)),
)
_HEADING = ("kind", "format", "program")  # of a manifest
_MAX_FILES = 2_000_000  # ImageNet has 1.3 million training images
_MAX_EPOCHS: Final = 100_000  # the settings allow 10,000
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/){0,3}[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # a UUID
_SHARES: Final = frozenset({"share", "train_accuracy", "val_accuracy", "top1"})  # of 1
_DIVISORS: Final = frozenset({"steps", "total_parameters"})  # at least 1
_EPOCHS: Final = frozenset({"epoch", "epochs", "first_epoch"})
_SIGNED_METRICS: Final = frozenset(
    {"loss", "train_loss", "val_loss", "feature_drift"}
)  # may be below 0, if only by rounding


class PackedFileError(VisionFTError):
    """A job or a result cannot be used; nothing of it was taken."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a packed file.

    Attributes:
        facts: Values of its kind: plain JSON.
        files: {name: (bytes, SHA-256)}.
        program: Version of the writing program.
    """

    facts: dict[str, Any]
    files: dict[str, tuple[int, str]]
    program: str

    @property
    def bytes(self) -> int:
        return sum(size for size, _ in self.files.values())


@dataclass(frozen=True, kw_only=True)
class PackedJob:
    """The facts of a job file.

    Attributes:
        job: Its number, a random UUID.
        images: Number of images; `left_out` could not be read.
        side: About the shorter side of the packed images, in pixels.
        lossless: Whether training there sees exactly the same pixels.
        bytes: Size of all files.
    """

    job: str
    images: int
    left_out: int
    side: int
    lossless: bool
    bytes: int

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the facts of a job's manifest (PackedFileError: invalid facts)."""
        try:
            facts = from_plain(cls, manifest.facts | {"bytes": manifest.bytes})
            _require_job_number(facts.job)
            _require_ranges(facts)
        except ValueError as error:
            raise damaged_job(error) from error
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """The facts of a result.

    Attributes:
        job: The number of its job.
        evaluations: By split the accuracy there, as `top1`, and the number of `images`.
        device: The device there.
    """

    job: str
    evaluations: dict[str, dict[str, float]]
    device: str = ""

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the facts of a result's manifest (PackedFileError: invalid facts)."""
        try:
            facts = from_plain(cls, manifest.facts, is_finite=True)
            _require_job_number(facts.job)
            if not all(0 <= each["top1"] <= 1 for each in facts.evaluations.values()):
                raise ValueError("an accuracy is no share")
        except (ValueError, KeyError) as error:
            raise damaged_result(error) from error
        if missing := sorted(set(OF_RESULT) - manifest.files.keys()):
            message = Message("The result lacks {names}.", names=", ".join(missing))
            raise PackedFileError(message, "Run the job to its end, and copy its result again.")
        return facts


def damaged_job(reason: object) -> PackedFileError:
    return PackedFileError(Message("The job file is damaged: {reason}.", reason=reason), "Pack it again.")


def damaged_result(reason: object) -> PackedFileError:
    return PackedFileError(Message("The result is damaged: {reason}.", reason=reason), "Copy it again.")


def is_job_number(text: str) -> bool:
    """Return whether a text is the number of a job: a UUID, which is safe in paths and shells."""
    return _UUID.fullmatch(text) is not None


def _require_job_number(text: str) -> None:
    if not is_job_number(text):
        raise ValueError(Message("{job} is not the number of a job", job=repr(text)[:80]))


def read_manifest_values(values: Any, kind: str, name: str) -> Manifest:
    """Return the manifest of a packed file called `name` from its JSON values.

    Raises:
        ValueError: The values are not a manifest.
        PackedFileError: It is of another kind, of a newer program, or names files in a way that is not safe.
    """
    stated = from_plain(dict[str, Any], values)
    found, version, program = from_plain(tuple[str, int, str], [stated.get(each) for each in _HEADING])
    program = program[:40]
    if version > FORMAT:
        message = Message("{name} was written by a newer VisionFT ({program}).", name=name, program=program)
        raise PackedFileError(message, "Update this program.")
    if found != kind:
        message = Message("{name} is a {found}, not a {kind}.", name=name, found=found[:20], kind=kind)
        raise PackedFileError(message, "Give the other file.")
    facts = from_plain(dict[str, Any], stated.get("facts"))
    files = from_plain(dict[str, tuple[int, str]], stated.get("files"))
    if len(files) > _MAX_FILES or not all(map(_NAME.fullmatch, files)):
        raise PackedFileError(Message("{name} names files in a way that is not safe.", name=name), "Do not use it.")
    for size, digest in files.values():
        if size < 0 or not _SHA256.fullmatch(digest):
            raise ValueError("a file in it has no size or no hash")
    return Manifest(facts, files, program)


def require_trainable_elsewhere(config: TrainConfig) -> None:
    """Refuse settings bound to a project, and methods without training.

    Raises:
        VisionFTError: It is such a setting.
        ConfigError: There is no such method.
    """
    if config.start_from:
        hint = "Train it here, or start from pretrained weights."
        raise VisionFTError("A run that starts from another run of the project cannot be trained elsewhere.", hint)
    if config.method_row.is_training_free or not config.method_row.needs_labels:
        message = Message("{method} needs no training.", method=config.method_row.title)
        raise VisionFTError(message, "Make it here: it takes seconds. Or choose a method that trains the network.")


def read_job_contents(folder: Path, manifest: Manifest) -> tuple[TrainConfig, Snapshot]:
    """Return the settings and the images of an unpacked job, their paths relative to the folder.

    Raises:
        PackedFileError: They are damaged, lead out of the job, or do not fit together.
    """
    try:
        config = _settings(folder / SETTINGS)
        require_trainable_elsewhere(config)
        images = read_snapshot(folder)
        most = len(images.class_names) if images.task == "multi" else 1
        if any(len(set(each.labels)) < len(each.labels) or len(each.labels) > most for each in images.images):
            raise ValueError("an image has more labels than it may have")
    except (OSError, ValueError, VisionFTError) as error:
        raise damaged_job(error) from error
    stated = {each.path.as_posix(): each.sha256 for each in images.images}
    own = {name: digest for name, (_, digest) in manifest.files.items()}
    names = stated.keys() | ({config.weights} if config.weights not in (PRETRAINED, RANDOM) else set[str]())
    if not names <= own.keys() or any(own[name] != digest for name, digest in stated.items()):
        raise PackedFileError("The job names files that it does not hold.", "Pack it again.")
    return config, images


def read_kept_job(folder: Path) -> tuple[TrainConfig, Snapshot]:
    """Return the settings and images that a project keeps of a job (OSError, ValueError, VisionFTError: damaged)."""
    return _settings(folder / SETTINGS), read_snapshot(folder)


def read_result_contents(folder: Path) -> tuple[TrainConfig, TrainResult, BaseWeights]:
    """Return settings, result and base weights as an unpacked result states them, every number in its range.

    Raises:
        PackedFileError: They are damaged.
    """
    try:
        config = _settings(folder / CONFIG)
        result = TrainResult.from_dict(read_json(folder / RESULT, max_bytes=MAX_RECORD_BYTES))
        weights = BaseWeights.from_dict(read_json(folder / WEIGHTS_FILE, max_bytes=MAX_RECORD_BYTES))
        epochs = tuple(EpochDone.from_dict(parse_json(line)) for line in read_lines(folder / METRICS))
        for each in (result, weights, *epochs, *filter(None, (result.best, result.weights))):
            _require_ranges(each)
        if result.stopped or result.best is None or best_epoch(epochs) is None:
            raise ValueError("its training has not ended")
        if missing := {MODEL_FILE, STATE_FILE} - read_checkpoint_manifest(folder / BEST_FOLDER).keys():
            raise ValueError(Message("{name} is missing", name=min(missing)))
        if not isinstance(read_json(folder / BEST_FOLDER / STATE_FILE), dict):
            raise ValueError(Message("{name} is damaged", name=STATE_FILE))
    except (OSError, ValueError, VisionFTError) as error:
        raise damaged_result(error) from error
    return config, result, weights


def _settings(path: Path) -> TrainConfig:
    return TrainConfig.from_dict(from_plain(dict[str, Any], read_json(path, max_bytes=MAX_RECORD_BYTES)))


def _require_ranges(record: Any) -> None:
    """Check the numbers of a record (ValueError: one is not finite, negative, or out of the range of its name)."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        low = 1 if field.name in _DIVISORS else -float("inf") if field.name in _SIGNED_METRICS else 0
        high = 1 if field.name in _SHARES else _MAX_EPOCHS if field.name in _EPOCHS else float("inf")
        if not low <= value <= high or not math.isfinite(value):
            raise ValueError(Message("{name} is {value}", name=field.name, value=value))


MANIFEST_FILE: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = MAX_RECORD_BYTES * 20  # the manifest of ImageNet's 1.3 million images takes 150 MB
_CHUNK = 1 << 20  # bytes copied between two checks for cancellation
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError),
    *(NotImplementedError, RuntimeError, ValueError, KeyError),
)


Content = tuple[str, bytes | Path]
"""One file to pack: its name there, and its bytes or where they are."""


def pack(target: Path, kind: str, facts: dict[str, Any], contents: Iterable[Content]) -> Manifest:
    """Write a packed file (VisionFTError: it cannot be written; an earlier file at its place stays).

    Args:
        target: The file to write.
        kind: Kind of the file, such as `job`; `read_manifest` refuses another.
        facts: Values of this kind: plain JSON.
        contents: Files, read one after the other; images are compressed already, so they are stored.
    """
    files: dict[str, tuple[int, str]] = {}
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, source in contents:
            digest = hashlib.sha256()
            size = 0
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                for part in _parts(source):
                    entry.write(part)
                    digest.update(part)
                    size += len(part)
            files[name] = (size, digest.hexdigest())
        values = {"kind": kind, "format": FORMAT, "program": visionft.__version__, "facts": facts, "files": files}
        archive.writestr(zipfile.ZipInfo(MANIFEST_FILE), json.dumps(values, ensure_ascii=False))
    return Manifest(facts, files, visionft.__version__)


def _parts(source: bytes | Path) -> Iterable[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with open_regular(source) as handle:
        while part := handle.read(_CHUNK):
            yield part


def read_manifest(path: Path, kind: str) -> Manifest:
    """Return the manifest of a packed file of this kind.

    Raises:
        PackedFileError: It is missing, damaged, of another kind, of a newer program, or unsafe.
    """
    try:
        with open_regular(path) as handle, zipfile.ZipFile(handle) as archive:
            entry = _stored(archive, MANIFEST_FILE)
            if entry.file_size > MAX_MANIFEST_BYTES:
                raise ValueError("its manifest is too large")
            values: Any = parse_json(archive.read(entry), max_bytes=max(1000, entry.file_size))
        return read_manifest_values(values, kind, path.name)
    except OSError as error:
        message = Message("{path} cannot be read: {reason}.", path=path, reason=error.strerror or str(error))
        raise PackedFileError(message, "Check the path, or copy the file again.") from error
    except _DAMAGE as error:
        message = Message("{name} is not a file of VisionFT, or it is damaged: {reason}.", name=path.name, reason=error)
        raise PackedFileError(message, "Copy it again from where it was written.") from error


def _stored(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return an entry as `pack` writes it (KeyError: missing; ValueError: compressed)."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > entry.compress_size:
        raise ValueError(Message("{name} is compressed", name=name))
    return entry


def unpack(path: Path, manifest: Manifest, folder: Path, *, job: JobContext = SILENT_JOB) -> None:
    """Unpack every file of the manifest into an existing folder, and check it.

    Raises:
        PackedFileError: A file is missing, differs from the manifest, or there is no room for all.
        JobCancelled: The user cancelled.
    """
    free = shutil.disk_usage(folder).free
    if manifest.bytes > free:
        message = Message("{folder} has room for {free}, and {name} holds {size}.", folder=folder, name=path.name)
        message = Message(message, free=size_text(free), size=size_text(manifest.bytes))
        raise PackedFileError(message, "Make room, or choose another folder.")
    try:
        with open_regular(path) as handle, zipfile.ZipFile(handle) as archive:
            for done, (name, (size, digest)) in enumerate(manifest.files.items()):
                job.check_cancelled()
                job.report(Progress(stage="Unpacking", done=done, total=len(manifest.files)))
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(_stored(archive, name)) as source, (folder / name).open("wb") as target:
                    _copy(source, target, size, digest)
    except _DAMAGE as error:
        message = Message("{name} is damaged: {reason}.", name=path.name, reason=error)
        raise PackedFileError(message, "Copy it again from where it was written.") from error
    except OSError as error:
        message = Message("{name} cannot be unpacked: {reason}.", name=path.name, reason=error.strerror or str(error))
        raise PackedFileError(message, "Make room, or choose another folder.") from error


def _copy(source: Any, target: Any, size: int, wanted: str) -> None:
    digest = hashlib.sha256()
    left = size
    while part := source.read(min(_CHUNK, left + 1)):
        left -= len(part)
        if left < 0:
            break
        digest.update(part)
        target.write(part)
    if left or digest.hexdigest() != wanted:
        raise ValueError(Message("a file in it differs from its manifest"))
