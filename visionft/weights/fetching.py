"""Fetching the weights of a backbone from the hub, once: resumed, checked, and in place whole or not at all."""

import re
from pathlib import Path

from models.catalog import Backbone
from visionft.amounts import size_text
from visionft.errors import NextStep, WeightsError
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.weights import hub
from visionft.weights.installing import check_room, install, sole_writer
from visionft.weights.locations import licence_words, local_file, missing, weights_folder
from visionft.weights.records import WeightsRecord, sha256_of
from visionft.weights.states import offline_reason, partial_files
from visionft.weights.tokenizer_files import fetch_tokenizer, needs_tokenizer

_MB = 1_000_000


def fetch(
    backbone: Backbone,
    *,
    accepted: str = "",
    with_text: bool = True,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Path | None:
    """Return the backbone's weights on this computer, fetching them into the weights folder where they are not.

    Args:
        backbone: What `models.catalog.get_backbone` returned.
        accepted: The licence that the user accepts, where it forbids commercial use.
        with_text: Whether the vocabulary that reads prompts is wanted too, where it is a file of its own.
        on_event: Receives the progress, in megabytes.
        should_stop: Asked after each piece. What has arrived by then is kept, and the next call continues.

    Returns:
        The file; None when stopped.

    Raises:
        WeightsError: They may not or cannot be fetched, or what arrives is not what the hub promised.
    """
    found = local_file(backbone) or _fetch_weights(backbone, accepted, on_event, should_stop)
    if found is None or not (with_text and needs_tokenizer(backbone)):
        return found
    return found if fetch_tokenizer(backbone, on_event=on_event, should_stop=should_stop) else None


def _fetch_weights(backbone: Backbone, accepted: str, on_event: OnEvent, should_stop: ShouldStop) -> Path | None:
    if not backbone.hub_id:
        raise missing(backbone)
    if backbone.must_be_accepted and accepted != backbone.licence:
        said, hint = licence_words(backbone)
        raise WeightsError(f"{said[:1].upper()}{said[1:]}.", hint)
    if reason := offline_reason():
        raise hub.offline_error(backbone, reason)
    with sole_writer(backbone, on_event=on_event, should_stop=should_stop) as is_mine:
        if not is_mine:
            return None
        return local_file(backbone) or _fetch(backbone, on_event, should_stop)


def _fetch(backbone: Backbone, on_event: OnEvent, should_stop: ShouldStop) -> Path | None:
    on_event(Progress(stage=f"Asking the hub for {backbone.name}", done=0, total=0))
    remote = hub.look_up(backbone, should_stop=should_stop)
    if remote is None:
        return None
    _check_promise(backbone, remote)
    partial = _partial(backbone, remote)
    have = partial.stat().st_size if partial.exists() else 0
    check_room((remote.bytes or backbone.hub_bytes) - have)
    on_bytes = _reporter(backbone, remote, on_event)
    if not hub.download(backbone, remote, partial, on_bytes=on_bytes, should_stop=should_stop):
        return None
    on_event(Progress(stage=f"Checking {backbone.name}", done=0, total=0))
    record = _checked(backbone, remote, partial)
    path = install(partial, backbone, record)
    on_event(Notice(message=f"Fetched {path.name}: {size_text(record.bytes)}, licence {record.licence}."))
    return path


def _check_promise(backbone: Backbone, remote: hub.RemoteFile) -> None:
    """Refuse a file whose hash, as the hub states it, is not the catalog's, before a byte of it is fetched."""
    if backbone.pin.sha256 and remote.sha256 and backbone.pin.sha256 != remote.sha256:
        message = f"The hub offers other weights for {backbone.name} than the ones VisionFT knows."
        step = NextStep("import_weights", backbone=backbone.name)
        raise WeightsError(message, "Update VisionFT, or import a file that you trust.", step)


def _partial(backbone: Backbone, remote: hub.RemoteFile) -> Path:
    """Return where the pieces of this very file gather; those of an older version of it are dropped."""
    version = remote.sha256 or remote.revision or f"{remote.bytes} bytes"
    partial = weights_folder() / f".{backbone.file_stem}.{re.sub(r'[^0-9a-z]', '', version)[:16]}.part"
    for other in partial_files(backbone):
        if other != partial or (remote.bytes and other.stat().st_size > remote.bytes):
            other.unlink(missing_ok=True)
    return partial


def _reporter(backbone: Backbone, remote: hub.RemoteFile, on_event: OnEvent) -> hub.OnBytes:
    """Return what turns bytes into events: one for each new megabyte."""
    told = -1

    def on_bytes(arrived: int) -> None:
        nonlocal told
        if arrived // _MB == told:
            return
        told = arrived // _MB
        on_event(Progress(stage=f"MB of {backbone.name} fetched", done=told, total=-(-remote.bytes // _MB)))

    return on_bytes


def _checked(backbone: Backbone, remote: hub.RemoteFile, partial: Path) -> WeightsRecord:
    """Hold what arrived against what was promised; a file that fails is deleted.

    Raises:
        WeightsError: Size, hash or form differ.
    """
    size, sha256 = partial.stat().st_size, sha256_of(partial)
    expected = backbone.pin.sha256 or remote.sha256
    if remote.bytes and size != remote.bytes:
        fault = f"it has {size:,} bytes, and the hub promised {remote.bytes:,}"
    elif expected and sha256 != expected:
        fault = "its SHA-256 is not the one promised"
    else:
        fault = _form_fault(partial)
    if fault:
        partial.unlink(missing_ok=True)
        hint = "It was deleted. Try again; when it happens again, a proxy or mirror on the way changes files."
        raise WeightsError(f"What arrived for {backbone.name} is not the file that was asked for: {fault}.", hint)
    return WeightsRecord(
        backbone=backbone.name,
        sha256=sha256,
        bytes=size,
        licence=backbone.licence,
        origin=backbone.hub_id,
        revision=remote.revision,
        # Without either, nobody can vouch for this first sight of the file; every load is held against it from now on.
        sha256_from="catalog" if backbone.pin.sha256 else "hub" if remote.sha256 else "first sight",
    )


def _form_fault(path: Path) -> str:
    """Return why a file is no safetensors file; empty when it is. A login page of a hotel's network is one reason."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as opened:
            return "" if opened.keys() else "it holds no tensors"
    except SafetensorError as error:
        return f"it is no safetensors file ({error})"
