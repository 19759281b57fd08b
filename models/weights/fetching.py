"""Fetching the weights of a backbone from the hub, once: resumed, checked, and in place whole or not at all.

The vocabulary of a text encoder's tokenizer comes with them; it lies beside as `NAME.tokenizer.json`, or in the hub's
cache. Its hash is in the catalog, so it needs no record; a wrong one would tokenize every prompt differently without an
error.
"""

import re
from dataclasses import replace
from pathlib import Path

from models.catalog import BACKBONES, Backbone
from models.weights import hub
from models.weights.locations import (
    TOKENIZER_SUFFIX,
    hub_cached_file,
    licence_words,
    local_file,
    missing,
    weights_folder,
)
from models.weights.records import (
    WeightsRecord,
    check_room,
    install,
    not_writable,
    partial_files,
    sha256_of,
    sole_writer,
)
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep, WeightsError
from visionft.core.events import Notice, Progress
from visionft.core.files import atomic_path, read_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message, sentences
from visionft.core.offline import offline_reason

_MB = 1_000_000  # bytes


def fetch(
    backbone: Backbone, *, accepted: str = "", with_text: bool = True, job: JobContext = SILENT_JOB
) -> Path | None:
    """Return the backbone's weights on this computer, downloaded if they are missing; None when cancelled.

    `accepted` is the licence that the user accepted, where it forbids commercial use; `with_text` fetches the
    tokenizer's vocabulary too. A `WeightsError` where it is not allowed or fails.
    """
    found = local_file(backbone)
    if found is None:
        if not backbone.hub_id:
            raise missing(backbone)
        if backbone.must_be_accepted and accepted != backbone.licence:
            said, hint = licence_words(backbone)
            raise WeightsError(Message("{upper}{said}.", upper=said[:1].upper(), said=said[1:]), hint)
        if reason := offline_reason():
            raise hub.offline_error(backbone, reason)
        with sole_writer(backbone, job=job) as is_mine:
            found = (local_file(backbone) or _download(backbone, job)) if is_mine else None
    if found is None or not (with_text and needs_tokenizer(backbone)):
        return found
    return found if fetch_tokenizer(backbone, job=job) else None


