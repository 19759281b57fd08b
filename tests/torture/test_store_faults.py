"""Files of commands beside the database, hit by kills, a full or read-only disk, damage and clock jumps.

A command (`Work`) is disturbed, then run again without a fault: it must reach the result of an undisturbed one, in the
same files. No disturbed command may end as a bug. Commands run in forks of one process with everything loaded.
`--torture 200` disturbs each 200 times in each way; the tallies are printed.
"""

import json
import random
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(0),
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork and SIGKILL"),
]

# Runs a command under a fault. Steps are: each opening of a file to write, each change of a name, each fsync, below the
# watched folder.
WORK = """
import datetime, errno, gc, importlib, os, pkgutil, random, signal, sys, time, warnings
warnings.simplefilter("ignore")
import torch, timm, accelerate, onnx, onnxruntime, models, visionft
for package in (visionft, models):
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if "__main__" not in each.name:
            importlib.import_module(each.name)
from visionft.cli import main
gc.collect()
gc.freeze()
watched = sys.argv[1]
CHANGES = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate", "os.link")

class Fault:
    def __init__(self, kind, last):
        self.kind, self.last, self.steps = kind, last, 0

    def step(self, is_removal=False):
        self.steps += 1
        if self.kind == "kill" and self.steps == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind in ("full", "denied") and self.steps >= self.last and not (is_removal and self.kind == "full"):
            number = errno.ENOSPC if self.kind == "full" else errno.EROFS
            raise OSError(number, os.strerror(number))

    def hear(self, event, args):
        if event == "open":
            is_writing = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            is_writing = event in CHANGES
        if is_writing and isinstance(args[0], (str, bytes, os.PathLike)):
            if os.path.abspath(os.fsdecode(args[0])).startswith(watched):
                self.step(event in ("os.remove", "os.rmdir"))

    def install(self):
        fsync = os.fsync
        def counted(descriptor):
            self.step()
            fsync(descriptor)
        os.fsync = counted
        sys.addaudithook(self.hear)
        if self.kind == "clock":
            self.jump()

    def jump(self):
        chance, now = random.Random(self.last), time.time
        class Jumping(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.fromtimestamp(time.time(), tz)
        time.time = lambda: now() + chance.choice((-4e8, -86400, -1, 0, 1, 86400, 4e8))
        time.time_ns = lambda: int(time.time() * 1e9)
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("visionft") and hasattr(module, "datetime"):
                module.datetime = Jumping

def work(words, fault, step, out):
    descriptors = [os.open(each, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for each in (out, out + ".err")]
    os.dup2(descriptors[0], 1), os.dup2(descriptors[1], 2)
    sys.stdout, sys.stderr = (open(each, "w", buffering=1, closefd=False) for each in (1, 2))
    fault = Fault(fault, step)
    fault.install()
    sys.argv = ["visionft", *words]
    code = main()
    sys.stdout.flush()
    fault.kind = ""
    with open(out + ".steps", "w") as handle:
        handle.write(str(fault.steps))
    return code
"""


@dataclass(frozen=True)
class Work:
    """A command with stored files.

    Attributes:
        words: Its words; `P` stands for the project, `X` for an export, `O` for a new folder, `I` for images.
        start: Name of its initial state.
        keeps: Patterns of the files to damage, relative to the folder with project and export.
        proof: Command to run afterwards for the result; the command itself when empty.
        makes_anew: Whether each execution makes another run.
    """

    words: str
    start: str
    keeps: tuple[str, ...] = ()
    proof: str = ""
    makes_anew: bool = False


# Commands writing only the database: damage and disk faults, no kills.
READERS = {
    "suggest": Work("label suggest P", "features", ("P/features/**/*",)),
    "verify": Work("model verify X", "export", ("X/**/*",)),
    "predict": Work("predict X I/red", "export", ("X/index*", "X/labels.txt", "X/export.json", "X/model.onnx")),
    "evaluate": Work("evaluate P 2", "runs", ("P/runs/002*/*", "P/runs/002*/best/*")),
}
WORKS = {
    "leaks": Work("curate check P leaks", "images", ("P/features/**/*",)),
    "quality": Work("curate check P quality", "images", ("P/curation/**/*",)),
    "duplicates": Work("curate check P duplicates", "features", ("P/curation/**/*", "P/features/**/*")),
    "label-errors": Work("curate check P label-errors", "features", ("P/curation/**/*", "P/features/**/*")),
    "combine": Work("run combine P 1 2", "runs", ("P/runs/003*/**/*",), "evaluate P LAST", makes_anew=True),
    "export": Work("model export P 2 O", "runs", ("O/**/*",), "model verify O"),
}
ALL = WORKS | READERS
STARTS = {
    "images": ("", ["project new P", "import P I", "import P J", "split P"]),
    "features": ("images", [WORKS["leaks"].words]),
    "runs": (
        "features",
        [
            f"train P --backbone starter_resnet --method {method} --set image_size=32 --set batch_size=8 --device cpu"
            for method in ("linear", "knn")
        ],
    ),
    "export": ("runs", ["model export P 2 X"]),
}
VARYING = re.compile("seconds|speed|measured|cost|known|added|started|ended|created|bytes|sha256|ms")


