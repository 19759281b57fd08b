"""Export: options reach the engine, the report shows the measurements, earlier exports are remembered."""

import json
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication

from gui.export import export_page as export_work
from gui.kit import dialogs
from visionft.core.events import Notice, ResultStored
from visionft.core.files import sha256_file
from visionft.export.export_result import ExportResult, Latency, Parity, SampleRun, read_export
from visionft.export.options import TARGETS, ExportOptions
from visionft.export.sample_programs import PYTHON
from visionft.export.verifying import FileFault, Verification
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import delete_weights, read_run, rename_run

LEFT = Qt.MouseButton.LeftButton
RUN, RESNET = "001-resnet18-lora", TrainConfig(backbone="resnet18")


@pytest.fixture
def page(project_dir: Path, write_run, open_page):
    write_run(project_dir, RUN, RESNET, accuracies=[1.0])
    return open_page("export")


RUNS = (SampleRun(name="python", agrees=True), SampleRun(name="node", why_not="Node.js is not installed."))


@pytest.fixture
def exporting(monkeypatch):
    """Replace exporting by writing a small file and a true record; return the recorded requests."""
    asked = []

    def export_model(run_dir, _images, out_dir, *, job, **options):
        asked.append((run_dir, out_dir, options))
        out_dir.mkdir(parents=True, exist_ok=True)
        (out_dir / "model.onnx").write_bytes(b"x" * 1_500_000)
        result = ExportResult(
            model=out_dir / "model.onnx",
            bytes=1_500_000,
            sha256="a",
            temperature=1.0,
            opset=options["options"].opset,
            parity=Parity(images=19, max_abs_diff=3.2e-6, top1_agreement=1.0, batches=(1, 2, 7)),
            latency=Latency(
                median_ms=10.42 + len(asked), p95_ms=13.9, runs=60, provider="CPUExecutionProvider", width=48, height=40
            ),
            samples=RUNS,
            files=("model.onnx", "model_fixed.onnx", "huggingface/config.json"),
            target=options["options"].target,
            artefacts=options["options"].artefacts,
        )
        left_out = {"model", "samples", "files"}
        record = {name: value for name, value in asdict(result).items() if name not in left_out}
        record["samples"] = {each.name: {"agrees": each.agrees, "why_not": each.why_not} for each in RUNS}
        (out_dir / "export.json").write_text(json.dumps(record))
        return result

    monkeypatch.setattr(export_work, "export_model", export_model)
    return asked


def export(qtbot, window, page) -> None:
    qtbot.mouseClick(page.export_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.jobs.pending)


def test_options_reach_the_engine_and_the_report_says_what_was_measured(
    qtbot, window, page, exporting, project_dir, monkeypatch
):
    assert not page.parity_card.isVisible()
    assert page.export_button.property("role") == "primary" and not page.try_button.isVisible()
    qtbot.mouseClick(page.target_card.more.button, LEFT)
    boxes = page.target_card.boxes
    for box in (boxes["fixed-size"], boxes["huggingface"]):
        box.click()
    page.target_card.name_edit.setText("For the line")
    export(qtbot, window, page)
    target = project_dir / "exports" / "For the line"
    options = ExportOptions.for_target(fixed_size=True, huggingface=True)
    inputs = {"options": options, "project": window.state.session.project}
    assert exporting == [(project_dir / "runs" / RUN, target, inputs)]
    card = page.parity_card
    assert card.isVisible()
    assert page.export_button.property("role") == ""
    assert page.try_button.property("role") == "primary" and page.try_button.isVisible()
    figures, notes = ({name: each.text() for name, each in part.items()} for part in (card.figures, card.notes))
    assert figures["agreement"].count("19") == 2 and figures["speed"] == "11.4 ms" and figures["size"] == "1.5 MB"
    assert "CPU" in notes["speed"]
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(Path(url.toLocalFile())))
    qtbot.mouseClick(card.folder_button, LEFT)
    assert opened == [target]
    qtbot.mouseClick(page.try_button, LEFT)
    assert window.current_page.name == "try"


def test_an_export_is_checked_again_and_what_is_wrong_is_named(qtbot, window, page, exporting, monkeypatch):
    faults = [FileFault(name="labels.txt", fault="changed")]

    def check_export(folder, *, job):
        return Verification(folder=folder, checked=7, faults=tuple(faults), foreign=("mine.txt",), answers=())

    monkeypatch.setattr(export_work, "verify_export", check_export)
    export(qtbot, window, page)
    card = page.parity_card
    assert card.verification.isHidden()
    for role in ("fault", "small"):
        qtbot.mouseClick(card.check_button, LEFT)
        qtbot.waitUntil(lambda: not window.state.jobs.pending)
        words = card.verification.text()
        assert card.verification.property("role") == role and "mine.txt" in words
        assert ("labels.txt" in words) == bool(faults) and card.check_button.isEnabled()
        faults.clear()


def test_what_was_wanted_and_left_out_is_said(window, project_dir, exported):
    record = json.loads((exported / "export.json").read_text())
    (exported / "export.json").write_text(json.dumps({**record, "left_out": ["no-such-folder"]}))
    window.state.open_project(project_dir)
    window.show_page("export")
    assert "no-such-folder" in window.page("export").parity_card.warnings.text()


def test_the_commands_of_the_program_are_shown_and_copied(qtbot, shown):
    card = shown.use_card
    qtbot.mouseClick(card.copy_button, LEFT)
    assert card.start.toPlainText() == QGuiApplication.clipboard().text() == PYTHON.start()


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_place_to_run_chooses_all_options_in_one_click(qtbot, window, page, exporting, target):
    page.target_card.tiles[target.name].click()
    export(qtbot, window, page)
    assert exporting[0][2]["options"] == ExportOptions.for_target(target.name)