def _download(backbone: Backbone, job: JobContext) -> Path | None:
    job.report(Progress(stage=Message("Asking the hub for {name}", name=backbone.name), done=0, total=0))
    remote = hub.look_up(backbone, job=job)
    if remote is None:
        return None
    if backbone.pin.sha256 and remote.sha256 and backbone.pin.sha256 != remote.sha256:
        message = Message("The hub offers other weights for {name} than the ones VisionFT knows.", name=backbone.name)
        step = NextStep("import_weights", backbone=backbone.name)
        raise WeightsError(message, "Update VisionFT, or import a file that you trust.", step)
    # The folder for pieces of this version of the file; pieces of older versions are dropped.
    version = remote.sha256 or remote.revision or f"{remote.bytes} bytes"
    partial = weights_folder() / f".{backbone.file_stem}.{re.sub(r'[^0-9a-z]', '', version)[:16]}.part"
    for other in partial_files(backbone):
        if other != partial or (remote.bytes and other.stat().st_size > remote.bytes):
            other.unlink(missing_ok=True)
    check_room((remote.bytes or backbone.hub_bytes) - hub.size_of(partial))
    reported = -1

    def on_bytes(arrived: int) -> None:  # an event for each new megabyte
        nonlocal reported
        if arrived // _MB != reported:
            reported = arrived // _MB
            stage = Message("MB of {name} fetched", name=backbone.name)
            job.report(Progress(stage=stage, done=reported, total=-(-remote.bytes // _MB)))

    if not hub.download(backbone, remote, partial, on_bytes=on_bytes, job=job):
        return None
    job.report(Progress(stage=Message("Checking {name}", name=backbone.name), done=0, total=0))
    record = _checked(backbone, remote, partial)
    path = install(partial, backbone, record)
    job.report(
        Notice(
            message=Message(
                "Fetched {name}: {size}, licence {licence}.",
                name=path.name,
                size=size_text(record.bytes),
                licence=record.licence,
            )
        )
    )
    return path


def _checked(backbone: Backbone, remote: hub.RemoteFile, partial: Path) -> WeightsRecord:
    """Check size, hash and form of a downloaded file against the hub's metadata; delete it on failure."""
    size = partial.stat().st_size
    sha256 = sha256_of(partial)
    expected = backbone.pin.sha256 or remote.sha256
    limit = hub.most_bytes(backbone, remote)
    if remote.bytes and size != remote.bytes:
        fault = Message(
            "it has {size} bytes, and the hub promised {bytes}", size=f"{size:,}", bytes=f"{remote.bytes:,}"
        )
    elif size > limit:
        fault = Message("it has more than {limit} bytes", limit=f"{limit:,}")
    elif expected and sha256 != expected:
        fault = Message("its SHA-256 differs from the announced one")
    else:
        fault = _form_fault(partial)
    if fault:
        partial.unlink(missing_ok=True)
        message = Message(
            "The download of {name} is not the requested file: {reason}.", name=backbone.name, reason=fault
        )
        hint = "It was deleted. Try again; when it happens again, a proxy or mirror on the way changes files."
        raise WeightsError(message, hint)
    sha256_from = "first sight"  # no published hash: later loads are compared with the first one
    if backbone.pin.sha256:
        sha256_from = "catalog"
    elif remote.sha256:
        sha256_from = "hub"
    return WeightsRecord(
        backbone=backbone.name,
        sha256=sha256,
        bytes=size,
        licence=backbone.licence,
        origin=backbone.hub_id,
        revision=remote.revision,
        sha256_from=sha256_from,
    )


def _form_fault(path: Path) -> str:
    """Return why a file is no safetensors file; empty when it is. A login page of a hotel's network is one reason."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as opened:
            return "" if opened.keys() else Message("it holds no tensors")
    except SafetensorError as error:
        return Message("it is not a safetensors file ({error})", error=error)


HUB_TOKENIZER = "tokenizer.json"


def needs_tokenizer(backbone: Backbone) -> bool:
    """Tell whether its prompts are read with a file of their own."""
    return bool(backbone.text and backbone.text.needs_file)


def _tokenizer_path(backbone: Backbone) -> Path:
    return weights_folder() / f"{backbone.file_stem}{TOKENIZER_SUFFIX}"


def local_tokenizer(backbone: Backbone) -> Path | None:
    """Return the path of a backbone's tokenizer file on this computer, or None if it is missing."""
    path = _tokenizer_path(backbone)
    return path if path.is_file() else hub_cached_file(_as_hub_file(backbone))


def beside(backbone: Backbone, weights: Path) -> Path | None:
    """Return the vocabulary in the folder of a given weights file, or None; another backbone's is a `WeightsError`."""
    path = weights.with_name(HUB_TOKENIZER)
    if not path.is_file():
        return None
    if fault := _tokenizer_fault(backbone, path):
        raise _wrong_tokenizer(backbone, path, fault)
    return path


def find_tokenizer(backbone: Backbone) -> Path:
    """Return the path of a backbone's tokenizer file, verified against the catalog.

    Raises:
        WeightsError: It is missing or does not match the catalog.
    """
    path = local_tokenizer(backbone)
    if path is None:
        raise _missing_tokenizer(backbone)
    if fault := _tokenizer_fault(backbone, path):
        hint = Message("Delete {blob} and fetch it again.", blob=path)
        raise _wrong_tokenizer(backbone, path.name, fault, hint, NextStep("fetch_weights", backbone=backbone.name))
    return path


def fetch_tokenizer(backbone: Backbone, *, job: JobContext = SILENT_JOB) -> Path | None:
    """Return the path of a backbone's tokenizer file, downloaded if needed; None when cancelled.

    Raises:
        WeightsError: It cannot be downloaded.
    """
    if path := local_tokenizer(backbone):
        return path
    if offline_reason():
        raise _missing_tokenizer(backbone)
    with sole_writer(backbone, job=job) as is_mine:
        return (local_tokenizer(backbone) or _download_tokenizer(backbone, job)) if is_mine else None


def _download_tokenizer(backbone: Backbone, job: JobContext) -> Path | None:
    job.report(Progress(stage=Message("Fetching the vocabulary of {name}", name=backbone.name), done=0, total=0))
    row = _as_hub_file(backbone)
    remote = hub.look_up(row, job=job)
    if remote is None:
        return None
    check_room(remote.bytes)
    partial = weights_folder() / f".{backbone.file_stem}.tokenizer.part"
    partial.unlink(missing_ok=True)
    try:
        if not hub.download(row, remote, partial, on_bytes=lambda _: None, job=job):
            return None
        if fault := _tokenizer_fault(backbone, partial):
            message = Message(
                "The download of {name} is not the requested vocabulary: {fault}.", name=backbone.name, fault=fault
            )
            raise WeightsError(message, "Try again; when it happens again, a proxy or mirror on the way changes files.")
        partial.replace(_tokenizer_path(backbone))
    except OSError as error:
        raise not_writable(error) from error
    finally:
        partial.unlink(missing_ok=True)
    job.report(Notice(message=Message("Fetched the vocabulary of {name}.", name=backbone.name)))
    return _tokenizer_path(backbone)


def import_tokenizer(source: Path, wanted: Backbone | None) -> tuple[Backbone, Path]:
    """Copy a vocabulary into the weights folder; return its backbone and new path, or raise a `WeightsError`."""
    backbone = wanted if wanted and needs_tokenizer(wanted) else tokenizer_owner(source)
    if backbone is None:
        owners = ", ".join(row.name for row in BACKBONES.values() if needs_tokenizer(row))
        message = Message("{file} is the vocabulary of no backbone here.", file=source.name)
        raise WeightsError(message, Message("A {file} belongs to {owners}.", file=HUB_TOKENIZER, owners=owners))
    if fault := _tokenizer_fault(backbone, source):
        raise _wrong_tokenizer(backbone, source.name, fault)
    weights_folder().mkdir(parents=True, exist_ok=True)
    with atomic_path(_tokenizer_path(backbone)) as temporary:
        temporary.write_bytes(source.read_bytes())
    return backbone, _tokenizer_path(backbone)


def tokenizer_owner(path: Path) -> Backbone | None:
    """Return the backbone of a vocabulary file by its hash, or None."""
    if not path.name.endswith(HUB_TOKENIZER):
        return None
    sha256 = sha256_of(path)
    rows = (row for row in BACKBONES.values() if row.text and row.text.tokenizer_pin.sha256)
    return next((row for row in rows if row.text and row.text.tokenizer_pin.sha256 == sha256), None)


def _as_hub_file(backbone: Backbone) -> Backbone:
    """Return the catalog row with the vocabulary in the place of the weights, for the download."""
    assert backbone.text is not None
    return replace(backbone, hub_file=HUB_TOKENIZER, pin=backbone.text.tokenizer_pin)


def _wrong_tokenizer(
    backbone: Backbone, file: Path | str, fault: str, hint: str = "", step: NextStep | None = None
) -> WeightsError:
    message = Message("{file} is not the vocabulary of {name}: {fault}.", file=file, name=backbone.name, fault=fault)
    hint = hint or Message("Get {file} of {name}.", file=HUB_TOKENIZER, name=backbone.hub_id)
    return WeightsError(message, hint, step)


def _tokenizer_fault(backbone: Backbone, path: Path) -> str:
    """Return why a file is not the backbone's vocabulary; empty when it is."""
    assert backbone.text is not None
    expected = backbone.text.tokenizer_pin.sha256
    if expected:
        return "" if sha256_of(path) == expected else Message("its SHA-256 differs")
    try:
        return "" if "model" in read_json(path) else Message("it holds no vocabulary")
    except (OSError, ValueError, TypeError):
        return Message("it is not a JSON file")


def _missing_tokenizer(backbone: Backbone) -> WeightsError:
    reason = offline_reason()
    message = sentences(Message("The vocabulary of {name} is not on this computer.", name=backbone.name), reason)
    first = Message("Allow the network once, or import the file.") if reason else Message("Fetch it, or import it.")
    hint = sentences(first, hub.import_advice(_as_hub_file(backbone)))
    step = NextStep("import_weights" if reason else "fetch_weights", backbone=backbone.name)
    return WeightsError(message, hint, step)
