"""The vocabulary that a text side reads prompts with, where it is a file of its own: found, fetched, taken in, checked.

It lies beside the weights as `NAME.tokenizer.json`, or in the hub's cache. What it must be stands in the catalog, so it
needs no record; a wrong one would make other words of every prompt without an error.
"""

from dataclasses import replace
from pathlib import Path

from models.catalog import BACKBONES, Backbone
from visionft.errors import NextStep, WeightsError
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import atomic_path, read_json
from visionft.weights import hub
from visionft.weights.installing import check_room, not_writable, sole_writer
from visionft.weights.locations import TOKENIZER_SUFFIX, hub_cached_file, weights_folder
from visionft.weights.records import sha256_of
from visionft.weights.states import offline_reason

HUB_TOKENIZER = "tokenizer.json"


def needs_tokenizer(backbone: Backbone) -> bool:
    """Tell whether its prompts are read with a file of their own."""
    return bool(backbone.text and backbone.text.needs_file)


def tokenizer_path(backbone: Backbone) -> Path:
    """Return where in the weights folder the file belongs; it may not be there."""
    return weights_folder() / f"{backbone.file_stem}{TOKENIZER_SUFFIX}"


def local_tokenizer(backbone: Backbone) -> Path | None:
    """Return the file where it is on this computer, or None."""
    own = tokenizer_path(backbone)
    return own if own.is_file() else hub_cached_file(_as_hub_file(backbone))


def beside(backbone: Backbone, weights: Path) -> Path | None:
    """Return the vocabulary in the folder of a weights file that was given by its path, or None.

    Raises:
        WeightsError: There is one, and it is another one.
    """
    path = weights.with_name(HUB_TOKENIZER)
    if not path.is_file():
        return None
    if fault := _fault(backbone, path):
        raise WeightsError(f"{path} is not the vocabulary of {backbone.name}: {fault}.", _get(backbone))
    return path


def find_tokenizer(backbone: Backbone) -> Path:
    """Return the file after holding it against the catalog.

    Raises:
        WeightsError: It is not on this computer, or it is another one.
    """
    path = local_tokenizer(backbone)
    if path is None:
        raise _missing(backbone)
    if fault := _fault(backbone, path):
        hint = f"Delete {path} and fetch it again."
        message = f"{path.name} is not the vocabulary of {backbone.name}: {fault}."
        raise WeightsError(message, hint, NextStep("fetch_weights", backbone=backbone.name))
    return path


def fetch_tokenizer(
    backbone: Backbone, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Path | None:
    """Return the file on this computer, fetching it where it is not; None when stopped.

    Raises:
        WeightsError: It may not or cannot be fetched, or what arrives is another file.
    """
    if found := local_tokenizer(backbone):
        return found
    if offline_reason():
        raise _missing(backbone)
    with sole_writer(backbone, on_event=on_event, should_stop=should_stop) as is_mine:
        return (local_tokenizer(backbone) or _fetch(backbone, on_event, should_stop)) if is_mine else None


def _fetch(backbone: Backbone, on_event: OnEvent, should_stop: ShouldStop) -> Path | None:
    on_event(Progress(stage=f"Fetching the vocabulary of {backbone.name}", done=0, total=0))
    wanted = _as_hub_file(backbone)
    remote = hub.look_up(wanted, should_stop=should_stop)
    if remote is None:
        return None
    check_room(remote.bytes)
    partial = weights_folder() / f".{backbone.file_stem}.tokenizer.part"
    partial.unlink(missing_ok=True)
    if not hub.download(wanted, remote, partial, on_bytes=lambda _: None, should_stop=should_stop):
        partial.unlink(missing_ok=True)
        return None
    try:
        if fault := _fault(backbone, partial):
            message = f"What arrived for {backbone.name} is not the vocabulary that was asked for: {fault}."
            raise WeightsError(message, "Try again; when it happens again, a proxy or mirror on the way changes files.")
        partial.replace(tokenizer_path(backbone))
    except OSError as error:
        raise not_writable(error) from error
    finally:
        partial.unlink(missing_ok=True)
    on_event(Notice(message=f"Fetched the vocabulary of {backbone.name}."))
    return tokenizer_path(backbone)


def import_tokenizer(source: Path, wanted: Backbone | None) -> tuple[Backbone, Path]:
    """Copy a vocabulary into the weights folder; return whose it is and where it lies now.

    Raises:
        WeightsError: It is no vocabulary of a backbone of the catalog, or of another one than is wanted.
    """
    backbone = wanted if wanted and needs_tokenizer(wanted) else tokenizer_owner(source)
    if backbone is None:
        hint = (
            f"A {HUB_TOKENIZER} belongs to {', '.join(row.name for row in BACKBONES.values() if needs_tokenizer(row))}."
        )
        raise WeightsError(f"{source.name} is the vocabulary of no backbone here.", hint)
    if fault := _fault(backbone, source):
        raise WeightsError(f"{source.name} is not the vocabulary of {backbone.name}: {fault}.", _get(backbone))
    weights_folder().mkdir(parents=True, exist_ok=True)
    with atomic_path(tokenizer_path(backbone)) as temporary:
        temporary.write_bytes(source.read_bytes())
    return backbone, tokenizer_path(backbone)


def tokenizer_owner(path: Path) -> Backbone | None:
    """Return the backbone whose vocabulary a file is by its hash, or None."""
    if not path.name.endswith(HUB_TOKENIZER):
        return None
    sha256 = sha256_of(path)
    rows = (row for row in BACKBONES.values() if row.text and row.text.tokenizer_pin.sha256)
    return next((row for row in rows if row.text and row.text.tokenizer_pin.sha256 == sha256), None)


def _as_hub_file(backbone: Backbone) -> Backbone:
    """Return the row of the catalog with the vocabulary in the place of the weights: what the hub is asked for."""
    assert backbone.text is not None
    return replace(backbone, hub_file=HUB_TOKENIZER, pin=backbone.text.tokenizer_pin)


def _get(backbone: Backbone) -> str:
    return f"Get {HUB_TOKENIZER} of {backbone.hub_id}."


def _fault(backbone: Backbone, path: Path) -> str:
    """Return why a file is not the backbone's vocabulary; empty when it is."""
    assert backbone.text is not None
    expected = backbone.text.tokenizer_pin.sha256
    if expected:
        return "" if sha256_of(path) == expected else "its SHA-256 is another one"
    try:
        return "" if "model" in read_json(path) else "it holds no vocabulary"
    except (OSError, ValueError, TypeError):
        return "it is no JSON file"


def _missing(backbone: Backbone) -> WeightsError:
    """Return the error for a vocabulary that is not on this computer: which file, from where, into which folder."""
    reason = offline_reason()
    hint = (
        f"{'Allow the network once, or get' if reason else 'Fetch it, or get'} {HUB_TOKENIZER} of {backbone.hub_id} "
        f"elsewhere and import it, which copies it to {weights_folder()}."
    )
    message = f"The vocabulary of {backbone.name} is not on this computer.{' ' + reason if reason else ''}"
    action = "import_weights" if reason else "fetch_weights"
    return WeightsError(message, hint, NextStep(action, backbone=backbone.name))