class Bench:
    """Runs commands in forks, on copies of prepared states in one place, for equal paths."""

    def __init__(self, folder: Path, home: Path, fork_server: Callable[..., Any], **variables: str) -> None:
        self.now, self._states, self._out = home / "now", folder / "states", folder / "out"
        self._states.mkdir()
        self._server = fork_server(WORK, self.now, **{"HF_HUB_OFFLINE": "1", **variables})

    def run(self, words: str, *, fault: str = "", step: int = 0, after_s: float | None = None) -> tuple[int, Any, str]:
        """Run a command; return (exit code, its JSON or None, its messages)."""
        runs = sorted(each.parent.name for each in (self.now / "P" / "runs").glob("*/config.json"))
        words = words.replace("LAST", runs[-1] if runs else "")
        told = [re.sub(r"^[PXOIJ](?=/|$)", lambda found: str(self.now / found[0]), word) for word in words.split()]
        for each in ("", ".err", ".steps"):
            Path(f"{self._out}{each}").unlink(missing_ok=True)
        code = self._server.run(words=[*told, "--json"], fault=fault, step=step, out=self._out, kill_after_s=after_s)
        text, errors = (
            Path(f"{self._out}{each}").read_text(errors="replace") if Path(f"{self._out}{each}").exists() else ""
            for each in ("", ".err")
        )
        try:
            return code, steady(json.loads(text)), errors
        except ValueError:
            return code, None, errors

    def succeed(self, words: str, case: str = "") -> Any:
        """Run a command without a fault, and return its JSON."""
        code, value, errors = self.run(words)
        assert code == 0, f"{case or words}: {errors}"
        return value

    def disturb(self, words: str, case: str, tally: Counter[str], **how: Any) -> int:
        """Run a command under a fault, which must not end as a bug; return its exit code."""
        code, _, errors = self.run(words, **how)
        assert code in (0, 2, -signal.SIGKILL), f"{case} ended with {code}: {errors[-2500:]}"
        tally[{0: "went on", 2: "refused"}.get(code, "killed")] += 1
        return code

    @property
    def steps(self) -> int:
        """Return the number of steps of the last command."""
        return int(Path(f"{self._out}.steps").read_text())

    def lay_out(self, start: str) -> None:
        """Put a state in place; it is made once."""
        kept = self._states / start
        if not kept.exists():
            before, commands = STARTS[start]
            self._begin(before)
            for words in commands:
                self.succeed(words)
            shutil.copytree(self.now, kept)
        self.restore(kept)

    def _begin(self, before: str) -> None:
        if before:
            self.lay_out(before)
        else:
            shutil.rmtree(self.now, ignore_errors=True)
            draw(self.now)

    def restore(self, kept: Path) -> None:
        shutil.rmtree(self.now, ignore_errors=True)
        shutil.copytree(kept, self.now)

    def keep(self, name: str) -> Path:
        """Save the present files as a state."""
        shutil.copytree(self.now, self._states / name, dirs_exist_ok=True)
        return self._states / name

    def files(self) -> set[str]:
        """Return the names of the files, without the measured speed, which is missing where no image was left to do."""
        return {
            re.sub(r"/[0-9a-f]{12}/", "/drawing/", path.relative_to(self.now).as_posix())
            for path in self.now.rglob("*")
            if path.is_file()
            and path.suffix not in (".lock", ".db-wal", ".db-shm")
            and path.name != "speed.json"
            and "backups" not in path.parts
        }


