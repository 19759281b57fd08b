"""`visionft export`: one verified file; `visionft index`: the labelled pictures beside it, and more of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visionft.amounts import size_text
from visionft.cli.next_steps import joined
from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result
from visionft.cli.precision_words import precisions_of, variants_text
from visionft.cli.run_commands import RunName
from visionft.cli.schemas import prints
from visionft.export.bundle.project_facts import facts_of
from visionft.export.options import OPSET, ExportOptions, help_of, sentence
from visionft.project.names import count_of
from visionft.training.runs.run_folder import load_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from visionft.export.parity import Border, SampleRun


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("export")(export)
    app.command("index")(index)


@prints("visionft.export.parity:ExportResult")
def export(
    project: ProjectDir,
    run: RunName,
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for model.onnx.")],
    float_input: Annotated[bool, typer.Option("--float-input", help=sentence("float_input"))] = False,
    precision: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"fp16, int8 or all, several times: {help_of('precisions')}"),
    ] = None,
    opset: Annotated[int, typer.Option(help=help_of("opset"))] = OPSET,
    huggingface: Annotated[bool, typer.Option("--huggingface", help=sentence("huggingface"))] = False,
    json: Json = False,
) -> None:
    """Write one ONNX file that holds everything, after comparing it with PyTorch on real pictures."""
    with opened_project(project, read_only=True) as opened:
        snapshot, facts = opened.snapshot(), facts_of(opened)
    summary = load_run(project, run)
    from visionft.export.exporter import export_run

    with job() as (on_event, should_stop):
        result = export_run(
            summary.path,
            snapshot,
            out_dir,
            options=ExportOptions(
                float_input=float_input,
                opset=opset,
                precisions=precisions_of(precision or ()),
                huggingface=huggingface,
            ),
            facts=facts,
            on_event=on_event,
            should_stop=should_stop,
        )
        parity, latency = result.parity, result.latency
        text = (
            f"{result.model} ({size_text(result.bytes)})\n"
            f"Same answers as PyTorch on {count_of(parity.images, 'picture')}: "
            f"largest difference {parity.max_abs_diff:.1e}, top-1 agreement {parity.top1_agreement:.0%}.\n"
            f"One {latency.width} x {latency.height} picture takes {latency.median_ms:.1f} ms (median of "
            f"{latency.runs:,}; {latency.tail_words}) with {latency.provider}.\n"
            f"Preparing a picture of 12 megapixels takes {result.large_ms:.0f} ms; with --float-input there is "
            "a file for what is prepared already.\n"
            f"{_border_text(result.border)}\n"
            f"{_remembered_text(result.remembered)}"
            f"{_samples_text(result.samples)}"
            f"{variants_text(result.variants)}"
            f"Try it without this program: {joined(['python', str(result.model.with_name('predict.py')), 'PICTURE'])}"
        )
        print_result(result, text, as_json=json)


def _remembered_text(count: int) -> str:
    return f"{count_of(count, 'labelled picture')} lie beside it, for evidence in each answer.\n" if count else ""


def _samples_text(runs: "Sequence[SampleRun]") -> str:
    from visionft.export.bundle.samples import SAMPLES

    files = {sample.name: sample.file for sample in SAMPLES}
    came_of = {True: "answers the same", False: "ANSWERS OTHERWISE: do not rely on it", None: "was not run"}
    said = [(run, run.why_not or ", ".join(run.models)) for run in runs]
    return "".join(f"{files[run.name]} {came_of[run.agrees]}{words and f' ({words})'}\n" for run, words in said)


def _border_text(border: "Border | None") -> str:
    if border is None:
        return "It cannot say which pictures are unlike yours: there are too few for training."
    source = "validation pictures" if border.split == "val" else "held-out pictures, as few were kept for validation"
    return f"It says which pictures are unlike yours; the border was drawn on {border.pictures} {source}."


@prints("visionft.export.index.extending:Held")
def index(
    model: Annotated[Path, typer.Argument(metavar="MODEL_OR_DIR", help="An exported model.onnx or its folder.")],
    add: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Pictures to add, in folders with the names of the model's classes; new classes cannot be added.",
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PICTURE",
            help="A picture to remove: its file or a folder, by content, or its name in the index; may be repeated.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Tell which labelled pictures lie beside an exported model, add or remove some: they answer from then on.

    The classes are those that the model was exported with. For another class label pictures in the project, train a
    retrieval run (seconds) and export again.
    """
    from visionft.export.index.extending import change_index
    from visionft.export.predictor import Predictor

    predictor = Predictor(model)
    with job() as (on_event, should_stop):
        held = change_index(predictor, add, remove=remove or (), on_event=on_event, should_stop=should_stop)
    known = ", ".join(f"{name} {count:,}" for name, count in held.per_class.items())
    text = f"{count_of(held.pictures, 'labelled picture')}: {known}."
    if add is not None:
        text = f"{count_of(held.added, 'picture')} added, {held.known} were there already.\n{text}"
        text += "".join(f"\nLeft out {path}: {reason}" for path, reason in held.left_out)
    if remove:
        text = f"{count_of(held.removed, 'picture')} removed.\n{text}"
    if empty := [name for name, count in held.per_class.items() if not count]:
        text += f"\nNothing is like these classes any more, so they are never the answer: {', '.join(empty)}."
    print_result(held, text, as_json=json)
