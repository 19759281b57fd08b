"""Verify an export anywhere: every file by its hash, every model by its recorded predictions. Torch-free.

The record holds reference predictions on synthetic images, so that no user data is needed. The images come from integer
arithmetic: they are the same bytes on every computer.

Only verified files are sent to the Hugging Face hub, when a person asks for it, and `huggingface/` becomes the top
folder there: `timm.create_model("hf-hub:OWNER/NAME", pretrained=True)` expects this layout. huggingface_hub makes the
repository and sends the files, with its own login or `HF_TOKEN` unless a token is given; `HF_ENDPOINT` names another
hub. No token is stored, logged or shown.
"""

import re
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
from PIL import Image

from visionft.core.errors import ExportError, NextStep, VisionFTError
from visionft.core.events import Progress
from visionft.core.foreign_text import without_secrets
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.offline import offline_reason
from visionft.export.contents import (
    FIXED_MODEL_FILE,
    FLOAT_MODEL_FILE,
    MODEL_FILE,
    RECORD_FILE,
    SCRIPT_FILE,
    TIMM_FOLDER,
    FileEntry,
    file_entry,
    files_in,
    finish_publishing,
    is_inside_folder,
    is_undamaged,
    listed_files,
    read_record,
)
from visionft.export.export_result import MAX_ABS_DIFF
from visionft.export.model_file import open_session, read_model
from visionft.export.options import ARTEFACTS
from visionft.export.predictor import INPUT, OUTPUT, Predictor
from visionft.export.sample_programs import PYTHON, run_python

Probabilities = Callable[[np.ndarray], np.ndarray]  # uint8 (1, H, W, 3) to (1, C)

# (height, width): portrait, landscape, larger than any input, and a strip.
SIZES = ((64, 48), (120, 200), (700, 900), (31, 400))
DIGITS = 7


