"""Image passes and processor time of a session: import, Quick, test, export, issues, suggestions.

A pass is an image that goes through the first convolution of a network in PyTorch; those of ONNX Runtime are counted
beside them. The times are ratios to the bare features of all images: the exported model on decoded images, in ONNX
Runtime with one thread.

    python tests/benchmarks/journey.py FOLDER [FOLDER ...] --images 400 --framing auto

With `--export`, the processor seconds of each step of an export in place of all that.

With `--times`, each job's error of the time left follows: the largest factor between the time that the window would
show and the true one, both plus a second, and the share of the job in which a time is shown. Processor time counts in
place of the clock. Each of the `--sessions` begins with a new project.

    python tests/benchmarks/journey.py FOLDER --images 120 --times --sessions 2
"""

import contextlib
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench import heading, read_options, row

import visionft
from visionft.core.events import Progress


class Passes:
    """Images through networks since the start: in PyTorch and in ONNX Runtime."""

    def __init__(self) -> None:
        self.torch = 0
        self.onnx = 0


@contextlib.contextmanager
def counted_passes() -> Iterator[Passes]:
    """Count the images that go through a convolution of three channels, and through sessions of ONNX Runtime."""
    import onnxruntime
    import torch
    from torch import nn

    found = Passes()

    def see(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        is_traced = torch.compiler.is_compiling()  # reading a size would fix it in the exported graph
        if isinstance(module, nn.Conv2d) and module.in_channels == 3 and not is_traced:
            found.torch += len(inputs[0])

    run = onnxruntime.InferenceSession.run

    def counted_run(session: Any, outputs: Any, feed: dict[str, Any], *rest: Any, **options: Any) -> Any:
        found.onnx += len(next(iter(feed.values())))
        return run(session, outputs, feed, *rest, **options)

    handle = nn.modules.module.register_module_forward_pre_hook(see)
    onnxruntime.InferenceSession.run = counted_run
    try:
        yield found
    finally:
        handle.remove()
        onnxruntime.InferenceSession.run = run


def processor_seconds() -> float:
    """Return the processor time of this process and its ended children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class TimeLeft:
    """The errors of the time left that the window shows of a job, from its events."""

    def __init__(self) -> None:
        from gui.kit.progress import JobShare

        self._share = JobShare()
        self._began = processor_seconds()
        self._told: list[tuple[float, float | None]] = []  # time of the event, seconds left

    def __call__(self, event: Any) -> None:
        from visionft.core.events import Progress, StepDone

        if isinstance(event, Progress | StepDone):
            self._share.take(event)
            self._told.append((processor_seconds(), self._share.left_s))

    def end(self) -> tuple[float, str, float]:
        """Return the seconds of the job, its largest factor with its place, and the share of it with a time left."""
        now = processor_seconds()
        whole_s = max(1e-9, now - self._began)
        factors: list[tuple[float, float]] = []  # and the share of the job's time that had passed
        told_s = 0.0
        ends = [*(each for each, _ in self._told[1:]), now]
        for (at, left_s), end in zip(self._told, ends, strict=True):
            if left_s is not None:
                true_s = now - at
                factor = max((left_s + 1) / (true_s + 1), (true_s + 1) / (left_s + 1))
                factors.append((factor, (at - self._began) / whole_s))
                told_s += end - at
        factor, place = max(factors, default=(0.0, 0.0))
        return whole_s, f"{factor:.2f} at {place:.0%}" if factors else "-", told_s / whole_s


def choose(folder: Path, count: int, to: Path) -> None:
    """Link about `count` images of a folder per class into another, as many of each class."""
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    for each in classes:
        (to / each.name).mkdir(parents=True)
        for image in sorted(each.iterdir())[: -(-count // len(classes))]:
            (to / each.name / image.name).symlink_to(image.resolve())


def journey(source: Path, home: Path, framing: str) -> None:
    """Print the steps of one session as rows of a table."""
    import torch

    torch.set_num_threads(1)
    with counted_passes() as passes:
        project = visionft.create(home / "project")
        steps: list[tuple[str, float, int, int]] = []

        def step(name: str, act: Callable[[], Any]) -> Any:
            began, torch_before, onnx_before = processor_seconds(), passes.torch, passes.onnx
            result = act()
            steps.append((name, processor_seconds() - began, passes.torch - torch_before, passes.onnx - onnx_before))
            return result

        quiet: dict[str, Any] = {"callback": lambda _event: None}
        settings = {} if framing == "auto" else {"framing": framing}
        step("import", lambda: project.add(source, **quiet))
        run = step("quick", lambda: project.train("quick", **settings, **quiet))
        step("test", lambda: run.evaluate("test", **quiet))
        step("export", lambda: run.export(home / "model", **quiet))
        step("label errors", lambda: project.check("label-errors", **quiet))
        step("suggest", lambda: project.suggest(**quiet))
    bare = bare_features(home / "model" / "model.onnx", project.images["path"])
    count = len(project.images["path"])
    print(f"\n{source}: {count} images; their bare features take {bare:.1f} s of processor time\n")
    heading("step", "passes an image, PyTorch", "ONNX Runtime", "processor time / bare features")
    whole = ("in all", *(sum(step[column] for step in steps) for column in (1, 2, 3)))
    for name, seconds, in_torch, in_onnx in [*steps, whole]:
        row(name, f"{in_torch / count:.2f}", f"{in_onnx / count:.2f}", f"{seconds / bare:.2f}")


def export_steps(source: Path, home: Path, framing: str) -> None:
    """Print the processor seconds of each step of the export of a Quick run."""
    import torch

    torch.set_num_threads(1)
    settings: dict[str, Any] = {} if framing == "auto" else {"framing": framing}
    project = visionft.create(home / "project")
    project.add(source, callback=lambda _event: None)
    run = project.train("quick", **settings, callback=lambda _event: None)
    steps: dict[str, float] = {}
    export, traced, stage, began = torch.onnx.export, 0.0, "start", processor_seconds()

    def timed_export(*inputs: Any, **options: Any) -> Any:
        nonlocal traced
        before = processor_seconds()
        result = export(*inputs, **options)
        traced += processor_seconds() - before
        return result

    def count(name: str) -> None:
        nonlocal stage, began
        now = processor_seconds()
        steps[stage] = steps.get(stage, 0.0) + now - began
        stage, began = name, now

    torch.onnx.export = timed_export
    try:
        run.export(home / "model", callback=lambda event: count(event.stage) if isinstance(event, Progress) else None)
    finally:
        torch.onnx.export = export
    count("")
    print(f"\n{source}: {len(project.images['path'])} images\n")
    heading("step of the export", "processor seconds")
    for name, seconds in steps.items():
        row(name, f"{seconds:.2f}")
    row("in all", f"{sum(steps.values()):.2f}")
    row("of it torch.onnx.export", f"{traced:.2f}")
    row("beside it", f"{sum(steps.values()) - traced:.2f}")


def bare_features(model: Path, paths: list[str]) -> float:
    """Return the processor seconds of an exported model on decoded images, one thread."""
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    spent = 0.0
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"))[None]
        began = time.process_time()
        session.run(None, {name: pixels})
        spent += time.process_time() - began
    return spent


def times(source: Path, home: Path, framing: str, session: int) -> None:
    """Print the error of the time left of each job of a session, as rows of a table."""
    from visionft.analysis.scan import run_checks
    from visionft.core.jobs import JobContext

    project = visionft.create(home / f"project {session}")
    settings: dict[str, Any] = {} if framing == "auto" else {"framing": framing}
    runs: list[Any] = []
    work: dict[str, Callable[[JobContext], Any]] = {
        "import": lambda job: project.add(source, callback=job),
        "split": lambda job: project.split(callback=job),
        "train": lambda job: runs.append(project.train("quick", **settings, callback=job)),
        "export": lambda job: runs[0].export(home / f"model {session}", callback=job),
        "find issues": lambda job: run_checks(project.path, project.snapshot(), job=job),
    }
    print(f"\n{source}, session {session}\n")
    heading("job", "seconds of processor", "largest factor of the time left", "share of the job with a time left")
    for name, act in work.items():
        left = TimeLeft()
        act(JobContext(left))
        seconds, largest, share = left.end()
        row(name, f"{seconds:.1f}", largest, f"{share:.0%}")


if __name__ == "__main__":
    options = read_options(
        __doc__ or "", folders="+", images=240, framing="auto", export=False, times=False, sessions=2
    )
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as place:
            choose(folder, options.images, Path(place) / "images")
            if not options.times:
                act = export_steps if options.export else journey
                act(Path(place) / "images", Path(place), options.framing)
                continue
            import torch

            torch.set_num_threads(1)
            os.environ["XDG_CACHE_HOME"] = place  # nothing is decoded or known yet
            time.monotonic = time.perf_counter = processor_seconds
            for number in range(1, options.sessions + 1):
                times(Path(place) / "images", Path(place), options.framing, number)
