"""Running the programs beside an exported model by themselves, as its users will: do they answer as this program does?

One that cannot be run here is said in the record. A Python sample that answers otherwise than the model is a wrong
export, and refused.
"""

import itertools
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from visionft.errors import ExportError
from visionft.export.bundle.samples import NODE, PYTHON, Sample
from visionft.export.contents import MODEL_FILE
from visionft.export.parity import SampleRun
from visionft.export.predictor import Prediction, Predictor
from visionft.foreign_text import is_unicode
from visionft.installation import is_frozen

logger = logging.getLogger(__name__)

Expected = Mapping[str, Sequence[Prediction]]  # what this program answers, by the model file
ASKED: Final = 2
LONGEST_S: Final = 120
# A folder whose node_modules hold what the JavaScript sample needs (packaging/make_runtimes.py).
RUNTIMES: Final = "VISIONFT_RUNTIMES"
_NEAR: Final = 0.011  # per cent: they print two places
_ANSWER = re.compile(r"^ +([\d.]+)%  (.*?)(?:  \*)?$", re.MULTILINE)


def run_samples(
    folder: Path, pictures: Sequence[Path], out_dir: Path, *, others: Sequence[str] = ()
) -> tuple[SampleRun, ...]:
    """Run the Python sample and, where Node.js and its packages are at hand, the JavaScript one.

    Args:
        folder: Where the finished export lies.
        pictures: Some that the model is asked about.
        out_dir: Where the export goes: packages that were installed for an earlier one there serve again.
        others: Smaller files beside the model, with which they are run too.
    """
    named = [each for each in pictures if is_unicode(each)]
    expected = {name: _some_answers(folder / name, named) for name in (MODEL_FILE, *others)}
    if not expected[MODEL_FILE]:
        return ()
    return run_python(folder, expected), _run_node(folder, expected, out_dir)


def _some_answers(model: Path, pictures: Sequence[Path]) -> list[Prediction]:
    readable = (said for said in Predictor(model, device="cpu").predict(pictures) if not said.error)
    return list(itertools.islice(readable, ASKED))


def require_right(samples: Sequence[SampleRun]) -> None:
    """Refuse an export whose Python sample answers otherwise with `model.onnx`; of a smaller file the record says it.

    Raises:
        ExportError: It does.
    """
    if any(each.name == PYTHON.name and each.agrees is False and MODEL_FILE in each.models for each in samples):
        hint = "Nothing was kept. Please report this with the run's config.json."
        raise ExportError(f"{PYTHON.file} does not answer as the exported file does.", hint)


def run_python(folder: Path, expected: Expected) -> SampleRun:
    """Run the Python sample with each model file on the pictures whose answers by this program are `expected`."""
    if is_frozen():
        return SampleRun(name=PYTHON.name, why_not="This program has no Python to run it with.")
    # Isolated: no folder of the user's, and no variable, brings it anything.
    return _run(PYTHON, [sys.executable, "-I", "-X", "utf8"], folder, expected)


def _run_node(folder: Path, expected: Expected, out_dir: Path) -> SampleRun:
    node = shutil.which("node")
    if node is None:
        return SampleRun(name=NODE.name, why_not="Node.js is not installed.")
    near = (Path(os.environ[RUNTIMES]) if RUNTIMES in os.environ else None, (out_dir / NODE.file).parent)
    packages = next((each / "node_modules" for each in near if each and (each / "node_modules").is_dir()), None)
    if packages is None:
        return SampleRun(name=NODE.name, why_not="What it needs was not installed in its folder.")
    try:
        with _linked((folder / NODE.file).with_name("node_modules"), packages.resolve()):
            return _run(NODE, [node], folder, expected)
    except OSError as error:  # a system on which not everybody may make links
        return SampleRun(name=NODE.name, why_not=f"Its packages could not be linked ({error.strerror}).")


@contextmanager
def _linked(link: Path, target: Path) -> Generator[None]:
    """Let packages be found beside a program: Node looks for them nowhere else."""
    link.symlink_to(target, target_is_directory=True)
    try:
        yield
    finally:
        link.unlink()


def _run(sample: Sample, start: Sequence[str], folder: Path, expected: Expected) -> SampleRun:
    """Run a sample with each model file; return what came of the first, or of the one that did not answer alike."""
    folder = folder.absolute()  # it runs there, where a relative path leads elsewhere
    runs = [_run_with(sample, start, folder, model, said) for model, said in expected.items()]
    worst = next((each for each in runs if not each.agrees), runs[0])
    return replace(worst, models=tuple(expected)) if worst.agrees else worst


def _run_with(
    sample: Sample, start: Sequence[str], folder: Path, model: str, expected: Sequence[Prediction]
) -> SampleRun:
    paths = [str(said.path.absolute()) for said in expected]
    other = ["--model", str(folder / model)] if model != MODEL_FILE else []
    try:
        done = subprocess.run(
            [*start, str(folder / sample.file), *other, *paths],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            cwd=folder,
            timeout=LONGEST_S,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.info("%s did not run: %s", sample.file, error)
        return SampleRun(name=sample.name, models=(model,), why_not="It could not be started, or did not end.")
    if done.returncode:
        logger.warning("%s ended with %d: %s", sample.file, done.returncode, done.stderr)
        words = (done.stderr.strip().splitlines() or [""])[-1]
        for told, short in ((str(folder), "."), (sys.executable, "python"), (sys.prefix, ".")):
            words = words.replace(told, short)  # an export tells nobody how a disk is laid out
        return SampleRun(name=sample.name, models=(model,), why_not=f"It ended with {done.returncode}: {words}")
    printed = done.stdout
    for number, path in enumerate(paths, start=1):  # whoever gets the export learns no names of the author's files
        printed = printed.replace(path, f"picture{number}{Path(path).suffix}")
    agrees = _agrees(printed, expected)
    if not agrees:
        logger.warning("%s answers otherwise than the program, with %s", sample.file, model)
    return SampleRun(name=sample.name, models=(model,), output=printed, agrees=agrees)


def _agrees(printed: str, expected: Sequence[Prediction]) -> bool:
    """Tell whether the answers are the same, but for the order of classes that are equally probable."""
    said = [(float(share), name) for share, name in _ANSWER.findall(printed)]
    wanted = [[(100 * probability, name) for name, probability in prediction.top5] for prediction in expected]
    if len(said) != sum(map(len, wanted)):
        return False
    rows = iter(said)
    return all(_same(list(itertools.islice(rows, len(each))), each) for each in wanted)


def _same(said: Sequence[tuple[float, str]], wanted: Sequence[tuple[float, str]]) -> bool:
    """Tell whether one picture's answers are the same; of classes as probable as the last one any may be left out."""
    last, shares = wanted[-1][0], {name: share for share, name in wanted}
    in_order = all(abs(got - want) <= _NEAR for (got, _), (want, _) in zip(said, wanted, strict=True))
    return in_order and all(abs(got - shares.get(name, last)) <= _NEAR for got, name in said)
