"""Checking an export again, wherever it lies now: every byte by its hash, every answer by its record. Torch-free."""

import tempfile
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from visionft.data.decode import decode
from visionft.errors import ExportError, ImageError, NextStep, StoppedError, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.bundle.pushing import name_on_hub
from visionft.export.bundle.reference import (
    Answer,
    answer_of,
    drawn_pictures,
    largest_difference,
    recorded_answers,
    recorded_spread,
)
from visionft.export.bundle.sample_runs import run_python
from visionft.export.bundle.samples import PYTHON
from visionft.export.contents import (
    MODEL_FILE,
    RECORD_FILE,
    SCRIPT_FILE,
    ListedFile,
    files_in,
    is_inside_folder,
    is_undamaged,
    listed_file,
    listed_files,
    read_record,
)
from visionft.export.parity import MAX_ABS_DIFF
from visionft.export.precision.variants import recorded_precisions
from visionft.export.predictor import Predictor, expand_folders
from visionft.export.publishing import settle

Fault = Literal["changed", "missing", "unreadable"]
# How far answers may be from the recorded ones, at least; where that is more, so many spreads (`reference.py`).
# Measured on ResNet-18, the starter ViT and both combined, 20 pictures, between all graph optimisations and none, one
# thread and two: 7e-7 for float32, 3e-6 for fp16, 5e-3 for int8, whose sums are whole but which rounds between layers
# (1.2e-2 for a ResNet of random weights). A graphics card computes fp16 in fp16, where a processor casts it: that may
# cost what the file itself differs from model.onnx, 2e-3 in these. Products that a processor loses without VNNI
# (`processor.py`) change a sum by half.
LEAST_LIMITS = {"fp16": 0.01, "int8": 0.02}
SPREADS = 4.0
MOST_PICTURES = 200


@dataclass(frozen=True, kw_only=True)
class FileFault:
    """What is wrong with a file of an export."""

    name: str
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class AnswerCheck:
    """How a model file answers here beside what it was measured to answer.

    Attributes:
        max_abs_diff: Largest difference of any probability from the recorded ones; None where there are none.
        limit: What it may be.
        pictures: How many pictures of the reader's own were asked too; `agreement` is the share of them for which it
            and `model.onnx` name the same class.
    """

    name: str
    max_abs_diff: float | None
    limit: float
    pictures: int = 0
    agreement: float | None = None

    @property
    def is_equal(self) -> bool:
        """Tell whether it answers as it did."""
        return self.max_abs_diff is None or self.max_abs_diff <= self.limit


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What checking an export found.

    Attributes:
        checked: Files whose bytes were compared.
        faults: Files that are not as they were.
        foreign: Files that lie there and are none of the export.
        answers: Of the model files, in this ONNX Runtime.
        sample: What is wrong with the script's answers; empty where they are the model's, or it was not run.
        why_not_run: Why the script was not run; empty where it was, or where its file or the model is at fault.
        has_hashes: Whether the record lists its files; those of the first versions do not.
    """

    folder: Path
    checked: int
    faults: tuple[FileFault, ...]
    foreign: tuple[str, ...]
    answers: tuple[AnswerCheck, ...]
    sample: str = ""
    why_not_run: str = ""
    has_hashes: bool = True

    @property
    def is_whole(self) -> bool:
        """Tell whether everything is as it was exported."""
        return not self.faults and not self.sample and all(each.is_equal for each in self.answers)


def verify_export(
    folder: Path,
    *,
    pictures: Path | None = None,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Verification:
    """Check an export: its files against the hashes of its record, and its models against their recorded answers.

    Args:
        folder: Of the export.
        pictures: The reader's own: every model file, and the script, are compared with `model.onnx` on them.
        on_event: Receives how far it is.
        should_stop: Asked between files and pictures.

    Raises:
        ExportError: There is no export in the folder, or no picture where some were to be asked.
        StoppedError: The user stopped.
    """
    settle(folder)
    record = read_record(folder)
    if record is None:
        raise _no_export(folder)
    listed = listed_files(record)
    listed_as = listed or {MODEL_FILE: _listed_alone(record)}
    known = {_where_it_lies(folder, name): said for name, said in listed_as.items()}
    faults = [] if is_undamaged(record) else [FileFault(name=RECORD_FILE, fault="changed")]
    faults += _faults(folder, known, on_event, should_stop)
    broken = {each.name for each in faults}
    answers, sample, why_not_run = list[AnswerCheck](), "", ""
    if MODEL_FILE not in broken:
        models = _opened(folder, {MODEL_FILE, *((known.keys() - broken) & recorded_answers(record).keys())})
        answers = _answers(record, models)
        if pictures is not None:
            answers = _asked(answers, models, pictures, on_event, should_stop)
        if SCRIPT_FILE in known.keys() - broken:
            sample, why_not_run = _sample(folder, pictures)
    return Verification(
        folder=folder,
        checked=len(known) - sum(each.fault == "missing" for each in faults),
        faults=tuple(faults),
        foreign=tuple(_foreign(folder, known)) if listed else (),
        answers=tuple(answers),
        sample=sample,
        why_not_run=why_not_run,
        has_hashes=listed is not None,
    )


def _where_it_lies(folder: Path, name: str) -> str:
    """Return the name of a listed file in this folder: what was fetched from the hub has the one that it has there."""
    on_hub = name_on_hub(name)
    return on_hub if not (folder / name).exists() and (folder / on_hub).exists() else name


def _faults(
    folder: Path, known: Mapping[str, ListedFile], on_event: OnEvent, should_stop: ShouldStop
) -> Iterator[FileFault]:
    for number, (name, said) in enumerate(known.items(), start=1):
        _stop_when_asked(should_stop)
        on_event(Progress(stage="Checking files", done=number, total=len(known)))
        if fault := _fault(folder, name, said):
            yield FileFault(name=name, fault=fault)


def _foreign(folder: Path, known: Collection[str]) -> Iterator[str]:
    """Yield what lies there and is none of the export; what systems and other programs hide is nobody's business."""
    for name in files_in(folder):
        is_hidden = any(part.startswith(".") for part in name.split("/"))
        if name not in known and name != RECORD_FILE and not is_hidden:
            yield name


