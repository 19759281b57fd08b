"""Fetching the weights of a backbone from the hub, once: resumed, checked, and in place whole or not at all."""

import re
from pathlib import Path

from models.catalog import Backbone
from models.weights import hub
from models.weights.locations import licence_words, local_file, missing, weights_folder
from models.weights.records import WeightsRecord, check_room, install, sha256_of, sole_writer
from models.weights.states import partial_files
from models.weights.tokenizer_files import fetch_tokenizer, needs_tokenizer
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep, WeightsError
from visionft.core.events import Notice, Progress
from visionft.core.jobs import SILENT, JobContext
from visionft.core.messages import Message
from visionft.core.offline import offline_reason

_MB = 1_000_000  # bytes


def fetch(backbone: Backbone, *, accepted: str = "", with_text: bool = True, job: JobContext = SILENT) -> Path | None:
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
    # Where the pieces of this very file gather; those of an older version of it are dropped.
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
        fault = Message("its SHA-256 is not the one promised")
    else:
        fault = _form_fault(partial)
    if fault:
        partial.unlink(missing_ok=True)
        message = Message(
            "The download of {name} is not the requested file: {reason}.", name=backbone.name, reason=fault
        )
        hint = "It was deleted. Try again; when it happens again, a proxy or mirror on the way changes files."
        raise WeightsError(message, hint)
    sha256_from = "first sight"  # nobody can vouch for it; every load is held against it from now on
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
        return Message("it is no safetensors file ({error})", error=error)
