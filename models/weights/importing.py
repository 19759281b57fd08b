"""Importing weights from files: a single one, or a whole folder from a computer with a network.

The backbone of a file is identified by names and shapes, never by code in it. It is saved as safetensors in the weights
folder, with a record of its hash; the original is only read.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.catalog import BACKBONES, Backbone, backbone_of_file, get_backbone, known_backbone
from models.timm_index import PREFIX, timm_names
from models.weights.fetching import import_tokenizer, tokenizer_owner
from models.weights.locations import weights_folder
from models.weights.records import WeightsRecord, check_room, install, read_record, sha256_of, sole_writer
from models.weights.weights_loading import KINDS, read_state, stated_licence
from visionft.core.errors import NextStep, VisionFTError, WeightsError
from visionft.core.events import Notice, Progress
from visionft.core.files import converting_write_errors, read_json, umask_permissions
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message

PIECE_BYTES = 4_000_000  # copied between two looks whether the job was cancelled
_HUB_CACHE_PREFIX = "models--timm--"  # begins what the hub's cache calls the folder of one of timm's repositories


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    backbone: str
    path: Path
    bytes: int
    sha256: str
    source: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    source: Path
    reason: str
    hint: str
    next_step: NextStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    imported: tuple[ImportedFile, ...]
    refused: tuple[RefusedFile, ...]
    stopped: bool


def import_weights(source: Path, *, backbone: str | None = None, job: JobContext = SILENT_JOB) -> ImportResult:
    """Copy a weights file, or all of a folder and those below it, into the weights folder.

    Without `backbone`, a file's location, names and shapes tell it. A `WeightsError` where the one file does not fit,
    or nothing in the folder is a weights file.
    """
    wanted = get_backbone(backbone) if backbone else None
    if source.is_dir():
        if wanted:
            hint = "Give one file. For a whole folder, leave the backbone out: it is recognised by names and shapes."
            raise WeightsError(
                Message("{folder} is a folder; {name} needs a file.", folder=source, name=wanted.name),
                hint,
            )
        return _import_folder(source, job)
    if not source.is_file():
        hint = Message("Give a file ({KINDS}) or a folder of them.", KINDS=", ".join(KINDS))
        raise WeightsError(Message("{path} does not exist.", path=source), hint)
    imported = _import_file(source, wanted, job)
    return ImportResult(imported=(imported,) if imported else (), refused=(), stopped=imported is None)


def _import_folder(folder: Path, job: JobContext) -> ImportResult:
    files: dict[Path, Path] = {}  # each once, although a hub cache has two names for it
    for path in sorted(folder.rglob("*")):
        is_kind = path.suffix.lower() in (*KINDS, ".onnx") or tokenizer_owner(path)
        if is_kind and not path.name.startswith(".") and path.is_file():
            files.setdefault(path.resolve(), path)
    if not files:
        hint = Message("It should hold files of {KINDS}.", KINDS=", ".join(KINDS))
        raise WeightsError(Message("There is no weights file in {folder}.", folder=folder), hint)
    imported, refused = [], []
    for number, path in enumerate(files.values()):
        if job.is_cancelled:
            break
        job.report(Progress(stage="Importing weights", done=number, total=len(files)))
        try:
            done = _import_file(path, None, job)
        except VisionFTError as error:
            refused.append(RefusedFile(source=path, reason=error.message, hint=error.hint, next_step=error.next_step))
            continue
        if done:
            imported.append(done)
    stopped = len(imported) + len(refused) < len(files)
    return ImportResult(imported=tuple(imported), refused=tuple(refused), stopped=stopped)


def _import_file(path: Path, wanted: Backbone | None, job: JobContext) -> ImportedFile | None:
    """Import one file; return None if cancelled."""
    job.report(Progress(stage=Message("Reading {name}", name=path.name), done=0, total=0))
    if path.suffix.lower() == ".json":
        owner, copied = import_tokenizer(path, wanted)
        message = Message("Imported {file} as the vocabulary of {name}.", file=path.name, name=owner.name)
        job.report(Notice(message=message))
        size = copied.stat().st_size
        sha256 = sha256_of(copied)
        return ImportedFile(backbone=owner.name, path=copied, bytes=size, sha256=sha256, source=path)
    copied_record = _copied_record(path)
    state = read_state(path)
    sha256 = sha256_of(path)
    pinned = next((backbone for backbone in BACKBONES.values() if backbone.pin.sha256 == sha256), None)
    backbone = wanted or pinned or _backbone_by_location(path, copied_record) or _backbone_by_shapes(path, state)
    _check_fit(path, backbone, state)
    if backbone.bundled:
        hint = Message("To use this file, give its path as the weights of a run: {path}", path=path)
        raise WeightsError(Message("{name} ships with its weights.", name=backbone.name), hint)
    with sole_writer(backbone, job=job) as is_mine:
        if not is_mine:
            return None
        check_room(path.stat().st_size)
        temporary = weights_folder() / f".{backbone.file_stem}.import.part"
        try:
            if not _write(path, state, temporary, job):
                return None
            record = _record(backbone, path, temporary, copied_record)
            installed = install(temporary, backbone, record)
        finally:
            temporary.unlink(missing_ok=True)
    job.report(
        Notice(
            message=Message(
                "Imported {name} as {backbone}, licence {licence}.",
                name=path.name,
                backbone=backbone.name,
                licence=record.licence,
            )
        )
    )
    return ImportedFile(backbone=backbone.name, path=installed, bytes=record.bytes, sha256=record.sha256, source=path)


def _copied_record(path: Path) -> WeightsRecord | None:
    """Return the record that was copied together with a weights file from another weights folder, or None.

    Raises:
        WeightsError: The file does not match its record, because it was damaged in transfer.
    """
    try:
        record = read_record(path)
    except WeightsError:
        return None  # the JSON file next to it belongs to another program
    if record and sha256_of(path) != record.sha256:
        template = Message("{name} was damaged in transfer: it differs from its record {stem}.json.")
        raise WeightsError(Message(template, name=path.name, stem=path.stem), "Copy it again.")
    return record


def _backbone_by_location(path: Path, copied_record: WeightsRecord | None) -> Backbone | None:
    """Return the backbone named by a record, the file's name, a hub folder's name or a timm `config.json`."""
    if named := (known_backbone(copied_record.backbone) if copied_record else None) or backbone_of_file(path.stem):
        return named
    parts = {part.lower() for part in (*path.absolute().parts, path.stem)}
    for backbone in BACKBONES.values():
        if backbone.text and parts & {_cache_folder(backbone), backbone.hub_id.removeprefix(PREFIX).lower()}:
            return backbone
    repositories = {PREFIX + part.removeprefix(_HUB_CACHE_PREFIX) for part in parts} & set(timm_names())
    if repositories:
        return get_backbone(min(repositories))
    try:
        config: Any = read_json(path.with_name("config.json"))
        described = config["architecture"], config.get("model_args") or {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    rows = ((backbone, json.loads(json.dumps(dict(backbone.model_args)))) for backbone in BACKBONES.values())
    return next((backbone for backbone, arguments in rows if (backbone.architecture, arguments) == described), None)


def _cache_folder(backbone: Backbone) -> str:
    return backbone.hub_id.replace(PREFIX, _HUB_CACHE_PREFIX).lower()


def _backbone_by_shapes(path: Path, state: dict[str, Any]) -> Backbone:
    from models.weights.weights_loading import fitting_backbones

    fitting = fitting_backbones(state)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(each.name for each in fitting)
        step = NextStep("import_weights", backbone=fitting[0].name, path=path)
        message = Message("{name} fits {names}.", name=path.name, names=names)
        raise WeightsError(message, "Name the backbone that it is for.", step)
    message = Message("{name} fits no backbone: its names or shapes are of another network.", name=path.name)
    hint = Message("The backbones are {names}; a file must have timm's names of one of them.")
    raise WeightsError(message, Message(hint, names=", ".join(BACKBONES)))


def _check_fit(path: Path, backbone: Backbone, state: dict[str, Any]) -> None:
    import torch

    from models.networks import build_network
    from models.weights.weights_loading import fit, has_text_side, image_side, misfit_error

    if backbone.text and not has_text_side(state):
        message = Message(
            "{file} is not a file of {name}: it has no text encoder, which reads the prompts.",
            file=path.name,
            name=backbone.name,
        )
        raise WeightsError(message, Message("Get {file} of {name}.", file=backbone.hub_file, name=backbone.hub_id))
    with torch.device("meta"):
        network = build_network(backbone, classes=0, shape=backbone.input_shape())
    if misfit := fit(network, backbone, image_side(state))[1]:
        raise misfit_error(path, backbone, misfit, state)


def _write(path: Path, state: dict[str, Any], temporary: Path, job: JobContext) -> bool:
    """Write the tensors as safetensors; False when cancelled. A safetensors file is copied byte by byte."""
    with converting_write_errors(temporary):
        if path.suffix.lower() == ".safetensors":
            with path.open("rb") as source, temporary.open("wb") as target:
                while piece := source.read(PIECE_BYTES):
                    if job.is_cancelled:
                        return False
                    target.write(piece)
            return True
        from safetensors.torch import save_file

        with umask_permissions(temporary):
            save_file({name: value.contiguous().clone() for name, value in state.items()}, temporary)
    return True


def _record(backbone: Backbone, path: Path, written: Path, copied_record: WeightsRecord | None) -> WeightsRecord:
    sha256 = sha256_of(written)
    if copied_record and copied_record.sha256 == sha256 and copied_record.backbone == backbone.name:
        return copied_record
    is_pinned = sha256 == backbone.pin.sha256
    is_hubs = is_pinned or _cache_folder(backbone) in (part.lower() for part in path.absolute().parts)
    return WeightsRecord(
        backbone=backbone.name,
        sha256=sha256,
        bytes=written.stat().st_size,
        licence=backbone.licence if is_hubs else stated_licence(path),
        origin=backbone.hub_id if is_hubs else path.name,
        revision=backbone.pin.revision if is_pinned else "",
        sha256_from="catalog" if is_pinned else "first sight",
    )
