"""`visionft model export`, `index`, `verify` and `push`: one verified file, and commands about it."""

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from visionft.cli.arguments import MAX_COUNT, Json, ModelPath, ProjectDir, RunName
from visionft.cli.output import opened_project, print_result, running_job, table, write_err
from visionft.core.amounts import size_text
from visionft.core.errors import VisionFTError
from visionft.core.names import count_of
from visionft.export.contents import FIXED_MODEL_FILE, SCRIPT_FILE
from visionft.export.export_result import COMPARED_SPLIT_TITLES
from visionft.export.options import ARTEFACTS, DEFAULT_TARGET, Target, option_metadata, target_named

if TYPE_CHECKING:
    from visionft.export.export_result import ExportResult, TransformEffect, Variant
    from visionft.export.verifying import Verification

_VERDICTS = {
    "recommended": "recommended on a processor such as this",
    "not_faster": "answers alike, and is hardly faster here",
    "too_few": "faster; too few images to rule out a loss",
    "wrong": "not kept: it answers otherwise",
}
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
            help="Where it will run: desktop (the usual), server, web, phone, python. Other options win.",
        ),
    ] = DEFAULT_TARGET,
    opset: Annotated[int | None, Option(min=0, max=MAX_COUNT, help=option_metadata("opset")["help"])] = None,
    json: Json = False,
    **artefacts: bool | None,
) -> None:
    """Export one ONNX file, verified against PyTorch on real images."""
    with opened_project(project, read_only=True) as opened:
        found = opened.run(run)
        with running_job() as job:
            model = found.export(out_dir, target=target, callback=job, opset=opset, **artefacts)
            result = model.export
            assert result is not None, "it was exported just now"
            print_result(result, lambda: _export_text(result, target_named(target)), as_json=json)


def _export_text(result: "ExportResult", target: Target) -> str:
    from visionft.export.sample_programs import SAMPLES

    parity, latency = result.parity, result.latency
    lines = [
        f"{result.model} ({size_text(result.bytes)})",
        f"Same answers as PyTorch on {count_of(parity.images, 'image')}: largest difference "
        f"{parity.max_abs_diff:.1e}, top-1 agreement {parity.top1_agreement:.0%}.",
        f"One {latency.width} x {latency.height} image takes {latency.median_ms:.1f} ms (median of "
        f"{latency.runs:,}; {latency.tail_words}) with {latency.provider}.",
    ]
    if (border := result.border) is None:
        lines.append("It cannot say which images are unlike yours: there are too few for training.")
    else:
        low, high = border.false_alarms
        lines.append(
            f"It says which images are unlike yours: about {1 - border.share:.0%} of new ones of the same kind are "
            f"beyond the border ({low:.0%} to {high:.0%}), which was drawn on {border.images} "
            f"{'validation' if border.split == 'val' else 'held-out'} images."
        )
    if result.remembered:
        lines.append(f"{count_of(result.remembered, 'labelled image')} lie beside it, for evidence in each answer.")
    samples = {sample.name: sample for sample in SAMPLES}
    outcomes = {True: "answers the same", False: "ANSWERS OTHERWISE: do not rely on it", None: "was not run"}
    for run in result.samples:
        words = run.why_not or ", ".join(run.models)
        lines.append(f"{samples[run.name].file} {outcomes[run.agrees]}{words and f' ({words})'}")
    lines += _variant_lines(result.variants)
    if result.fixed_size:
        lines.append(_fixed_size_text(result.fixed_size))
    lines += [f"Left out: {reason}" for reason in result.left_out]
    file = target.file(result.variants)
    if result.variants:
        lines.append(f"The file for {target.title.lower()}: {file}")
    lines += target.notes(result.files)
    if sample := samples.get(target.sample):
        start = sample.start(file, result.files)
        lines += [f"Try it without this program, in {result.model.parent}:", start]
    return "\n".join(lines)


def _fixed_size_text(effect: "TransformEffect") -> str:
    return (
        f"{FIXED_MODEL_FILE}: the app crops and resizes. Where it scales without antialiasing, {effect.changed} of "
        f"{count_of(effect.images, 'image')} get another class, and probabilities differ by up to "
        f"{effect.max_abs_diff:.3f}."
    )


def _variant_lines(variants: "Sequence[Variant]") -> list[str]:
    """Return a table of the smaller variants, or an empty list. The model card has more figures."""
    if not variants:
        return []
    rows: list[tuple[str, ...]] = []
    for variant in variants:
        answers, (low, high) = variant.answers, variant.answers.difference
        difference = f"{answers.top1 - answers.reference_top1:+.1%} ({low:+.1%} to {high:+.1%})"
        judged_on = f"{answers.images:,} {COMPARED_SPLIT_TITLES[variant.split]}"
        faster = f"{variant.speed.times_faster:.2f} x" if variant.speed else ""
        name, size = variant.file or f"({variant.precision})", size_text(variant.bytes)
        rows.append((name, size, judged_on, f"{answers.top1:.1%}", difference, faster, _VERDICTS[variant.verdict]))
    header = ("smaller file", "size", "judged on", "top-1", "against fp32", "faster", "")
    return [table(header, rows)]


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

    The classes stay as exported. For another class label images in the project, train a
    retrieval run (seconds) and export again.
    """
    from visionft.export.index_editing import change_index
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
    json: Json = False,
) -> None:
    """Verify an export: every file by hash, every model by outputs.

    Exit code 1: it differs.
    """
    from visionft.export.verifying import verify_export

    with running_job() as job:
        found = verify_export(folder, job=job)
    print_result(found, lambda: _verification_text(found), as_json=json)
    if not found.is_whole:
        raise typer.Exit(1)


def _verification_text(found: "Verification") -> str:
    verdict = "is as it was exported" if found.is_whole else "is NOT as it was exported"
    lines = [f"{found.folder} {verdict}; {count_of(found.checked, 'file')} checked."]
    lines += [f"  {fault.fault}: {fault.name}" for fault in found.faults]
    for comparison in found.answers:
        outcome = "no recorded answers"
        if comparison.max_abs_diff is not None:
            word = "same answers" if comparison.is_equal else "OTHER ANSWERS"
            difference = f"largest difference {comparison.max_abs_diff:.1e}, limit {comparison.limit:g}"
            outcome = f"{word} as when it was exported ({difference})"
        lines.append(f"  {comparison.name}: {outcome}.")
    if found.sample:
        lines.append(f"  {found.sample}")
    if found.why_not_run:
        lines.append(f"  {SCRIPT_FILE} was not run: {found.why_not_run}")
    lines += [f"  not of the export: {name}" for name in found.foreign[:_SHOWN]]
    if more := len(found.foreign[_SHOWN:]):
        lines.append(f"  not of the export either: {count_of(more, 'other file')}")
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
    from visionft.export.verifying import files_to_send, send_export

    files = files_to_send(folder)
    total = sum(file.bytes for file in files)
    write_err("\n".join(f"  {file.name}  {size_text(file.bytes)}" for file in files))
    who = "everybody may see" if public else "only you may see"
    question = f"Send {count_of(len(files), 'file')} ({size_text(total)}) to {repository}, which {who}?"
    # Without a terminal the answer is no.
    if not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
        raise VisionFTError("Nothing was sent.", "Say --yes to send without being asked.")
    with running_job() as job:
        address = send_export(folder, repository, is_public=public, job=job)
    value = {"address": address, "files": [file.name for file in files], "bytes": total}
    print_result(value, f"Sent to {address}.", as_json=json)
