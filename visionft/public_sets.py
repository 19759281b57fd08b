"""Public data sets for practice, downloaded through torchvision: a folder of images and a list of their classes.

Connects only on request, and only to torchvision's addresses. The result is a source like any other.
"""

import json
import shutil
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.messages import Message, Text
from visionft.amounts import size_text
from visionft.credentials import errors_without_secrets
from visionft.errors import NextStep, VisionFTError
from visionft.events import Progress
from visionft.files import write_error, write_text
from visionft.jobs import SILENT, JobContext
from visionft.weights.offline import offline_reason

PATIENCE_S = 20.0
_ROOM = 2.3  # the archive and its content are both there for a moment


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set of torchvision.

    Attributes:
        name: The name of torchvision's class.
        bytes: Size of the download.
        licence: Of the data set, in a few words.
        splits: {torchvision's name: our split}; {"": None} without splits.
    """

    name: str
    title: str
    images: int
    classes: int
    bytes: int
    licence: Text
    about: Text
    splits: dict[str, str | None]


PUBLIC_SETS = (
    PublicSet("EuroSAT", "EuroSAT", 27_000, 10, 94_280_567, "MIT", "Satellite images of land use", {"": None}),
    PublicSet(
        "Flowers102",
        "Flowers 102",
        8_189,
        102,
        344_862_509,
        "for research",
        "British flowers",
        {"train": "train", "val": "val", "test": "test"},
    ),
    PublicSet(
        "OxfordIIITPet",
        "Oxford-IIIT Pet",
        7_349,
        37,
        811_092_049,
        "CC BY-SA 4.0",
        "Breeds of cats and dogs",
        {"trainval": None, "test": "test"},
    ),
)


class _DownloadCancelled(Exception):
    """Leaves torchvision's download loop. Not an OSError: torchvision would try again without encryption."""


def get_set(name: str) -> PublicSet:
    """Return the set called `name`, letters compared without case (VisionFTError: there is none)."""
    for each in PUBLIC_SETS:
        if name.casefold() in (each.name.casefold(), each.title.casefold()):
            return each
    names = ", ".join(each.name for each in PUBLIC_SETS)
    raise VisionFTError(Message("There is no public set “{name}”.", name=name), Message("Choose {names}.", names=names))


def list_file(wanted: PublicSet, folder: Path) -> Path:
    """Return the list of a set's images below `folder`; it exists once the set is there whole."""
    return folder / wanted.title / f"{wanted.title}.jsonl"


def fetch_set(wanted: PublicSet, folder: Path, *, job: JobContext = SILENT) -> Path | None:
    """Download a data set into `folder/<title>` and return the list of its images for import.

    Existing archives are not downloaded again. Returns None when cancelled; then nothing is left.

    Raises:
        VisionFTError: Working offline, no connection, a damaged download, or not enough room.
    """
    target = list_file(wanted, folder)
    if target.is_file():
        return target
    if reason := offline_reason():
        hint = "Allow connections, or draw the sample images instead."
        raise VisionFTError(reason, hint, NextStep("allow_network"))
    part = folder / f".{wanted.title}.part"
    try:
        part.mkdir(parents=True, exist_ok=True)
        for path in sorted(part.rglob("*"), reverse=True):  # torchvision would treat files half unpacked as complete
            if path.is_file() and path.suffix not in (".zip", ".tgz", ".gz", ".mat"):
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        if shutil.disk_usage(part).free < wanted.bytes * _ROOM:
            hint = Message("Free {value}, or choose a smaller set.", value=size_text(wanted.bytes * _ROOM))
            raise VisionFTError(Message("There is not enough room for {title}.", title=wanted.title), hint)
        with _watched(wanted, job), _explained(wanted):
            lines = [json.dumps(line, ensure_ascii=False) for line in _images(wanted, part)]
        for file in part.rglob("*"):
            if file.is_file() and file.name.endswith((".zip", ".tgz", ".tar.gz")):
                file.unlink()
        write_text(part / target.name, "\n".join(lines) + "\n")
        shutil.rmtree(target.parent, ignore_errors=True)
        part.rename(target.parent)
    except _DownloadCancelled:
        shutil.rmtree(part, ignore_errors=True)
        return None
    except OSError as error:
        raise write_error(folder, error) from error
    return target


def _images(wanted: PublicSet, part: Path) -> Iterator[dict[str, Any]]:
    """Let torchvision fetch, check and unpack the set; yield its images, as `labels.jsonl` has them."""
    from torchvision import datasets

    kind = getattr(datasets, wanted.name)
    for name, split in wanted.splits.items():
        dataset = kind(str(part), **({"split": name} if name else {}), download=True)
        if hasattr(dataset, "samples"):  # torchvision's sets keep files and class indices in one of two ways
            pairs = dataset.samples
        else:
            files = dataset._image_files if hasattr(dataset, "_image_files") else dataset._images
            pairs = zip(files, dataset._labels, strict=True)
        for path, index in pairs:
            label = dataset.classes[index]
            line = {"file_name": Path(path).relative_to(part).as_posix(), "label": label}
            yield line | ({"split": split} if split else {})


@contextmanager
def _watched(wanted: PublicSet, job: JobContext) -> Generator[None]:
    """Report each downloaded chunk, and end the download at the next one when cancelled.

    torchvision offers neither; it updates its progress bar with each chunk, so the bar is replaced.
    """
    from torchvision.datasets import utils

    arrived = 0

    class Bar:
        def __init__(self, **_: Any) -> None:
            pass

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: int) -> None:
            nonlocal arrived
            arrived += count
            job.report(Progress(stage="Download", done=min(arrived, wanted.bytes), total=wanted.bytes))
            if job.is_cancelled:
                raise _DownloadCancelled

    bar = utils.tqdm
    patience = socket.getdefaulttimeout()
    utils.tqdm = Bar  # type: ignore[assignment]
    socket.setdefaulttimeout(PATIENCE_S)
    try:
        yield
    finally:
        utils.tqdm = bar
        socket.setdefaulttimeout(patience)


@contextmanager
def _explained(wanted: PublicSet) -> Generator[None]:
    """Turn an exception of torchvision into an error with advice."""
    from urllib.error import HTTPError, URLError

    try:
        with errors_without_secrets():
            yield
    except URLError as error:
        if isinstance(error, HTTPError):
            error.close()
        hint = "Check the connection and try again, or draw the sample images instead."
        raise VisionFTError(
            Message("{title} cannot be fetched: {reason}.", title=wanted.title, reason=error.reason), hint
        ) from error
    except TimeoutError as error:
        raise VisionFTError(
            Message("{title} cannot be fetched: nothing arrives.", title=wanted.title), "Try again later."
        ) from error
    except RuntimeError as error:
        raise VisionFTError(
            Message("{title} arrived damaged: {reason}", title=wanted.title, reason=error), "Try again."
        ) from error
