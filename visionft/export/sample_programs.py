"""Files of an export that come with the program: samples, the licence, ONNX Runtime for the web page. Torch-free.

The samples run the model without VisionFT. Their sources are files of `resources`, published byte for byte. An export
runs the Python sample in a process of its own, and compares its output with this program's predictions. The record says
why the sample could not be run; an export is refused if it disagrees with the model.

`packaging/make_runtimes.py --web` puts ONNX Runtime into `resources/web_runtime` before a wheel or an installer is
built. With it the page needs no npm.
"""

import itertools
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import resources
from visionft.core.errors import ExportError
from visionft.core.files import write_text
from visionft.core.foreign_text import is_unicode, printable
from visionft.core.installation import is_frozen
from visionft.core.messages import Message
from visionft.export.contents import LICENCE_FILE, MODEL_FILE, RUNTIME_FOLDER
from visionft.export.export_result import SampleRun
from visionft.export.predictor import Prediction, Predictor

logger = logging.getLogger(__name__)

Expected = Mapping[str, Sequence[Prediction]]  # this program's predictions, by model file
TIMEOUT_S: Final = 120
_MAX_PERCENT_OFF: Final = 0.011  # per cent; the samples print two decimals
_PRINTED_CLASS = re.compile(r"^ +([\d.]+)%  (.*?)(?:  \*)?$", re.MULTILINE)
ROOT = Path(resources.__file__).parent


@dataclass(frozen=True, kw_only=True)
class SampleProgram:
    """A sample program.

    Attributes:
        name: Of its language, in records.
        title: Of its language, for people.
        file: Its main file, relative to an export's folder.
        needs: What has to be installed.
        commands: Start it, in the export's folder, one after another; `{model}` names another file than `model.onnx`,
            `{file}` any.
        installed: A file that an export may have, which makes the first command needless.
    """

    name: str
    title: str
    file: str
    needs: str
    commands: tuple[str, ...]
    installed: str = ""

    @property
    def content(self) -> bytes:
        """The bytes of the main file."""
        return (ROOT / self.file).read_bytes()

    def start(self, model: str = MODEL_FILE, files: Collection[str] = ()) -> str:
        """Return the commands to start it with a model file of an export that has these files, one a line."""
        option = "?model=" if self.name == "web" else " --model "
        commands = self.commands[1:] if self.installed in files else self.commands
        lines = "\n".join(commands).replace("{model}", "" if model == MODEL_FILE else option + model)
        return lines.replace("{file}", model)


PYTHON = SampleProgram(
    name="python",
    title="Python",
    file="predict.py",
    needs=Message("It needs Python."),
    commands=("pip install onnxruntime numpy pillow", "python predict.py{model} image.jpg"),
)
NODE = SampleProgram(
    name="node",
    title="JavaScript",
    file="samples/node/predict.mjs",
    needs=Message("It needs Node.js, 20.9 or newer."),
    commands=("npm install --prefix samples/node", "node samples/node/predict.mjs{model} image.jpg"),
)
SAMPLES = (
    PYTHON,
    NODE,
    SampleProgram(
        name="web",
        title="Browser",
        file="samples/web/page.mjs",
        needs=Message(
            "The page classifies images in the browser; none is uploaded. To try it, Python serves it here. Where no "
            "ONNX Runtime is beside it, npm (of Node.js) fetches that once."
        ),
        commands=(
            "npm install --prefix samples/web",
            "python -m http.server 8000 --bind 127.0.0.1",
            "# open http://127.0.0.1:8000/samples/web/{model}",
        ),
        installed="samples/web/runtime/ort.wasm.bundle.min.mjs",
    ),
    SampleProgram(
        name="server",
        title="Server",
        file="samples/server/app.py",
        needs=Message("It needs Python. Run the last command in another terminal to send it an image."),
        commands=(
            "pip install -r samples/server/requirements.txt",
            "python samples/server/app.py{model}",
            "curl -F file=@image.jpg http://127.0.0.1:8000/predict",
        ),
    ),
    SampleProgram(
        name="cpp",
        title="C++",
        file="samples/cpp/predict.cpp",
        needs=Message("It needs ONNX Runtime and OpenCV: on Debian libonnxruntime-dev and libopencv-dev."),
        commands=(
            "g++ -std=c++17 -O2 samples/cpp/predict.cpp -o samples/cpp/predict "
            "$(pkg-config --cflags --libs libonnxruntime opencv4)",
            "samples/cpp/predict{model} image.jpg",
        ),
    ),
)