def synthetic_images() -> list[np.ndarray]:
    """Return the synthetic images, uint8 (H, W, 3): ramps, a chequerboard and stripes, mixed differently in each."""
    images: list[np.ndarray] = []
    for number, (height, width) in enumerate(SIZES, start=1):
        down, across = np.indices((height, width), dtype=np.int64)
        ramp = across * 255 // max(1, width - 1)
        field = ((across // (3 + number) + down // (5 + number)) % 2) * (90 + 30 * number)
        stripes = (across * number + down * (number + 2)) % 256
        planes = (ramp, (field + down * 160 // height) % 256, (stripes + ramp // number) % 256)
        turned = planes[number % 3 :] + planes[: number % 3]
        images.append(np.stack(turned, axis=-1).astype(np.uint8))
    return images


def probabilities_of(path: Path) -> Probabilities:
    """Return the prediction function of a model file, without the retrieval index beside it.

    Raises:
        ExportError: It cannot be run; raised by the function too.
    """
    return _probabilities_of(path, read_model(path))


def _probabilities_of(path: Path, content: bytes, *, is_optimised: bool = True) -> Probabilities:
    session = open_session(path, content, device="cpu", is_optimised=is_optimised)

    def predict(pixels: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(session.run([OUTPUT], {INPUT: pixels})[0])
        except Exception as error:  # ONNX Runtime raises a dozen different exception classes
            message = Message("{name} does not run here: {error}.", name=path.name, error=type(error).__name__)
            raise ExportError(message, "Update ONNX Runtime.") from error

    return predict


def references_in(folder: Path, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the reference predictions of every model file in a folder with whole images as its input, for the record.

    `known` is the result of an earlier call, whose files are unchanged.

    `reference` maps each file name to its probabilities. `reference_spread` is the difference with graph optimisations
    off, as an estimate for other runtimes and processors: the order of sums and the rounding of integers vary.
    """
    references, spreads = (dict((known or {}).get(name, {})) for name in ("reference", "reference_spread"))
    for path in sorted(folder.glob("model*.onnx")):
        if path.name not in (FIXED_MODEL_FILE, FLOAT_MODEL_FILE, *references):
            content = read_model(path)
            model = _probabilities_of(path, content)
            rows = [model(pixels[None])[0] for pixels in synthetic_images()]
            references[path.name] = [[round(float(value), DIGITS) for value in row] for row in rows]
            unoptimised = _probabilities_of(path, content, is_optimised=False)
            spreads[path.name] = largest_difference(references[path.name], unoptimised)
    return {"reference": references, "reference_spread": spreads}


def largest_difference(recorded: Any, model: Probabilities) -> float | None:
    """Return the largest difference from recorded probabilities; None where the record has none of the same shape."""
    try:
        expected = np.asarray(recorded, np.float64)
    except (TypeError, ValueError):
        return None
    found = np.stack([np.asarray(model(pixels[None])[0], np.float64) for pixels in synthetic_images()])
    return float(np.abs(expected - found).max()) if expected.shape == found.shape else None


def recorded_spread(record: Mapping[str, Any], name: str) -> float:
    """Return the recorded spread of a file's predictions; 0 in records of earlier versions and for invalid values."""
    found = record.get("reference_spread")
    spread = found.get(name) if isinstance(found, dict) else None
    return float(spread) if isinstance(spread, float) and 0 <= spread <= 1 else 0.0


Fault = Literal["changed", "missing", "unreadable"]
# Tolerance of the recorded probabilities: the larger of the artefact's tolerance and SPREADS times the spread
# (`reference.py`). Measured on ResNet-18, the starter ViT and an ensemble of both, 20 images, between all graph
# optimisations and none, one thread and two: 7e-7 for float32, 3e-6 for fp16, 5e-3 for int8, with exact sums but
# rounding between layers (1.2e-2 for a ResNet of random weights). A GPU computes fp16 in fp16, a processor casts it to
# float32: the difference may reach that between the file and model.onnx, 2e-3 in these. Products lost to saturation
# without VNNI (`processor.py`) change a sum by half.
SPREADS = 4.0


@dataclass(frozen=True, kw_only=True)
class FileFault:
    """An integrity error of one file of an export."""

    name: str
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class AnswerCheck:
    """Comparison of a model file's predictions here with the recorded ones.

    Attributes:
        max_abs_diff: Largest difference from the recorded probabilities; None without recorded probabilities.
    """

    name: str
    max_abs_diff: float | None
    limit: float

    @property
    def is_equal(self) -> bool:
        return self.max_abs_diff is None or self.max_abs_diff <= self.limit


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Result of verifying an export.

    Attributes:
        checked: Number of files compared.
        foreign: Other files in the folder, without hidden ones.
        sample: Error of the script's predictions; empty where they match the model's, or it was not run.
        why_not_run: Reason why the script was not run; empty where it was, or where its file or the model is faulty.
    """

    COMPUTED_FIELDS: ClassVar = ("is_whole",)

    folder: Path
    checked: int
    faults: tuple[FileFault, ...]
    foreign: tuple[str, ...]
    answers: tuple[AnswerCheck, ...]
    sample: str = ""
    why_not_run: str = ""

    @property
    def is_whole(self) -> bool:
        return not self.faults and not self.sample and all(each.is_equal for each in self.answers)


def verify_export(folder: Path, *, job: JobContext = SILENT_JOB) -> Verification:
    """Verify an export: its files against the hashes of its record, and its models against their recorded predictions.

    Args:
        folder: Of the export.

    Raises:
        ExportError: There is no export in the folder.
    """
    finish_publishing(folder)
    record = read_record(folder) or {}
    if not (listed := listed_files(record)):
        path = folder / RECORD_FILE
        if path.is_file():
            message = Message("{path} is damaged, or belongs to another program.", path=path)
            hint = Message("Copy the export again, or export the run again.")
        else:
            message = Message("{folder} holds no export.", folder=folder)
            hint = Message("Give the folder of an export, with its {file}.", file=RECORD_FILE)
        raise ExportError(message, hint, NextStep("export"))
    files: dict[str, FileEntry] = {}
    for name, entry in listed.items():
        on_hub = name_on_hub(name)  # a download from the hub has its names there
        is_from_hub = not (folder / name).exists() and (folder / on_hub).exists()
        files[on_hub if is_from_hub else name] = entry
    faults = [] if is_undamaged(record) else [FileFault(name=RECORD_FILE, fault="changed")]
    for number, (name, entry) in enumerate(files.items(), start=1):
        job.check_cancelled()
        job.report(Progress(stage="Checking files", done=number, total=len(files)))
        if fault := _fault(folder, name, entry):
            faults.append(FileFault(name=name, fault=fault))
    intact = files.keys() - {each.name for each in faults}
    answers = list[AnswerCheck]()
    sample = ""
    why_not_run = ""
    if MODEL_FILE in intact:
        recorded = record.get("reference")
        recorded = recorded if isinstance(recorded, dict) else {}
        models = {name: probabilities_of(folder / name) for name in sorted({MODEL_FILE, *(intact & recorded.keys())})}
        tolerances = {each.file: each.tolerance for each in ARTEFACTS.values()}
        for name in filter(recorded.__contains__, models):
            limit = max(MAX_ABS_DIFF, tolerances.get(name, 0.0), SPREADS * recorded_spread(record, name))
            difference = largest_difference(recorded[name], models[name])
            answers.append(AnswerCheck(name=name, max_abs_diff=difference, limit=limit))
        if SCRIPT_FILE in intact:
            sample, why_not_run = _run_script(folder)
    others = (name for name in files_in(folder) if name not in (*files, RECORD_FILE))
    return Verification(
        folder=folder,
        checked=len(files) - sum(each.fault == "missing" for each in faults),
        faults=tuple(faults),
        foreign=tuple(name for name in others if not any(part.startswith(".") for part in name.split("/"))),
        answers=tuple(answers),
        sample=sample,
        why_not_run=why_not_run,
    )


def _fault(folder: Path, name: str, entry: FileEntry) -> Fault | None:
    """Return the integrity error of a file, or None."""
    if not is_inside_folder(folder, name):
        return "missing"
    try:
        return None if file_entry(folder / name) == entry else "changed"
    except OSError:
        return "unreadable"


def _run_script(folder: Path) -> tuple[str, str]:
    """Run the script on a synthetic image.

    Only this program's own script is run: a matching hash of any other proves only that the record was written for it.

    Returns:
        The error of its predictions and the reason why it was not run; each may be empty.
    """
    if (folder / SCRIPT_FILE).read_bytes() != PYTHON.content:
        return "", Message("It is not the script of this version.")
    predictor = Predictor(folder / MODEL_FILE, device="cpu")
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "image.png"
        Image.fromarray(synthetic_images()[0]).save(path)
        (expected,) = predictor.predict([path])
        run = run_python(folder, {MODEL_FILE: [expected]})
    differs = Message("The predictions of {script} differ from those of {model}.", script=SCRIPT_FILE, model=MODEL_FILE)
    fault = differs if run.agrees is False else ""
    return fault, run.why_not


@dataclass(frozen=True, kw_only=True)
class UploadFile:
    """A file to upload, and its name in the repository."""

    name: str
    path: Path
    bytes: int


def files_to_send(folder: Path) -> tuple[UploadFile, ...]:
    """Return the files of an export to upload.

    Raises:
        ExportError: There is no export, or one of its files is missing or was changed.
    """
    finish_publishing(folder)
    record = read_record(folder) or {}
    listed = listed_files(record)
    step = NextStep("export")
    if not listed:
        message = Message("{folder} holds no export that can be sent.", folder=folder)
        raise ExportError(message, "Export the run again.", step)
    changed = [name for name, entry in listed.items() if _fault(folder, name, entry)]
    if changed or not is_undamaged(record):
        path = folder / (changed or [RECORD_FILE])[0]
        message = Message("{value} was changed after its export, so nothing is sent.", value=path)
        raise ExportError(message, "Export the run again.", step)
    files = [
        UploadFile(name=name_on_hub(name), path=folder / name, bytes=(folder / name).stat().st_size)
        for name in (*listed, RECORD_FILE)
    ]
    return tuple(sorted(files, key=lambda each: each.name))


def name_on_hub(name: str) -> str:
    """Return the name of an export's file in a hub repository."""
    return name.removeprefix(f"{TIMM_FOLDER}/")


_LOGIN = Message(
    "Give a token with write access (create one on huggingface.co, Settings, Access Tokens), or log in with "
    "huggingface_hub's tool."
)


def require_network() -> None:
    """Raise a `VisionFTError` where the settings forbid the network."""
    if reason := offline_reason():
        message = Message("Nothing was sent. {reason}", reason=reason)
        raise VisionFTError(message, "Allow the network first.", NextStep("allow_network"))


def send_export(
    folder: Path, repository: str, *, is_public: bool = False, token: str = "", job: JobContext = SILENT_JOB
) -> str:
    """Send the files of an export to a model repository, in one commit, and return the repository's address.

    Args:
        folder: Of the export; only the files that its record lists are sent.
        repository: `NAME` of the person whose token it is, or `OWNER/NAME`; it is made where it is missing.
        is_public: Whether everybody may see it.
        token: Of the person who sends; empty for huggingface_hub's own.

    Raises:
        VisionFTError: A file was changed since the export, the network may not be used, the hub refuses or is gone, or
            the repository is public although it was not to be.
        JobCancelled: It was stopped before the files were on their way.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import disable_progress_bars

    require_network()
    files = files_to_send(folder)
    token = token.strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise VisionFTError("This is not a token of the hub.", "Copy it whole: it has neither blanks nor accents.")
    disable_progress_bars()  # they would be printed
    api: Any = HfApi(library_name="visionft", token=token or None)
    with _explained(repository):
        job.check_cancelled()
        made = api.create_repo(repository, private=not is_public, exist_ok=True)
        if not is_public and not api.model_info(made.repo_id).private:
            hint = Message("Choose another repository, or say that everybody may see it.")
            message = Message("{repository} is public, so nothing was sent.", repository=made.repo_id)
            raise VisionFTError(message, hint)
        job.check_cancelled()
        job.report(Progress(stage="Sending", done=0, total=0))
        # Not `upload_folder`: the folder may hold other files, and it may send in several commits.
        operations = [CommitOperationAdd(each.name, each.path) for each in files]
        api.create_commit(made.repo_id, operations, commit_message="Export")
    return without_secrets(str(made))


@contextmanager
def _explained(repository: str) -> Generator[None]:
    """Turn the errors of huggingface_hub into a `VisionFTError` with a next step, without what the hub answered."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    # The base error of the HTTP library, which differs between versions of huggingface_hub, and OSError.
    transport_errors = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    try:
        yield
    except HFValidationError:
        hint = Message("Give NAME or OWNER/NAME, of letters, digits, “-”, “_” and “.”.")
        raise VisionFTError(
            Message("{repository} is not the name of a repository.", repository=repository), hint
        ) from None
    except OfflineModeIsEnabled:
        step = NextStep("allow_network")
        raise VisionFTError("Nothing was sent: HF_HUB_OFFLINE was set.", "Allow the network first.", step) from None
    except LocalTokenNotFoundError:
        raise VisionFTError("You are not logged in to the hub on this computer.", _LOGIN) from None
    except HfHubHTTPError as error:
        raise _refused(repository, error.response.status_code) from None
    except (*transport_errors, LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        message = Message("The hub took nothing: {error}", error=without_secrets(str(error)) or type(error).__name__)
        hint = Message("Check the connection and the address of the hub (HF_ENDPOINT), and try again.")
        raise VisionFTError(message, hint) from None


def _refused(repository: str, status: int) -> VisionFTError:
    if status == 401:
        return VisionFTError("The token is missing, or unknown to the hub (it answered 401).", _LOGIN)
    if status == 403:
        message = Message("The token may not write to {repository} (the hub answered 403).", repository=repository)
        return VisionFTError(message, _LOGIN)
    reason = Message("it answered {status}", status=status)
    hint = Message("Try again later.") if status >= 500 else Message("Choose another name.")
    message = Message("The hub refuses to take {repository}: {reason}.", repository=repository, reason=reason)
    return VisionFTError(message, hint)
