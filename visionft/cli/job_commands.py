"""`visionft job pack`, `run` and `import`: training on another computer by files that are carried there and back."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from visionft.cli.arguments import Json, ProjectDir
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.core.amounts import size_text
from visionft.core.installation import shell_command
from visionft.core.names import count_of
from visionft.training.remote import job_file
from visionft.training.remote.job_file import RESULT_SUFFIX
from visionft.training.remote.packed_file import PackedJob
from visionft.training.run_settings import run_settings

JobFile = Annotated[Path, Argument(metavar="JOB", help="The file that `visionft job pack` wrote.")]


def pack(
    project: ProjectDir,
    preset: Annotated[str | None, Option(help="quick, balanced or best.")] = None,
    recipe: Annotated[
        Path | None, Option("--recipe", metavar="FILE", help="Train with the settings of a recipe.")
    ] = None,
    assignments: Annotated[
        list[str] | None, Option("--set", metavar="KEY=VALUE", help="Any other setting, such as epochs=40.")
    ] = None,
    device: Annotated[
        str, Option("--device", help="What it will be trained on, for presets: cuda, mps or cpu.")
    ] = "cuda",
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="Write it here; else beside the project.")
    ] = None,
    lossless: Annotated[
        bool, Option("--lossless", help="Pack the very pixels that training here would use: about twice as large.")
    ] = False,
    json: Json = False,
) -> None:
    """Pack a training run to train on another computer.

    The file holds images, labels as numbers and settings, and no path, file name or class name.
    """
    with opened_project(project, read_only=True) as opened:
        images = opened.snapshot()
        path = opened.path
    chosen = preset if preset or recipe else "balanced"
    target = output or path.with_name(f"{path.name}{job_file.SUFFIX}")
    with running_job() as job:
        config = run_settings(
            images, path, {}, assignments or (), preset=chosen, recipe_file=recipe, trains_on=device, job=job
        )
        found = job_file.pack_job(path, images, config, target, lossless=lossless, job=job)
    lines = [
        f"{target}: {_facts(found)}",
        "On the other computer, with VisionFT installed:",
        f"  {shell_command(['visionft', 'job', 'run', target.name])}",
        "Then here:",
        f"  {shell_command(['visionft', 'job', 'import', str(project), target.with_suffix(RESULT_SUFFIX).name])}",
    ]
    print_result({"file": target, "packed": found}, "\n".join(lines), as_json=json)


def _facts(found: PackedJob) -> str:
    words = f"{count_of(found.images, 'image')}, their shorter side about {found.side} pixels at most, "
    left_out = f" {count_of(found.left_out, 'image')} left out: no decoder reads them." if found.left_out else ""
    return f"{words}{size_text(found.bytes)}.{left_out}"


def run(
    file: JobFile,
    processes: Annotated[int, Option(min=1, max=64, help="Processes that train together, a device each.")] = 1,
    json: Json = False,
) -> None:
    """Train a job, or go on with it, and write its result beside it.

    Ctrl-C ends it after the current step; the same command goes on.
    """
    from visionft.training.remote import running

    with running_job() as job:
        run = running.run_job(file, processes=processes, job=job)
        if running.is_launched():  # the command that launched it evaluates and writes the result
            return
        result = run.result
        assert result is not None, "it has ended"
        top1 = {split: evaluation.top1 for split, evaluation in run.evaluations.items()}
        target = None if result.stopped else running.result_file(file)
        value = {"file": target, "run": result.run, "stopped": result.stopped, "seconds": result.seconds, "top1": top1}
        again = shell_command(["visionft", "job", "run", str(file)])
        figures = ", ".join(f"{split} {share:.1%}" for split, share in top1.items())
        words = f"Stopped. It goes on with: {again}" if target is None else f"{target}: {figures or 'not evaluated'}."
        print_result(value, words, as_json=json)


def import_result(
    project: ProjectDir,
    file: Annotated[Path, Argument(metavar="RESULT", help="The file that `visionft job run` wrote.")],
    json: Json = False,
) -> None:
    """Take the result of a job back into the project that packed it."""
    from visionft.training.remote import results

    with opened_project(project, read_only=True) as opened:
        images = opened.snapshot()
        path = opened.path
    with running_job() as job:
        found = results.import_result(path, images, file, job=job)
        rows = [
            (each.split, *("-" if share is None else f"{share:.1%}" for share in (each.there, each.here)), each.images)
            for each in found.measured
        ]
        lines = [f"{found.run}, trained on {found.device}."]
        if rows:
            lines.append(table(("split", "there", "here", "images"), rows))
        print_result(found, "\n".join([*lines, *found.remarks]), as_json=json)