def _stop_when_asked(should_stop: ShouldStop) -> None:
    if should_stop():
        raise StoppedError("The check was stopped.", "Start it again when you like.")


def _no_export(folder: Path) -> ExportError:
    record = folder / RECORD_FILE
    if record.is_file():
        said = f"{record} is damaged, or another program's: it describes no export."
        return ExportError(said, "Copy the export anew, or export the run again.", NextStep("export"))
    hint = f"Give the folder of an export, with its {RECORD_FILE}."
    return ExportError(f"{folder} holds no export.", hint, NextStep("export"))


def _listed_alone(record: dict[str, Any]) -> ListedFile:
    """Return what a record of the first versions says of its model."""
    size = record.get("bytes")
    return ListedFile(bytes=size if isinstance(size, int) else -1, sha256=record["sha256"])


def _fault(folder: Path, name: str, said: ListedFile) -> Fault | None:
    """Return what is wrong with a file; what the records of earlier versions leave out is not compared."""
    path = folder / name
    if not is_inside_folder(folder, name):
        return "missing"
    try:
        now = listed_file(path)
        is_same = said.bytes in (-1, now.bytes) and said.sha256 in ("", now.sha256)
        return None if is_same else "changed"
    except OSError:
        return "unreadable"


@contextmanager
def _explained(name: str) -> Generator[None]:
    """Turn what ONNX Runtime raises into an error with advice."""
    try:
        yield
    except VisionFTError:
        raise
    except Exception as error:  # ONNX Runtime has a class of its own for each of a dozen faults
        raise ExportError(f"{name} does not run here: {type(error).__name__}.", "Update ONNX Runtime.") from error


def _opened(folder: Path, names: Collection[str]) -> dict[str, Answer]:
    models: dict[str, Answer] = {}
    for name in sorted(names):
        with _explained(name):
            models[name] = answer_of(folder / name)
    return models


def _answers(record: dict[str, Any], models: Mapping[str, Answer]) -> list[AnswerCheck]:
    """Compare what the model files answer with what the record says of them."""
    recorded, precisions = recorded_answers(record), recorded_precisions(record)
    found: list[AnswerCheck] = []
    for name in sorted(models.keys() & recorded.keys()):
        least = LEAST_LIMITS.get(precisions.get(name, ""), MAX_ABS_DIFF)
        limit = max(least, SPREADS * recorded_spread(record, name))
        with _explained(name):
            difference = largest_difference(recorded[name], models[name])
        found.append(AnswerCheck(name=name, max_abs_diff=difference, limit=limit))
    return found


def _asked(
    answers: Sequence[AnswerCheck],
    models: Mapping[str, Answer],
    pictures: Path,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> list[AnswerCheck]:
    """Add for how many of the reader's pictures each model file names the class of `model.onnx`.

    They are decoded one after another: together they may need more memory than there is.
    """
    paths, number, same = expand_folders([pictures])[:MOST_PICTURES], 0, Counter[str]()
    for done, path in enumerate(paths, start=1):
        _stop_when_asked(should_stop)
        with suppress(ImageError):
            pixels = decode(path)[None]
            same.update(_like_the_model(models, pixels))
            number += 1
        on_event(Progress(stage="Classifying", done=done, total=len(paths)))
    if not number:
        raise ExportError(f"{pictures} holds no picture that can be read.", "Give a folder of pictures.")
    return [replace(each, pictures=number, agreement=same[each.name] / number) for each in answers]


def _like_the_model(models: Mapping[str, Answer], pixels: np.ndarray) -> list[str]:
    """Return the model files whose class of one uint8 (1, H, W, 3) picture is that of `model.onnx`."""
    best: dict[str, int] = {}
    for name, answer in models.items():
        with _explained(name):
            best[name] = int(answer(pixels).argmax())
    return [name for name, place in best.items() if place == best[MODEL_FILE]]


def _sample(folder: Path, pictures: Path | None) -> tuple[str, str]:
    """Run the script on one of the reader's pictures, or on a drawn one.

    Only this program's own is run: the hash of another says no more than that its record was written for it.

    Returns:
        What is wrong with what it says, and why it was not run; each empty where there is no such thing.
    """
    if (folder / SCRIPT_FILE).read_bytes() != PYTHON.content:
        return "", "It is not the one of this version."
    predictor = Predictor(folder / MODEL_FILE, device="cpu")
    with tempfile.TemporaryDirectory() as drawn:
        paths = expand_folders([pictures]) if pictures is not None else [Path(drawn) / "drawn.png"]
        if pictures is None:
            Image.fromarray(drawn_pictures()[0]).save(paths[0])
        expected = next(said for said in predictor.predict(paths) if not said.error)
        run = run_python(folder, {MODEL_FILE: [expected]})
    return f"{SCRIPT_FILE} answers otherwise than {MODEL_FILE}." if run.agrees is False else "", run.why_not