def test_without_a_name_or_place_nothing_can_be_exported(page, monkeypatch, tmp_path):
    page.target_card.name_edit.setText("  ")
    assert not page.export_button.isEnabled() and page.target_card.note.text() == page.why_not_export() != ""
    page.target_card.name_edit.setText("mine")
    page.target_card.place_edit.setText("~nobody-of-that-name")  # on the way to ~/a-folder
    assert page.export_button.isEnabled()
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_: tmp_path / "elsewhere")
    page.target_card.browse_button.click()
    assert page.export_button.isEnabled() and page.target_card.folder() == tmp_path / "elsewhere" / "mine"


def test_a_run_without_weights_says_why_it_cannot_be_exported(window, page, project_dir):
    run = read_run(project_dir / "runs" / RUN)
    rename_run(run, "Lightened")
    delete_weights(run)
    window.state.session.runs_changed.emit()
    assert not page.export_button.isEnabled() and page.target_card.note.text() == page.why_not_export() != ""
    assert page.table.model().index(0, 0).data() == "Lightened"


def test_the_model_is_tried_while_further_files_are_made(
    qtbot, window, page, exporting, images, write_model, monkeypatch, request
):
    whole, beside, goes_on = export_work.export_model, threading.Event(), threading.Event()
    request.addfinalizer(goes_on.set)

    def export_model(run_dir, snapshot, out_dir, *, options, project, job):
        first = replace(options, artefacts=())
        result = whole(run_dir, snapshot, out_dir, options=first, project=project, job=job)
        record = json.loads((out_dir / "export.json").read_text())
        model = write_model(result.model)
        record |= {"bytes": model.stat().st_size, "sha256": sha256_file(model)}
        (out_dir / "export.json").write_text(json.dumps(record))
        job.report(Notice(message="It can be used."))
        job.report(ResultStored(name=str(result.model)))
        beside.set()
        assert goes_on.wait(20)
        return whole(run_dir, snapshot, out_dir, options=options, project=project, job=job)

    monkeypatch.setattr(export_work, "export_model", export_model)
    page.target_card.boxes["fixed-size"].click()
    qtbot.mouseClick(page.export_button, LEFT)
    qtbot.waitUntil(lambda: page.try_button.isVisible() and page.parity_card.isVisible())
    assert beside.is_set() and window.toasts.message() == "It can be used."
    assert page.try_button.property("role") == "primary" and not page.export_button.isEnabled()
    qtbot.mouseClick(page.try_button, LEFT)
    tried = window.current_page
    assert tried.name == "try" and tried.model() == page.target_card.folder() / "model.onnx"
    monkeypatch.setattr(dialogs, "ask_files", lambda *_args, **_kwargs: [images / "green" / "green_000.png"])
    qtbot.mouseClick(tried.drop_zone.choose_button, LEFT)
    qtbot.waitUntil(lambda: [each.class_name for each in tried.predictions] == ["green"], timeout=20_000)
    assert window.state.jobs.pending  # the export goes on
    goes_on.set()
    qtbot.waitUntil(lambda: not window.state.jobs.pending)
    window.show_page("export")
    assert page.try_button.property("role") == "primary" and page.export_button.isEnabled()
    assert read_export(page.target_card.folder()).artefacts == ("fixed-size",)


def test_an_export_stopped_at_a_further_file_is_shown_and_can_be_completed(qtbot, window, page, exporting, monkeypatch):
    whole = export_work.export_model

    def export_model(run_dir, snapshot, out_dir, *, options, project, job):
        first = replace(options, artefacts=())
        result = whole(run_dir, snapshot, out_dir, options=first, project=project, job=job)
        job.report(ResultStored(name=str(result.model)))
        waiting = threading.Event()
        while not job.is_cancelled:
            waiting.wait(0.003)
        return result

    monkeypatch.setattr(export_work, "export_model", export_model)
    page.target_card.boxes["fixed-size"].click()
    qtbot.mouseClick(page.export_button, LEFT)
    qtbot.waitUntil(page.try_button.isVisible)
    (job,) = window.state.jobs.running
    job.stop()
    qtbot.waitUntil(lambda: not window.state.jobs.pending)
    assert page.parity_card.isVisible() and page.try_button.isVisible()
    assert page.export_button.isEnabled() and page.export_button.property("role") == "primary"


def test_the_best_run_is_chosen_not_the_newest_unless_the_user_chose(window, page, project_dir, write_run):
    write_run(project_dir, "002-worse", RESNET, accuracies=[0.5])
    window.state.session.runs_changed.emit()
    assert page.table.selected() == [RUN] and page.target_card.name_edit.text() == RUN
    page.table.select(["002-worse"])
    write_run(project_dir, "003-middling", RESNET, accuracies=[0.7])
    window.state.session.runs_changed.emit()
    assert page.table.selected() == ["002-worse"]


def test_the_card_of_the_export_is_opened_or_its_folder(qtbot, shown, exported, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))  # no program
    qtbot.mouseClick(shown.parity_card.card_button, LEFT)
    assert opened == [str(exported / "README.md"), f"{exported}/"]


def test_an_export_without_a_card_says_so(shown, exported):
    (exported / "README.md").unlink()
    shown.mark_stale()
    button = shown.parity_card.card_button
    assert not button.isEnabled() and button.toolTip()
