"""`visionft job pack`, `run` and `import`: training on another computer by files that are carried there and back."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from visionft.amounts import size_text
from visionft.cli import completion, train_commands
from visionft.cli.arguments import Json, ProjectDir
from visionft.cli.next_steps import joined
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.cli.schemas import prints
from visionft.project.names import count_of
from visionft.remote import job_file

JobFile = Annotated[Path, Argument(metavar="JOB", help="The file that `visionft job pack` wrote.")]


@prints({"file": Path, "packed": "visionft.remote.job_file:PackedJob"})
def pack(
    project: ProjectDir,
    preset: Annotated[str | None, Option(help="quick, balanced or best.", autocompletion=completion.presets)] = None,
    recipe: Annotated[Path | None, Option(metavar="FILE", help="Train with the settings of a recipe.")] = None,
    assignments: Annotated[
        list[str] | None, Option("--set", metavar="KEY=VALUE", help="Any other setting, such as epochs=40.")
    ] = None,
    device: Annotated[str, Option(help="What it will be trained on, for presets: cuda, mps or cpu.")] = "cuda",
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="Write it here; else beside the project.")
    ] = None,
    lossless: Annotated[
        bool, Option("--lossless", help="Pack the very pixels that training here would use: three times as large.")
    ] = False,
    json: Json = False,
) -> None:
    """Pack a training run to train on another computer.

    The file holds images, labels as numbers and settings, and no path, file name or class name.
    """
    with opened_project(project, read_only=True) as opened:
        images, path = opened.snapshot(), opened.path
    chosen = preset if preset or recipe else "balanced"
    config = train_commands.settings_from({}, assignments or (), recipe, chosen, images, path, trains_on=device)
    target = output or path.with_name(f"{path.name}{job_file.SUFFIX}")
    with running_job() as job:
        found = job_file.pack_job(path, images, config, target, lossless=lossless, job=job)
        words = count_of(found.images, "image")
        lines = [f"{target}: {words}, about {found.side} pixels high, {size_text(found.bytes)}."]
        if found.left_out:
            lines.append(f"{count_of(found.left_out, 'image')} left out: no decoder reads them.")
        lines += [
            "On the other computer, with VisionFT installed:",
            f"  {joined(['visionft', 'job', 'run', target.name])}",
            "Then here:",
            f"  {joined(['visionft', 'job', 'import', str(project), target.with_suffix('.vftresult').name])}",
        ]
        print_result({"file": target, "packed": found}, "\n".join(lines), as_json=json)


@prints({"file": Path | None, "run": str, "stopped": bool, "seconds": float, "top1": dict[str, float]})
def run(
    file: JobFile,
    processes: Annotated[int, Option(min=1, max=64, help="Processes that train together, a device each.")] = 1,
    events: Annotated[
        Path | None, Option(metavar="FILE", help="Also write the events here, a line of JSON each.")
    ] = None,
    unpack: Annotated[
        bool, Option("--unpack", help="Only unpack it: before `accelerate launch` on several machines.")
    ] = False,
    json: Json = False,
) -> None:
    """Train a job, or go on with it, and write its result beside it.

    Ctrl-C ends it after the current step; the same command goes on.
    """
    from visionft.remote import running
    from visionft.remote.event_file import recorded

    with running_job() as job, recorded(job, events) as told:
        if unpack:
            running.unpack_job(file, job=told)
            value = {"file": None, "run": "", "stopped": False, "seconds": 0.0, "top1": {}}
            print_result(value, f"Unpacked into {running.job_folder(file)}.", as_json=json)
            return
        trained = running.run_job(file, processes=processes, events=events, job=told)
        if running.is_launched():  # the command that launched it evaluates and writes the result
            return
        result = trained.result
        top1 = {split: each.top1 for split, each in trained.evaluations.items()}
        target = None if result.stopped else running.result_file(file)
        value = {"file": target, "run": result.run, "stopped": result.stopped, "seconds": result.seconds, "top1": top1}
        again = joined(["visionft", "job", "run", str(file)])
        figures = ", ".join(f"{split} {share:.1%}" for split, share in top1.items())
        words = f"Stopped. It goes on with: {again}" if target is None else f"{target}: {figures or 'not evaluated'}."
        print_result(value, words, as_json=json)


@prints("visionft.remote.results:ImportedResult")
def import_result(
    project: ProjectDir,
    file: Annotated[Path, Argument(metavar="RESULT", help="The file that `visionft job run` wrote.")],
    json: Json = False,
) -> None:
    """Take the result of a job back into the project that packed it."""
    from visionft.remote import results

    with opened_project(project, read_only=True) as opened:
        images, path = opened.snapshot(), opened.path
    with running_job() as job:
        found = results.import_result(path, images, file, job=job)
        rows = [
            (each.split, *("-" if share is None else f"{share:.1%}" for share in (each.there, each.here)), each.images)
            for each in found.measured
        ]
        lines = [f"{found.run}, trained on {found.device}."]
        lines += [table(("split", "there", "here", "images"), rows)] if rows else []
        print_result(found, "\n".join([*lines, *found.remarks]), as_json=json)
