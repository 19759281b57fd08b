"""Checking an export again, wherever it lies now: every byte by its hash, every answer by its record. Torch-free."""

import itertools
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from visionft.data.decode import decode
from visionft.errors import ExportError, ImageError, NextStep, StoppedError, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.bundle.reference import (
    answer_of,
    drawn_pictures,
    largest_difference,
    recorded_answers,
    recorded_spread,
)
from visionft.export.bundle.sample_runs import run_python
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
        sample: What came of running the script; empty where it answers as the model does, or was not run.
        has_hashes: Whether the record lists its files; those of the first versions do not.
    """

    folder: Path
    checked: int
    faults: tuple[FileFault, ...]
    foreign: tuple[str, ...]
    answers: tuple[AnswerCheck, ...]
    sample: str = ""
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
    known = listed or {MODEL_FILE: _listed_alone(record)}
    faults = [] if is_undamaged(record) else [FileFault(name=RECORD_FILE, fault="changed")]
    for number, (name, said) in enumerate(known.items(), start=1):
        _stop_when_asked(should_stop)
        on_event(Progress(stage="Checking files", done=number, total=len(known)))
        if fault := _fault(folder, name, said):
            faults.append(FileFault(name=name, fault=fault))
    broken = {each.name for each in faults}
    asked = _own_pictures(pictures)
    answers = [] if MODEL_FILE in broken else list(_answers(folder, record, known.keys() - broken, asked, should_stop))
    sample = _sample(folder, pictures) if not broken & {MODEL_FILE, SCRIPT_FILE} and SCRIPT_FILE in known else ""
    foreign = [name for name in files_in(folder) if name not in known and name != RECORD_FILE] if listed else []
    return Verification(
        folder=folder,
        checked=len(known) - sum(each.fault == "missing" for each in faults),
        faults=tuple(faults),
        foreign=tuple(name for name in foreign if not Path(name).name.startswith(".")),
        answers=tuple(answers),
        sample=sample,
        has_hashes=listed is not None,
    )


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


def _own_pictures(folder: Path | None) -> list[np.ndarray]:
    """Decode the reader's pictures; those that cannot be read are left out."""
    if folder is None:
        return []
    found = list(_decoded(expand_folders([folder])))
    if not found:
        raise ExportError(f"{folder} holds no picture that can be read.", "Give a folder of pictures.")
    return found


def _decoded(paths: Iterable[Path]) -> Iterable[np.ndarray]:
    for path in itertools.islice(paths, 200):
        try:
            yield decode(path)
        except ImageError:
            continue


def _answers(
    folder: Path, record: dict[str, Any], names: Iterable[str], asked: list[np.ndarray], should_stop: ShouldStop
) -> Iterable[AnswerCheck]:
    recorded, precisions = recorded_answers(record), recorded_precisions(record)
    best = [int(Predictor(folder / MODEL_FILE, device="cpu").probabilities(pixels[None]).argmax()) for pixels in asked]
    for name in sorted(name for name in names if name in recorded):
        _stop_when_asked(should_stop)
        least = LEAST_LIMITS.get(precisions.get(name, ""), MAX_ABS_DIFF)
        limit = max(least, SPREADS * recorded_spread(record, name))
        try:
            answer = answer_of(folder / name)
            difference = largest_difference(recorded[name], answer)
            same = [int(answer(pixels[None]).argmax()) == place for pixels, place in zip(asked, best, strict=True)]
        except VisionFTError:
            raise
        except Exception as error:  # ONNX Runtime has a class of its own for each of a dozen faults
            raise ExportError(f"{name} does not run here: {type(error).__name__}.", "Update ONNX Runtime.") from error
        share = sum(same) / len(same) if same else None
        yield AnswerCheck(name=name, max_abs_diff=difference, limit=limit, pictures=len(asked), agreement=share)


def _sample(folder: Path, pictures: Path | None) -> str:
    """Run the script on one of the reader's pictures, or on a drawn one; return what is wrong with what it says."""
    predictor = Predictor(folder / MODEL_FILE, device="cpu")
    with tempfile.TemporaryDirectory() as drawn:
        paths = expand_folders([pictures]) if pictures is not None else [Path(drawn) / "drawn.png"]
        if pictures is None:
            Image.fromarray(drawn_pictures()[0]).save(paths[0])
        expected = next((said for said in predictor.predict(paths) if not said.error), None)
        run = run_python(folder, {MODEL_FILE: [expected]}) if expected is not None else None
    return f"{SCRIPT_FILE} answers otherwise than {MODEL_FILE}." if run is not None and run.agrees is False else ""
