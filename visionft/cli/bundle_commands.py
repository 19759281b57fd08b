"""`visionft verify`, `visionft bench-model` and `visionft push`: what is done with an export after it was made."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visionft.amounts import size_text
from visionft.cli.output import Json, job, print_result, write_err
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.evaluation.timing import runs_for
from visionft.export.contents import SCRIPT_FILE
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.export.bundle.benching import BatchSpeed, Bench, ModelSpeed
    from visionft.export.bundle.verifying import AnswerCheck, Verification

_SHOWN = 20  # a sample's packages are thousands of files
ExportDir = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an export.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("verify")(verify)
    app.command("bench-model")(bench_model)
    app.command("push")(push)


@prints({"...": "visionft.export.bundle.verifying:Verification", "is_whole": bool})
def verify(
    folder: ExportDir,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures of yours, on which its files are compared too.")
    ] = None,
    json: Json = False,
) -> None:
    """Check an export again: every file by its hash, every model by its recorded answers. Exit code 1: it differs."""
    from visionft.export.bundle.verifying import verify_export

    with job() as (on_event, should_stop):
        found = verify_export(folder, pictures=pictures, on_event=on_event, should_stop=should_stop)
    print_result({**vars(found), "is_whole": found.is_whole}, _verified(found), as_json=json)
    if not found.is_whole:
        raise typer.Exit(1)


def _verified(found: "Verification") -> str:
    verdict = "is as it was exported" if found.is_whole else "is NOT as it was exported"
    lines = [f"{found.folder} {verdict}; {count_of(found.checked, 'file')} checked."]
    lines += [f"  {each.fault}: {each.name}" for each in found.faults]
    lines += [_answered(each) for each in found.answers]
    lines += [f"  {found.sample}"] if found.sample else []
    lines += [f"  {SCRIPT_FILE} was not run: {found.why_not_run}"] if found.why_not_run else []
    lines += [f"  not of the export: {name}" for name in found.foreign[:_SHOWN]]
    if more := len(found.foreign[_SHOWN:]):
        lines.append(f"  not of the export either: {count_of(more, 'other file')}")
    if not found.has_hashes:
        lines.append("  Its record is of an earlier version and lists the hash of its model alone.")
    return "\n".join(lines)


def _answered(each: "AnswerCheck") -> str:
    if each.max_abs_diff is None:
        said = "no recorded answers"
    else:
        word = "same answers" if each.is_equal else "OTHER ANSWERS"
        said = f"{word} as when it was exported (largest difference {each.max_abs_diff:.1e}, limit {each.limit:g})"
    if each.agreement is not None:
        said += f"; the class of model.onnx on {each.agreement:.1%} of {count_of(each.pictures, 'picture')}"
    return f"  {each.name}: {said}."


@prints("visionft.export.bundle.benching:Bench")
def bench_model(
    model: Annotated[Path, typer.Argument(metavar="MODEL_OR_DIR", help="A model file, or the folder of an export.")],
    threads: Annotated[int, typer.Option(help="Threads that ONNX Runtime may use; 0 leaves it to that.")] = 0,
    pictures: Annotated[int, typer.Option(metavar="SIZE", help="Side of the pictures in pixels.")] = 512,
    seconds: Annotated[float, typer.Option(help="For each batch of each file; 299 runs are enough for 99 %.")] = 6.0,
    json: Json = False,
) -> None:
    """Measure how fast an exported model answers here: one picture, batches, each provider; of a folder every file."""
    from visionft.export.bundle.benching import bench_model as measure

    with job() as (on_event, should_stop):
        found = measure(
            model, threads=threads, side=pictures, seconds=seconds, on_event=on_event, should_stop=should_stop
        )
    print_result(found, _benched(found), as_json=json)


def _benched(found: "Bench") -> str:
    lines = [f"{found.processor}"]
    for each in found.speeds:
        lines += ["", _measured_of(each), "batch  median ms    95 %    99 %  slowest  per s  runs"]
        lines += map(_batch, each.batches)
    if any(row.p99_ms is None for each in found.speeds for row in each.batches):
        lines += ["", f"95 % need {runs_for(0.95)} runs and 99 % {runs_for(0.99)}: give --seconds more for them."]
    return "\n".join(lines)


def _batch(row: "BatchSpeed") -> str:
    p95, p99, slowest = ("-" if each is None else f"{each:.1f}" for each in (row.p95_ms, row.p99_ms, row.max_ms))
    return f"{row.batch:5}  {row.median_ms:9.1f} {p95:>7} {p99:>7} {slowest:>8} {row.per_second:6.1f}  {row.runs:,}"


def _measured_of(speed: "ModelSpeed") -> str:
    threads = f", {count_of(speed.threads, 'thread')}" if speed.threads else ""
    return f"{speed.model.name}: {speed.provider}{threads}, pictures of {speed.width} x {speed.height}"


@prints({"address": str, "files": [str], "bytes": int, "is_public": bool})
def push(
    folder: ExportDir,
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Made where it is missing.")],
    public: Annotated[bool, typer.Option("--public", help="Everybody may see it; else you alone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    json: Json = False,
) -> None:
    """Send an export to the Hugging Face hub, after showing what goes there. Uses that tool's own login."""
    from visionft.export.bundle.pushing import files_to_send
    from visionft.weights.uploading import Destination, send_files

    files = files_to_send(folder)
    total = sum(each.bytes for each in files)
    write_err("\n".join(f"  {each.name}  {size_text(each.bytes)}" for each in files))
    who = "everybody may see" if public else "only you may see"
    asked = f"Send {count_of(len(files), 'file')} ({size_text(total)}) to {repository}, which {who}?"
    if not yes and not _agreed(asked):
        raise VisionFTError("Nothing was sent.", "Say --yes to send without being asked.")
    to = Destination(repository=repository, is_public=public)
    with job() as (on_event, should_stop):
        sent = send_files(
            {each.name: each.path for each in files}, to, message="Export", on_event=on_event, should_stop=should_stop
        )
    value = {**vars(sent), "files": [each.name for each in files], "bytes": total}
    print_result(value, f"Sent to {sent.address}.", as_json=json)


def _agreed(question: str) -> bool:
    """Ask; where nobody can answer, nobody has agreed."""
    return sys.stdin.isatty() and typer.confirm(question, err=True)
