"""The vocabulary file of a text encoder's tokenizer: location, download, import and check.

It lies beside the weights as `NAME.tokenizer.json`, or in the hub's cache. Its hash is in the catalog, so it needs no
record; a wrong one would tokenize every prompt differently without an error.
"""

from dataclasses import replace
from pathlib import Path

from models.catalog import BACKBONES, Backbone
from models.weights import hub
from models.weights.locations import TOKENIZER_SUFFIX, hub_cached_file, weights_folder
from models.weights.records import check_room, not_writable, sha256_of, sole_writer
from visionft.core.errors import NextStep, WeightsError
from visionft.core.events import Notice, Progress
from visionft.core.files import atomic_path, read_json
from visionft.core.jobs import SILENT, JobContext
from visionft.core.messages import Message, sentences
from visionft.core.offline import offline_reason

HUB_TOKENIZER = "tokenizer.json"


def needs_tokenizer(backbone: Backbone) -> bool:
    """Tell whether its prompts are read with a file of their own."""
    return bool(backbone.text and backbone.text.needs_file)


def _tokenizer_path(backbone: Backbone) -> Path:
    return weights_folder() / f"{backbone.file_stem}{TOKENIZER_SUFFIX}"


def local_tokenizer(backbone: Backbone) -> Path | None:
    """Return the file where it is on this computer, or None."""
    own = _tokenizer_path(backbone)
    return own if own.is_file() else hub_cached_file(_as_hub_file(backbone))


def beside(backbone: Backbone, weights: Path) -> Path | None:
    """Return the vocabulary in the folder of a given weights file, or None; another backbone's is a `WeightsError`."""
    path = weights.with_name(HUB_TOKENIZER)
    if not path.is_file():
        return None
    if fault := _fault(backbone, path):
        raise _wrong(backbone, path, fault)
    return path


def find_tokenizer(backbone: Backbone) -> Path:
    """Return the file after holding it against the catalog; a `WeightsError` where it is missing or another one."""
    path = local_tokenizer(backbone)
    if path is None:
        raise _missing(backbone)
    if fault := _fault(backbone, path):
        hint = Message("Delete {blob} and fetch it again.", blob=path)
        raise _wrong(backbone, path.name, fault, hint, NextStep("fetch_weights", backbone=backbone.name))
    return path


def fetch_tokenizer(backbone: Backbone, *, job: JobContext = SILENT) -> Path | None:
    """Return the local file, downloaded if needed; None when cancelled, a `WeightsError` where it cannot be."""
    if found := local_tokenizer(backbone):
        return found
    if offline_reason():
        raise _missing(backbone)
    with sole_writer(backbone, job=job) as is_mine:
        return (local_tokenizer(backbone) or _download(backbone, job)) if is_mine else None


def _download(backbone: Backbone, job: JobContext) -> Path | None:
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
        if fault := _fault(backbone, partial):
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
    if fault := _fault(backbone, source):
        raise _wrong(backbone, source.name, fault)
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


def _wrong(
    backbone: Backbone, file: Path | str, fault: str, hint: str = "", step: NextStep | None = None
) -> WeightsError:
    message = Message("{file} is not the vocabulary of {name}: {fault}.", file=file, name=backbone.name, fault=fault)
    hint = hint or Message("Get {file} of {name}.", file=HUB_TOKENIZER, name=backbone.hub_id)
    return WeightsError(message, hint, step)


def _fault(backbone: Backbone, path: Path) -> str:
    """Return why a file is not the backbone's vocabulary; empty when it is."""
    assert backbone.text is not None
    expected = backbone.text.tokenizer_pin.sha256
    if expected:
        return "" if sha256_of(path) == expected else Message("its SHA-256 is another one")
    try:
        return "" if "model" in read_json(path) else Message("it holds no vocabulary")
    except (OSError, ValueError, TypeError):
        return Message("it is no JSON file")


def _missing(backbone: Backbone) -> WeightsError:
    reason = offline_reason()
    message = sentences(Message("The vocabulary of {name} is not on this computer.", name=backbone.name), reason)
    first = Message("Allow the network once, or import the file.") if reason else Message("Fetch it, or import it.")
    hint = sentences(first, hub.import_advice(_as_hub_file(backbone)))
    step = NextStep("import_weights" if reason else "fetch_weights", backbone=backbone.name)
    return WeightsError(message, hint, step)
