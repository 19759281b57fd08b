"""Bringing weights in from files: one, or a whole folder that was carried here from a computer with a network.

What a file is for is told from names and shapes, never from code in it. It is kept as safetensors in the weights
folder, with a record of its hash; the original is only read.
"""

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.catalog import BACKBONES, Backbone, backbone_of_file, get_backbone, known_backbone
from models.timm_index import PREFIX, timm_names
from visionft.errors import NextStep, VisionFTError, WeightsError
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import naming_faults, read_json
from visionft.weights.installing import check_room, install, sole_writer
from visionft.weights.locations import weights_folder
from visionft.weights.reading import KINDS, read_state, stated_licence
from visionft.weights.records import WeightsRecord, read_record, sha256_of
from visionft.weights.tokenizer_files import import_tokenizer, tokenizer_owner

PIECE_BYTES = 4_000_000
_CACHED = "models--timm--"  # begins what the hub's cache calls the folder of one of timm's repositories


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One file that was taken in."""

    backbone: str
    path: Path
    bytes: int
    sha256: str
    source: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One file that was not, why, and what to do about it."""

    source: Path
    reason: str
    hint: str
    next_step: NextStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What `import_weights` did."""

    imported: tuple[Imported, ...]
    refused: tuple[Refused, ...]
    stopped: bool


def import_weights(
    source: Path,
    *,
    backbone: str | None = None,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> ImportResult:
    """Copy a weights file, or all of a folder and those below it, into the weights folder.

    Args:
        source: A .safetensors, .pth, .pt, .bin or .ckpt file; a weights folder or hub cache of another computer.
        backbone: What a file is for; told from its location, names and shapes when None.
        on_event: Receives how far it is.
        should_stop: Asked between files and while one is copied.

    Raises:
        WeightsError: The one file does not fit, or nothing in the folder is a weights file.
        ConfigError: There is no such backbone.
    """
    wanted = get_backbone(backbone) if backbone else None
    if source.is_dir():
        return _import_folder(source, wanted, on_event, should_stop)
    if not source.is_file():
        raise WeightsError(f"{source} does not exist.", f"Give a file ({', '.join(KINDS)}) or a folder of them.")
    imported = _import_file(source, wanted, on_event, should_stop)
    return ImportResult(imported=(imported,) if imported else (), refused=(), stopped=imported is None)


def _import_folder(folder: Path, wanted: Backbone | None, on_event: OnEvent, should_stop: ShouldStop) -> ImportResult:
    if wanted:
        hint = "Give the file that is meant; names and shapes tell what the files of a folder are for."
        raise WeightsError(f"{folder} is a folder, and what is for {wanted.name} is one file.", hint)
    files = _weights_files(folder)
    if not files:
        raise WeightsError(f"There is no weights file in {folder}.", f"It should hold files of {', '.join(KINDS)}.")
    imported, refused = [], []
    for number, path in enumerate(files):
        if should_stop():
            break
        on_event(Progress(stage="Importing weights", done=number, total=len(files)))
        try:
            done = _import_file(path, None, on_event, should_stop)
        except VisionFTError as error:
            refused.append(Refused(source=path, reason=error.message, hint=error.hint, next_step=error.next_step))
            continue
        imported += [done] if done else []
    stopped = len(imported) + len(refused) < len(files)
    return ImportResult(imported=tuple(imported), refused=tuple(refused), stopped=stopped)


def _weights_files(folder: Path) -> list[Path]:
    """Return every file of a kind that may hold weights, each once though a hub cache has two names for it."""
    found: dict[Path, Path] = {}
    for path in sorted(folder.rglob("*")):
        is_kind = path.suffix.lower() in (*KINDS, ".onnx") or tokenizer_owner(path)
        if is_kind and not path.name.startswith(".") and path.is_file():
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _import_file(path: Path, wanted: Backbone | None, on_event: OnEvent, should_stop: ShouldStop) -> Imported | None:
    """Take one file in; None when stopped."""
    on_event(Progress(stage=f"Reading {path.name}", done=0, total=0))
    if path.suffix.lower() == ".json":
        owner, copied = import_tokenizer(path, wanted)
        on_event(Notice(message=f"Imported {path.name} as the vocabulary of {owner.name}."))
        return Imported(
            backbone=owner.name, path=copied, bytes=copied.stat().st_size, sha256=sha256_of(copied), source=path
        )
    carried = _carried_record(path)
    state = read_state(path)
    pinned = _told_by_hash(sha256_of(path))
    backbone = wanted or pinned or _told_by_location(path, carried) or _told_by_shapes(path, state)
    _check_fit(path, backbone, state)
    if backbone.bundled:
        raise WeightsError(
            f"{backbone.name} ships with its weights.",
            f"To use this file, give its path as the weights of a run: {path}",
        )
    with sole_writer(backbone, on_event=on_event, should_stop=should_stop) as is_mine:
        if not is_mine:
            return None
        check_room(path.stat().st_size)
        temporary = weights_folder() / f".{backbone.file_stem}.import.part"
        try:
            if not _write(path, state, temporary, should_stop):
                return None
            record = _record(backbone, path, temporary, carried)
            installed = install(temporary, backbone, record)
        finally:
            temporary.unlink(missing_ok=True)
    on_event(Notice(message=f"Imported {path.name} as {backbone.name}, licence {record.licence}."))
    return Imported(backbone=backbone.name, path=installed, bytes=record.bytes, sha256=record.sha256, source=path)


def _carried_record(path: Path) -> WeightsRecord | None:
    """Return the record that came along from another weights folder, after holding the file against it.

    Raises:
        WeightsError: The file was damaged on the way.
    """
    try:
        record = read_record(path)
    except WeightsError:
        return None  # some other program's JSON beside it
    if record and sha256_of(path) != record.sha256:
        message = f"{path.name} was damaged on its way here: it is not the file that {path.stem}.json describes."
        raise WeightsError(message, "Copy it again.")
    return record


def _told_by_hash(sha256: str) -> Backbone | None:
    """Return the backbone whose file on the hub this very one is."""
    return next((each for each in BACKBONES.values() if each.pin.sha256 == sha256), None)


def _told_by_location(path: Path, carried: WeightsRecord | None) -> Backbone | None:
    """Return the backbone that a record, the file's name, a hub folder's name or a timm `config.json` speaks of."""
    if told := (known_backbone(carried.backbone) if carried else None) or backbone_of_file(path.stem):
        return told
    parts = {part.lower() for part in (*path.absolute().parts, path.stem)}
    if backbone := next((each for each in BACKBONES.values() if each.text and _lies_in(each, parts)), None):
        return backbone
    repositories = {PREFIX + part.removeprefix(_CACHED) for part in parts} & set(timm_names())
    if repositories:
        return get_backbone(min(repositories))
    return _told_by_config(path.with_name("config.json"))


def _lies_in(backbone: Backbone, parts: set[str]) -> bool:
    """Tell whether a folder on the way is called as the backbone's repository or its place in the hub's cache."""
    return bool(parts & {_cache_folder(backbone), backbone.hub_id.removeprefix(PREFIX).lower()})


def _cache_folder(backbone: Backbone) -> str:
    """Return what the hub's cache calls the folder of a repository, in small letters."""
    return backbone.hub_id.replace(PREFIX, _CACHED).lower()