def draw(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for place, name in enumerate(("red", "green", "blue", "")):
        into = folder / ("I" if name else "J") / name
        into.mkdir(parents=True)
        for number in range(12 if name else 8):
            pixels = rng.integers(0, 150, (40, 48, 3))
            pixels[..., place % 3] += 60
            Image.fromarray(pixels.astype(np.uint8)).save(into / f"{number:02}.png")
    shutil.copy(folder / "I" / "red" / "00.png", folder / "I" / "red" / "again.png")


def steady(value: Any) -> Any:
    """Return JSON without the values varying from run to run."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key != "run" and not VARYING.search(key)}
        return {key: steady(each) for key, each in kept.items()}
    if isinstance(value, list):
        return [steady(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, fork_server: Callable[..., Any]) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "home").mkdir()
    return Bench(folder, folder / "home", fork_server)


@dataclass(frozen=True)
class Whole:
    """Result of an undisturbed command."""

    value: Any
    files: set[str]
    steps: int
    state: Path


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Callable[[str], Whole]:
    known: dict[str, Whole] = {}

    def whole(name: str) -> Whole:
        if name not in known:
            work = ALL[name]
            bench.lay_out(work.start)
            value = bench.succeed(work.words)
            steps, state = bench.steps, bench.keep(f"after {name}")
            if work.proof:
                value = bench.succeed(work.proof)
            known[name] = Whole(value, bench.files(), steps, state)
        return known[name]

    return whole


def prove(bench: Bench, name: str, expected: Whole, case: str) -> None:
    """Run a work again, without a fault, and compare."""
    work = ALL[name]
    value = bench.succeed(work.words, case)
    if work.proof:
        value = bench.succeed(work.proof, case)
    assert value == expected.value, f"{case}: another result"
    found = bench.files()
    assert work.makes_anew or found == expected.files, f"{case}: {found ^ expected.files}"
    folders = [each for each in bench.now.glob("P/runs/*/") if not re.fullmatch(r"\.\d+-", each.name)]
    halves = [each for each in folders if not (each / "config.json").is_file()]
    assert not halves, f"{case}: {halves}"


FAULTS = ("kill", "full", "denied", "clock")
QUICK = ("leaks", "quality", "duplicates")  # the others take seconds a round


@pytest.fixture
def on_request(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> None:
    """Skip the slow commands unless `--torture` gives a number of rounds."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if parameters.get("name") not in QUICK and pytestconfig.getoption("--torture") is None:
        pytest.skip("takes minutes: give --torture a number")


@pytest.mark.usefixtures("on_request")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WORKS)
def test_a_disturbed_command_is_made_good_by_the_next(
    name: str,
    fault: str,
    bench: Bench,
    whole: Callable[[str], Whole],
    rounds: Callable[[int], int],
    tally: Counter[str],
) -> None:
    expected, chance = whole(name), random.Random(f"{name} {fault}")
    for number in range(rounds(2)):
        bench.lay_out(WORKS[name].start)
        step = chance.randint(1, max(1, expected.steps))
        case = f"{name} {fault} {number} at step {step}"
        bench.disturb(WORKS[name].words, case, tally, fault=fault, step=step)
        prove(bench, name, expected, case)


@pytest.mark.usefixtures("on_request")
@pytest.mark.parametrize("name", [*WORKS, *READERS])
def test_damage_to_what_is_kept_is_noticed(
    name: str,
    bench: Bench,
    whole: Callable[[str], Whole],
    rounds: Callable[[int], int],
    tally: Counter[str],
    damage: Callable[[Path, random.Random], str],
) -> None:
    """The result is that of undamaged files, or a refusal; a damaged cache is rebuilt."""
    expected, chance = whole(name), random.Random(name)
    work = ALL[name]
    proof = "" if work.makes_anew else work.proof
    bench.restore(expected.state)
    bench.run(work.words)
    _, again, said = bench.run(proof or work.words)
    for number in range(rounds(2)):
        bench.restore(expected.state)
        paths = sorted({path for each in work.keeps for path in bench.now.glob(each) if path.is_file()})
        path = chance.choice([each for each in paths if each.suffix != ".lock"])
        how = "loss" if chance.random() < 0.15 else damage(path, chance)
        if how == "loss":
            path.unlink()
        case = f"{name} {number}: {how}, {path.relative_to(bench.now)}"
        code, value, errors = bench.run(work.words)
        is_expected = code in (0, 2) or (code == 1 and name == "verify" and value)
        assert is_expected, f"{case} ended with {code}: {errors[-2500:]}"
        if code == 0 and proof:
            code, value, more = bench.run(proof)
            errors += more
        is_same = work.makes_anew or code != 0 or value == again
        assert is_same or errors.strip() != said.strip(), f"{case}: another result, and nothing is said"
        tally["refused" if code else "made good" if is_same else "told, and another result"] += 1
