"""Public picture sets to practise on, fetched through torchvision: a folder of pictures and a list of their classes.

Connects only when asked, and only to the places that torchvision names. The result is a source like any other.
"""

import json
import shutil
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.amounts import size_text
from visionft.errors import NextStep, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import write_error, write_text
from visionft.weights.states import offline_reason

PATIENCE_S = 20.0
_ROOM = 2.3  # the archive and its content are both there for a moment
_ARCHIVES = (".zip", ".tgz", ".gz", ".mat")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """A set that torchvision can fetch.

    Attributes:
        name: The name of torchvision's class.
        bytes: Size of the download.
        licence: What its authors allow, in a few words.
        splits: torchvision's names of its parts, with ours; {"": None} where it is not divided.
    """

    name: str
    title: str
    pictures: int
    classes: int
    bytes: int
    licence: str
    about: str
    splits: tuple[tuple[str, str | None], ...]


PUBLIC_SETS: tuple[PublicSet, ...] = (
    PublicSet(
        name="EuroSAT",
        title="EuroSAT",
        pictures=27_000,
        classes=10,
        bytes=94_280_567,
        licence="MIT",
        about="Satellite pictures of land use",
        splits=(("", None),),
    ),
    PublicSet(
        name="Flowers102",
        title="Flowers 102",
        pictures=8_189,
        classes=102,
        bytes=344_862_509,
        licence="for research",
        about="British flowers",
        splits=(("train", "train"), ("val", "val"), ("test", "test")),
    ),
    PublicSet(
        name="OxfordIIITPet",
        title="Oxford-IIIT Pet",
        pictures=7_349,
        classes=37,
        bytes=811_092_049,
        licence="CC BY-SA 4.0",
        about="Breeds of cats and dogs",
        splits=(("trainval", None), ("test", "test")),
    ),
)


class _Stopped(Exception):
    """Leaves torchvision's download loop. Not an OSError: torchvision would try again without encryption."""


def get_set(name: str) -> PublicSet:
    """Return the set called `name`, letters compared without case.

    Raises:
        VisionFTError: There is none.
    """
    found = next(
        (each for each in PUBLIC_SETS if name.casefold() in (each.name.casefold(), each.title.casefold())), None
    )
    if found is None:
        names = ", ".join(each.name for each in PUBLIC_SETS)
        raise VisionFTError(f"There is no public set “{name}”.", f"Choose {names}.")
    return found


def list_file(wanted: PublicSet, folder: Path) -> Path:
    """Return the list of a set's pictures below `folder`; it exists once the set is there whole."""
    return folder / wanted.title / f"{wanted.title}.jsonl"


def fetch_set(
    wanted: PublicSet,
    folder: Path,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Path | None:
    """Fetch a set into `folder/<title>` and return the list of its pictures, which can be imported.

    What is there already is not fetched again. Returns None when `should_stop` said so; then nothing is left.

    Raises:
        VisionFTError: Working offline, no connection, a damaged download, or not enough room.
    """
    target = list_file(wanted, folder)
    if target.is_file():
        return target
    if reason := offline_reason():
        hint = "Allow connections, or draw the sample pictures instead."
        raise VisionFTError(reason, hint, NextStep("allow_network"))
    part = folder / f".{wanted.title}.part"
    try:
        part.mkdir(parents=True, exist_ok=True)
        _keep_archives_only(part)
        if shutil.disk_usage(part).free < wanted.bytes * _ROOM:
            hint = f"Free {size_text(wanted.bytes * _ROOM)}, or choose a smaller set."
            raise VisionFTError(f"There is not enough room for {wanted.title}.", hint)
        with _watched(wanted, on_event, should_stop), _explained(wanted):
            lines = [json.dumps(line, ensure_ascii=False) for line in _pictures(wanted, part)]
        for file in part.rglob("*"):
            if file.is_file() and file.name.endswith((".zip", ".tgz", ".tar.gz")):
                file.unlink()
        write_text(part / target.name, "\n".join(lines) + "\n")
        shutil.rmtree(target.parent, ignore_errors=True)
        part.rename(target.parent)
    except _Stopped:
        shutil.rmtree(part, ignore_errors=True)
        return None
    except OSError as error:
        raise write_error(folder, error) from error
    return target


def _keep_archives_only(part: Path) -> None:
    """Drop what a killed run unpacked, perhaps in part; torchvision would take it for whole."""
    for path in sorted(part.rglob("*"), reverse=True):
        if path.is_file() and path.suffix not in _ARCHIVES:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _pictures(wanted: PublicSet, part: Path) -> Iterator[dict[str, Any]]:
    """Let torchvision fetch, check and unpack the set; yield its pictures, as `labels.jsonl` has them."""
    from torchvision import datasets

    kind = getattr(datasets, wanted.name)
    for name, split in wanted.splits:
        dataset = kind(str(part), **({"split": name} if name else {}), download=True)
        for path, index in _pairs(dataset):
            label = dataset.classes[index]
            line = {"file_name": Path(path).relative_to(part).as_posix(), "label": label}
            yield line | ({"split": split} if split else {})


def _pairs(dataset: Any) -> Iterator[tuple[Any, int]]:
    """Yield (file, class index); torchvision's sets keep them in one of two ways."""
    if hasattr(dataset, "samples"):
        yield from dataset.samples
    else:
        files = dataset._image_files if hasattr(dataset, "_image_files") else dataset._images
        yield from zip(files, dataset._labels, strict=True)


@contextmanager
def _watched(wanted: PublicSet, on_event: OnEvent, should_stop: ShouldStop) -> Generator[None]:
    """Hear of each piece that arrives, and end the download at the next one when asked to.

    torchvision offers neither; what it calls for each piece is its progress bar, so that is what is put in place.
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
            on_event(Progress(stage="Download", done=min(arrived, wanted.bytes), total=wanted.bytes))
            if should_stop():
                raise _Stopped

    bar, patience = utils.tqdm, socket.getdefaulttimeout()
    utils.tqdm = Bar  # type: ignore[assignment]
    socket.setdefaulttimeout(PATIENCE_S)
    try:
        yield
    finally:
        utils.tqdm = bar
        socket.setdefaulttimeout(patience)


@contextmanager
def _explained(wanted: PublicSet) -> Generator[None]:
    """Turn what torchvision raises into what a user can act on."""
    from urllib.error import HTTPError, URLError

    try:
        yield
    except URLError as error:
        if isinstance(error, HTTPError):
            error.close()
        hint = "Check the connection and try again, or draw the sample pictures instead."
        raise VisionFTError(f"{wanted.title} cannot be fetched: {error.reason}.", hint) from error
    except TimeoutError as error:
        raise VisionFTError(f"{wanted.title} cannot be fetched: nothing arrives.", "Try again later.") from error
    except RuntimeError as error:
        raise VisionFTError(f"{wanted.title} arrived damaged: {error}", "Try again.") from error