def _told_by_config(path: Path) -> Backbone | None:
    try:
        config: Any = read_json(path)
        wanted = config["architecture"], config.get("model_args") or {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    rows = ((each, json.loads(json.dumps(dict(each.model_args)))) for each in BACKBONES.values())
    return next((each for each, arguments in rows if (each.architecture, arguments) == wanted), None)


def _told_by_shapes(path: Path, state: dict[str, Any]) -> Backbone:
    from visionft.weights.fitting import fitting_backbones

    fitting = fitting_backbones(state)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(each.name for each in fitting)
        step = NextStep("import_weights", backbone=fitting[0].name, path=path)
        raise WeightsError(f"{path.name} fits {names}.", "Say which it is for.", step)
    hint = f"The backbones are {', '.join(BACKBONES)}; a file must have timm's names of one of them."
    raise WeightsError(f"{path.name} fits no backbone: its names or shapes are of another network.", hint)


def _check_fit(path: Path, backbone: Backbone, state: dict[str, Any]) -> None:
    import torch

    from models.networks import build_network
    from visionft.weights.fitting import fit, has_text_side, misfit_error, picture_side

    if backbone.text and not has_text_side(state):
        message = f"{path.name} is no file of {backbone.name}: it has no text side, which reads the prompts."
        raise WeightsError(message, f"Get {backbone.hub_file} of {backbone.hub_id}.")
    both, state = state, picture_side(state)
    with torch.device("meta"):
        network = build_network(backbone, classes=0, image_size=backbone.input_size)
    if misfit := fit(network, backbone, state)[1]:
        raise misfit_error(path, backbone, misfit, both)


def _write(path: Path, state: dict[str, Any], temporary: Path, should_stop: ShouldStop) -> bool:
    """Write the tensors as safetensors; False when stopped. A file that is of that kind is copied byte by byte."""
    with naming_faults(temporary):
        if path.suffix.lower() == ".safetensors":
            with temporary.open("wb") as target:
                for piece in _pieces(path):
                    if should_stop():
                        return False
                    target.write(piece)
            return True
        from safetensors.torch import save_file

        save_file({name: value.contiguous().clone() for name, value in state.items()}, temporary)
    return True


def _pieces(path: Path) -> Generator[bytes]:
    with path.open("rb") as source:
        pieces: Iterator[bytes] = iter(lambda: source.read(PIECE_BYTES), b"")
        yield from pieces


def _record(backbone: Backbone, path: Path, written: Path, carried: WeightsRecord | None) -> WeightsRecord:
    sha256 = sha256_of(written)
    if carried and carried.sha256 == sha256 and carried.backbone == backbone.name:
        return carried
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
