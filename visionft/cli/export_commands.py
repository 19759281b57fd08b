"""`visionft model export`, `index`, `verify`, `bench` and `push`: one verified file, and commands about it."""

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from models.messages import choose_one
from visionft.amounts import size_text
from visionft.cli.arguments import MOST, Json, ModelPath, ProjectDir, RunName
from visionft.cli.output import opened_project, print_result, running_job, table, write_err
from visionft.errors import VisionFTError
from visionft.evaluation.timing import runs_for
from visionft.export.artefacts import ARTEFACTS
from visionft.export.contents import PYTORCH_FILE, SCRIPT_FILE
from visionft.export.options import DEFAULT_TARGET, Target, option_metadata, target_named
from visionft.export.precision.variants import JUDGED_TITLES, LEAST_SPEED_UP, MOST_DOUBT, MOST_LOSS, PRECISIONS
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.export.bundle.benching import Benchmark
    from visionft.export.bundle.verifying import Verification
    from visionft.export.export_result import ExportResult, Form, MirrorEffect
    from visionft.export.precision.variants import Variant

_SHOWN = 20  # a sample's packages are thousands of files
ExportDir = Annotated[Path, Argument(metavar="DIR", help="Folder of an export.")]


def _with_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that takes `**artefacts` an option `--NAME/--no-NAME` for each row of the table."""
    flags = [
        inspect.Parameter(
            row.name.replace("-", "_"),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[bool | None, Option(f"--{row.name}/--no-{row.name}", help=row.sentence)],
        )
        for row in ARTEFACTS.values()
    ]
    signature = inspect.signature(command)
    *own, _artefacts = signature.parameters.values()
    setattr(command, "__signature__", signature.replace(parameters=[*own, *flags]))  # noqa: B010
    command.__annotations__ |= {each.name: each.annotation for each in flags}
    return command


@_with_flags
def export(
    project: ProjectDir,
    run: RunName,
    out_dir: Annotated[Path, Argument(metavar="OUT_DIR", help="Folder for model.onnx.")],
    target: Annotated[
        str,
        Option(
            "--for",
            metavar="WHERE",
            help="Where it will run: desktop (the usual), server, web, phone, edge, python. Other options win.",
        ),
    ] = DEFAULT_TARGET,
    mirror: Annotated[
        bool, Option("--mirror/--no-mirror", help="{label}. {help}".format_map(option_metadata("mirror")))
    ] = False,
    opset: Annotated[int | None, Option(min=0, max=MOST, help=option_metadata("opset")["help"])] = None,
    precision: Annotated[
        list[str] | None, Option(metavar="NAME", help="fp16, int8 or all, in place of those of the target; repeatable.")
    ] = None,
    exporter: Annotated[list[str] | None, Option(metavar="NAME", help="As --NAME; repeatable.")] = None,
    json: Json = False,
    **artefacts: bool | None,
) -> None:
    """Export one ONNX file, verified against PyTorch on real images."""
    # Written before each artefact had a flag: --precision replaces the choice of the target, --exporter adds to it.
    if precision:
        if unknown := [each for each in precision if each not in (*PRECISIONS, "all")]:
            raise VisionFTError(f"There is no precision {unknown[0]!r}.", choose_one((*PRECISIONS, "all")))
        named = PRECISIONS if "all" in precision else precision
        artefacts |= dict.fromkeys(PRECISIONS, False) | dict.fromkeys(named, True)
    artefacts |= dict.fromkeys(exporter or (), True)
    with opened_project(project, read_only=True) as opened:
        found = opened.run(run)
        with running_job() as job:
            model = found.export(out_dir, target=target, callback=job, mirror=mirror, opset=opset, **artefacts)
            result = model.export
            assert result is not None, "it was exported just now"
            print_result(result, lambda: _export_text(result, target_named(target)), as_json=json)


def _export_text(result: "ExportResult", target: Target) -> str:
    from visionft.export.bundle.sample_programs import SAMPLES, sample_of

    parity, latency = result.parity, result.latency
    lines = [
        f"{result.model} ({size_text(result.bytes)})",
        f"Same answers as PyTorch on {count_of(parity.images, 'image')}: largest difference "
        f"{parity.max_abs_diff:.1e}, top-1 agreement {parity.top1_agreement:.0%}.",
        f"One {latency.width} x {latency.height} image takes {latency.median_ms:.1f} ms (median of "
        f"{latency.runs:,}; {latency.tail_words}) with {latency.provider}.",
        f"Preparing an image of 12 megapixels takes {result.large_ms:.0f} ms; with --float-input there is "
        "a file for what is prepared already.",
    ]
    if result.pytorch:
        lines.append(f"{PYTORCH_FILE} answers alike: largest difference {result.pytorch.max_abs_diff:.1e}.")
    if (border := result.border) is None:
        lines.append("It cannot say which images are unlike yours: there are too few for training.")
    else:
        low, high = border.false_alarms
        lines.append(
            f"It says which images are unlike yours: about {1 - border.share:.0%} of new ones of the same kind are "
            f"beyond the border ({low:.0%} to {high:.0%}), which was drawn on {border.images} "
            f"{'validation' if border.split == 'val' else 'held-out'} images."
        )
    if result.mirror:
        lines.append(_mirror_text(result.mirror))
    if result.remembered:
        lines.append(f"{count_of(result.remembered, 'labelled image')} lie beside it, for evidence in each answer.")
    files = {sample.name: sample.file for sample in SAMPLES}
    outcomes = {True: "answers the same", False: "ANSWERS OTHERWISE: do not rely on it", None: "was not run"}
    for run in result.samples:
        words = run.why_not or ", ".join(run.models)
        lines.append(f"{files[run.name]} {outcomes[run.agrees]}{words and f' ({words})'}")
    lines += _variant_lines(result.variants)
    lines += map(_form_text, result.forms)
    lines += [f"Left out: {reason}" for reason in result.left_out]
    file = target.file(result.variants)
    if result.variants:
        lines.append(f"The file for {target.title.lower()}: {file}")
    offered = [row for row in ARTEFACTS.values() if target.name in row.offered_for and row.name not in result.artefacts]
    lines += [f"Also possible: --{row.name}. {row.sentence}" for row in offered]
    lines += target.notes(result.files)
    if sample := sample_of(target.sample, result.files):
        start = sample.start(file, result.files)
        lines += [f"Try it without this program, in {result.model.parent}:", start]
    return "\n".join(lines)


def _form_text(form: "Form") -> str:
    if not form.images:
        return f"{form.file} ({size_text(form.bytes)}): {form.why_not}"
    text = (
        f"{form.file} ({size_text(form.bytes)}): {form.changed} of {count_of(form.images, 'image')} get another class "
        f"than from {form.source}, probabilities differ by up to {form.max_abs_diff:.1e}."
    )
    if form.scaled_max_abs_diff is None:
        return text
    return (
        f"{text} The app resizes, with antialiasing as its samples do; without it {form.scaled_changed} do, and "
        f"probabilities differ by up to {form.scaled_max_abs_diff:.3f}."
    )


def _mirror_text(effect: "MirrorEffect") -> str:
    low, high = effect.difference
    text = (
        f"Averaged with mirrored images, {effect.top1:.1%} instead of {effect.plain_top1:.1%} of "
        f"{count_of(effect.images, 'validation image')} are right ({low:+.1%} to {high:+.1%}); {effect.changed:,} are "
        "answered otherwise when mirrored."
    )
    return f"{text} Where mirroring changes a class, export without it." if effect.is_worse else text


def _variant_lines(variants: "Sequence[Variant]") -> list[str]:
    """Return a table of the smaller variants, with an assessment of each below it; empty where there are none."""
    if not variants:
        return []
    rows: list[tuple[str, ...]] = []
    for each in variants:
        answers, speed, (low, high) = each.answers, each.speed, each.answers.difference
        timed = ("", "", "")
        if speed is not None:
            per_cent, slow = speed.tail
            slowest = f"{per_cent} % in {slow:.1f} ms" if per_cent < 100 else f"{slow:.1f} ms of {speed.runs:,}"
            timed = (f"{speed.p50_ms:.1f} ms", slowest, f"{speed.times_faster:.2f} x")
        difference = f"{answers.top1 - answers.reference_top1:+.1%} ({low:+.1%} to {high:+.1%})"
        file = each.file or f"({each.precision})"
        size = size_text(each.bytes)
        accuracy = (f"{answers.images:,} {JUDGED_TITLES[each.split]}", f"{answers.top1:.1%}", difference)
        rows.append((file, size, *accuracy, str(answers.flips), f"{answers.ece:.3f}", *timed))
    header = ("file", "size", "judged on", "top-1", "against fp32", "others", "ECE", "time", "slowest", "faster")
    return ["Smaller files:", table(header, rows), *map(_variant_text, variants)]


def _variant_text(variant: "Variant") -> str:
    answers, name = variant.answers, variant.precision
    if name == "distilled":
        return _distilled_text(variant)
    fault = f"{answers.flips} answers are others, and probabilities differ by up to {answers.max_abs_diff:.2f}"
    if name == "int8":
        fault = f"it is right in {answers.loss:.1%} fewer images, and {MOST_LOSS:.1%} are allowed"
    words = {
        "recommended": f"{name} is recommended on a processor such as this.",
        "not_faster": f"{name} is smaller and answers alike; it is not {LEAST_SPEED_UP} times as fast here.",
        "too_few": f"{name} is smaller and faster here.",
        "wrong": f"{name} was not kept: {fault}. model.onnx is as it was.",
    }
    parts = [words[variant.verdict]]
    if variant.is_kept:
        parts.append(f"{answers.flips} of {count_of(answers.images, 'answer')} are others: {_proof_text(variant)}.")
    if variant.in_float:
        parts.append(f"In float stay: {', '.join(variant.in_float)}.")
    return " ".join(parts)


def _distilled_text(variant: "Variant") -> str:
    answers = variant.answers
    text = (
        f"The small network learned the predictions of {count_of(variant.learned_from, 'image')}: "
        f"{answers.top1:.1%} instead of {answers.reference_top1:.1%} of "
        f"{count_of(answers.images, f'{JUDGED_TITLES[variant.split]} image')} are right"
    )
    if not variant.is_kept:
        return f"{text}. It was not kept: at most {MOST_LOSS:.1%} may be lost."
    return f"{text}, in {variant.bytes / variant.reference_bytes:.0%} of the size; {_proof_text(variant)}."


def _proof_text(variant: "Variant") -> str:
    """Return which loss the images rule out, or how many more would rule out enough."""
    lacking = variant.answers.lacking
    if not lacking:
        return f"a loss of more than {variant.answers.largest_loss:.1%} is ruled out (95 %)"
    return (
        f"so few images do not rule out a loss of {MOST_DOUBT:.0%}, {count_of(lacking, 'more held-out image')} without "
        "a change would"
    )


def index(
    model: ModelPath,
    add: Annotated[
        Path | None, Option(metavar="FOLDER", help="Images to add, in folders named after the model's classes.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        Option(metavar="IMAGE", help="To remove: a file or a folder, by content, or a name in the index; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """List, add or remove the labelled images of an export.

    The classes are those that the model was exported with. For another class label images in the project, train a
    retrieval run (seconds) and export again.
    """
    from visionft.export.index.extending import change_index
    from visionft.export.predictor import Predictor

    with running_job() as job:
        held = change_index(Predictor(model), add, remove=remove or (), job=job)
    known = ", ".join(f"{name} {count:,}" for name, count in held.per_class.items())
    text = f"{count_of(held.images, 'labelled image')}: {known}."
    if add is not None:
        text = f"{count_of(held.added, 'image')} added, {held.known} were there already.\n{text}"
        text += "".join(f"\nLeft out {path}: {reason}" for path, reason in held.left_out)
    if remove:
        text = f"{count_of(held.removed, 'image')} removed.\n{text}"
    if empty := [name for name, count in held.per_class.items() if not count]:
        text += f"\nNothing is like these classes any more, so they are never the answer: {', '.join(empty)}."
    print_result(held, text, as_json=json)


def verify(
    folder: ExportDir,
    images: Annotated[
        Path | None, Option(metavar="FOLDER", help="Images of yours, on which its files are compared too.")
    ] = None,
    json: Json = False,
) -> None:
    """Verify an export: every file by hash, every model by outputs.

    Exit code 1: it differs.
    """
    from visionft.export.bundle.verifying import verify_export

    with running_job() as job:
        found = verify_export(folder, images=images, job=job)
    print_result(found, lambda: _verification_text(found), as_json=json)
    if not found.is_whole:
        raise typer.Exit(1)


def _verification_text(found: "Verification") -> str:
    verdict = "is as it was exported" if found.is_whole else "is NOT as it was exported"
    lines = [f"{found.folder} {verdict}; {count_of(found.checked, 'file')} checked."]
    lines += [f"  {each.fault}: {each.name}" for each in found.faults]
    for each in found.answers:
        outcome = "no recorded answers"
        if each.max_abs_diff is not None:
            word = "same answers" if each.is_equal else "OTHER ANSWERS"
            difference = f"largest difference {each.max_abs_diff:.1e}, limit {each.limit:g}"
            outcome = f"{word} as when it was exported ({difference})"
        if each.agreement is not None:
            outcome += f"; the class of model.onnx on {each.agreement:.1%} of {count_of(each.images, 'image')}"
        lines.append(f"  {each.name}: {outcome}.")
    if found.sample:
        lines.append(f"  {found.sample}")
    if found.why_not_run:
        lines.append(f"  {SCRIPT_FILE} was not run: {found.why_not_run}")
    lines += [f"  not of the export: {name}" for name in found.foreign[:_SHOWN]]
    if more := len(found.foreign[_SHOWN:]):
        lines.append(f"  not of the export either: {count_of(more, 'other file')}")
    return "\n".join(lines)


def bench_model(
    model: Annotated[Path, Argument(metavar="MODEL_OR_DIR", help="A model file, or the folder of an export.")],
    threads: Annotated[
        int, Option(min=0, max=4096, help="Threads that ONNX Runtime may use; 0 leaves it to that.")
    ] = 0,
    images: Annotated[int, Option(metavar="SIZE", min=1, max=20_000, help="Side of the images in pixels.")] = 512,
    seconds: Annotated[
        float, Option(min=0, max=86_400, help="For each batch of each file; 299 runs are enough for 99 %.")
    ] = 6.0,
    json: Json = False,
) -> None:
    """Measure the speed of an export on this computer.

    One image and batches, each provider; of a folder every model file.
    """
    from visionft.export.bundle.benching import bench_model as measure

    with running_job() as job:
        found = measure(model, threads=threads, side=images, seconds=seconds, job=job)
    print_result(found, lambda: _benchmark_text(found), as_json=json)


def _benchmark_text(found: "Benchmark") -> str:
    lines = [found.processor]
    for each in found.speeds:
        used = f", {count_of(each.threads, 'thread')}" if each.threads else ""
        lines += ["", f"{each.model.name}: {each.provider}{used}, images of {each.width} x {each.height}"]
        lines.append("batch  median ms    95 %    99 %  slowest  per s  runs")
        for row in each.batches:
            p95, p99, longest = ("-" if ms is None else f"{ms:.1f}" for ms in (row.p95_ms, row.p99_ms, row.max_ms))
            start = f"{row.batch:5}  {row.median_ms:9.1f} {p95:>7} {p99:>7} {longest:>8}"
            lines.append(f"{start} {row.per_second:6.1f}  {row.runs:,}")
    if any(row.p99_ms is None for each in found.speeds for row in each.batches):
        lines += ["", f"95 % need {runs_for(0.95)} runs and 99 % {runs_for(0.99)}: give --seconds more for them."]
    return "\n".join(lines)


def push(
    folder: ExportDir,
    repository: Annotated[str, Argument(metavar="OWNER/NAME", help="Made where it is missing.")],
    public: Annotated[bool, Option("--public", help="Everybody may see it; else you alone.")] = False,
    yes: Annotated[bool, Option("--yes", help="Send without asking.")] = False,
    json: Json = False,
) -> None:
    """Publish an export on the Hugging Face hub.

    Lists the files and asks first; uses the login of `hf auth login`.
    """
    from visionft.export.bundle.verifying import files_to_send
    from visionft.export.uploading import send_export

    files = files_to_send(folder)
    total = sum(each.bytes for each in files)
    write_err("\n".join(f"  {each.name}  {size_text(each.bytes)}" for each in files))
    who = "everybody may see" if public else "only you may see"
    question = f"Send {count_of(len(files), 'file')} ({size_text(total)}) to {repository}, which {who}?"
    # Without a terminal the answer is no.
    if not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
        raise VisionFTError("Nothing was sent.", "Say --yes to send without being asked.")
    with running_job() as job:
        address = send_export(folder, repository, is_public=public, job=job)
    value = {"address": address, "files": [each.name for each in files], "bytes": total}
    print_result(value, f"Sent to {address}.", as_json=json)