def sample_files() -> list[str]:
    """Return the files of the samples, relative to an export's folder."""
    below = (path for path in (ROOT / "samples").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return [PYTHON.file, *sorted(path.relative_to(ROOT).as_posix() for path in below)]


def write_samples(folder: Path) -> None:
    """Write the samples that are not in an export's folder yet."""
    for name in sample_files():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((ROOT / name).read_bytes())


def run_samples(folder: Path, images: Sequence[Path], predictors: Sequence[Predictor]) -> tuple[SampleRun, ...]:
    """Run the export's Python sample on up to two images per model; return an empty tuple if none can be read.

    Args:
        folder: The folder of the finished export.
        predictors: CPU predictors, one for each model file to run the sample with.
    """
    unicode_paths = [path for path in images if is_unicode(path)]
    expected: dict[str, list[Prediction]] = {}
    for predictor in predictors:
        predictions = (prediction for prediction in predictor.predict(unicode_paths) if not prediction.error)
        expected[predictor.path.name] = list(itertools.islice(predictions, 2))
    if not expected[MODEL_FILE]:
        return ()
    return (run_python(folder, expected),)


def require_agreement(samples: Sequence[SampleRun]) -> None:
    """Refuse an export if its Python sample disagrees with `model.onnx`; for smaller files the record reports it.

    Raises:
        ExportError: The Python sample disagrees.
    """
    if any(run.name == PYTHON.name and run.agrees is False and MODEL_FILE in run.models for run in samples):
        hint = Message("Nothing was kept. Please report this with the run's config.json.")
        raise ExportError(Message("{file} does not predict as the exported file does.", file=PYTHON.file), hint)


def run_python(folder: Path, expected: Expected) -> SampleRun:
    """Run the Python sample with each model file on the images of the `expected` predictions.

    Returns the first failure or disagreement, else the result of the first file.
    """
    if is_frozen():
        return SampleRun(name=PYTHON.name, why_not=Message("This program has no Python to run it with."))
    folder = folder.absolute()  # it is the working directory, so relative paths would not resolve
    runs = [_run_with(folder, model, each) for model, each in expected.items()]
    worst = next((each for each in runs if not each.agrees), runs[0])
    return replace(worst, models=tuple(expected)) if worst.agrees else worst


def _run_with(folder: Path, model: str, expected: Sequence[Prediction]) -> SampleRun:
    run = SampleRun(name=PYTHON.name, models=(model,))
    paths = [str(each.path.absolute()) for each in expected]
    other = ["--model", str(folder / model)] if model != MODEL_FILE else []
    try:
        done = subprocess.run(
            # Isolated mode: the user's folders and environment variables have no effect.
            [sys.executable, "-I", "-X", "utf8", str(folder / PYTHON.file), *other, *paths],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            cwd=folder,
            timeout=TIMEOUT_S,
            check=False,
            process_group=0,  # Ctrl-C reaches only the export; a sample ended by it would look wrong
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.info("%s did not run: %s", PYTHON.file, error)
        return replace(run, why_not=Message("It could not be started, or did not end."))
    if done.returncode:
        logger.warning("%s ended with %d: %s", PYTHON.file, done.returncode, done.stderr)
        words = (done.stderr.strip().splitlines() or [""])[-1]
        for path, short in ((str(folder), "."), (sys.executable, "python"), (sys.prefix, ".")):
            words = words.replace(path, short)  # an export does not reveal the author's folders
        return replace(run, why_not=Message("It ended with {code}: {words}", code=done.returncode, words=words))
    printed = done.stdout
    for number, path in enumerate(paths, start=1):  # an export does not reveal the author's file names
        printed = printed.replace(path, f"image{number}{Path(path).suffix}")
    agrees = _agrees(printed, expected)
    if not agrees:
        logger.warning("%s answers otherwise than the program, with %s", PYTHON.file, model)
    return replace(run, output=printed, agrees=agrees)


def _agrees(printed: str, expected: Sequence[Prediction]) -> bool:
    """Return whether the printed predictions are the same, except for the order of equally probable classes."""
    rows = [(float(share), name) for share, name in _PRINTED_CLASS.findall(printed)]
    if len(rows) != sum(len(each.top5) for each in expected):
        return False
    for prediction in expected:
        count = len(prediction.top5)
        printed_rows, rows = rows[:count], rows[count:]
        shares = {name: 100 * probability for name, probability in prediction.top5}
        last = min(shares.values())  # classes tied with the last one are interchangeable
        for (share, name), (_, probability) in zip(printed_rows, prediction.top5, strict=True):
            if (
                abs(share - 100 * probability) > _MAX_PERCENT_OFF
                or abs(share - shares.get(name, last)) > _MAX_PERCENT_OFF
            ):
                return False
    return True


_HEAD = """\
The programs in this folder (predict.py, samples, and what loads a network) are a part of VisionFT. The Apache License
2.0, below, is their licence.

It is not the licence of the model: of model.onnx and of all other files with weights. To those apply, together,

    {expression}

{weights}
and the rights in the images that it was trained on. README.md has more, under "Licence and origin".

What others made has its own licence beside it: samples/web/runtime, where that folder is here.

------------------------------------------------------------------------------------------------------------------------
"""


def write_licence(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write `LICENSE` into an export's folder, where it is not yet there.

    Args:
        folder: The export's folder.
        metadata: Metadata of `model.onnx`: its `license`, and its `weights` or the `weights` of its `parts`.
    """
    if (folder / LICENCE_FILE).exists():
        return
    lines = list(dict.fromkeys(map(_origin, metadata.get("parts", [metadata]))))
    head = _HEAD.format(expression=printable(metadata["license"]), weights="\n".join(lines))
    write_text(folder / LICENCE_FILE, head + (ROOT / LICENCE_FILE).read_text(encoding="utf-8"))


def _origin(part: Mapping[str, Any]) -> str:
    """Return a line on the pretrained weights of a network."""
    weights = part["weights"]
    if not weights["file"]:
        return "(it began with random weights: what its author says of it applies)"
    origin = f" of {weights['origin']}" if weights["origin"] else ""
    return printable(f"(the weights that it began with: {weights['file']}{origin}, {weights['licence']})")


# The page loads the first pair where the browser has WebGPU, else the second, which is half as large.
RUNTIME_FILES: Final = (
    "ort.webgpu.bundle.min.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
    "ort.wasm.bundle.min.mjs",
    "ort-wasm-simd-threaded.wasm",
    "LICENSE.txt",
    "ThirdPartyNotices.txt",
)


def runtime_files() -> list[str]:
    """Return the files of the runtime, relative to an export's folder; none where this program came without it."""
    has_all = all((ROOT / "web_runtime" / name).is_file() for name in RUNTIME_FILES)
    return [f"{RUNTIME_FOLDER}/{name}" for name in RUNTIME_FILES] if has_all else []


def write_runtime(folder: Path) -> None:
    """Copy the runtime into an export's folder (ExportError: This program came without it)."""
    if not (names := runtime_files()):
        message = Message("This program came without ONNX Runtime for browsers; npm fetches it for the page.")
        raise ExportError(message, "The page says how.")
    (folder / RUNTIME_FOLDER).mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(ROOT / "web_runtime" / Path(name).name, folder / name)
