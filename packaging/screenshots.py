"""Renders every page of the window to PNG files, in both themes and two sizes: `python packaging/screenshots.py OUT`.

The projects are real ones, made here from pictures drawn here. What a training run and an export report comes from
recorded events, so that no learning library is needed. Nothing is judged: a person looks at the pictures.
"""

import json
import math
import os
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not `packaging/`, which would shadow the library of that name
# ruff: noqa: E402

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from gui.app import create_application, create_window
from gui.main_window import MainWindow
from gui.predictions import Answers, PictureAnswer
from gui.settings import Settings
from gui.state import AppState, JobInfo
from gui.widgets.parity_card import Parity
from visionft.evaluation.metrics import class_scores, wilson_interval
from visionft.events import EpochDone, Event, RunStarted, StepDone
from visionft.project.importing import ImportReport, import_source
from visionft.project.scanning import Rejected
from visionft.project.splits import assign_splits
from visionft.project.store import Project
from visionft.training.config import TrainConfig

SIZES = ((1280, 800), (2560, 1440))
CLASSES = {"good": 46, "scratch": 31, "dent": 24, "missing hole": 18, "discoloured after heat treatment (batch 7)": 9}


def draw_pictures(folder: Path) -> None:
    """Draw a small inspection set: one round part each, with the fault of its class."""
    source = random.Random(7)
    for name, count in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            _draw_part(name, source).save(folder / name / f"part_{number:03d}.jpg", quality=88)


def _draw_part(name: str, source: random.Random) -> Image.Image:
    width, height = source.choice(((320, 240), (300, 300), (240, 320)))
    ground = source.randint(40, 90)
    picture = Image.new("RGB", (width, height), (ground, ground + 6, ground + 14))
    draw = ImageDraw.Draw(picture)
    x, y, radius = width / 2 + source.randint(-20, 20), height / 2 + source.randint(-14, 14), source.randint(70, 95)
    steel = source.randint(150, 200)
    tint = (steel + 30, steel - 20, steel - 70) if name.startswith("disc") else (steel, steel + 3, steel + 8)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tint)
    for hole in range(6):
        if name == "missing hole" and hole == 2:
            continue
        angle = hole * math.pi / 3 + 0.3
        hx, hy = x + radius * 0.7 * math.cos(angle), y + radius * 0.7 * math.sin(angle)
        draw.ellipse((hx - 7, hy - 7, hx + 7, hy + 7), fill=(ground,) * 3)
    if name == "scratch":
        draw.line((x - 40, y - 20, x + 30, y + 25), fill=(235, 235, 240), width=2)
    if name == "dent":
        draw.ellipse((x + 6, y - 24, x + 38, y + 4), fill=(steel - 45,) * 3)
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def run_events(epochs: int, *, until: int, seed: int = 0) -> list[Event]:
    """Return what a plausible run reports up to half of epoch `until + 1`."""
    source = random.Random(seed)
    events: list[Event] = [
        RunStarted(
            run="003-resnet18-lora", backbone="resnet18", method="lora", epochs=epochs, first_epoch=1,
            steps_per_epoch=24, train_images=90, val_images=19, trainable_parameters=277_509,
            total_parameters=11_454_021, device="cuda:0 NVIDIA RTX 4070", precision="bf16",
        )
    ]  # fmt: skip
    best = 9.0
    for epoch in range(1, until + 2):
        loss = 1.55 * math.exp(-epoch / 5) + 0.16
        for step in range(1, 25 if epoch <= until else 13):
            noisy = (1.55 * math.exp(-(epoch - 1 + step / 24) / 5) + 0.16) * source.uniform(0.75, 1.35)
            left = (epochs - epoch + 1 - step / 24) * 3.4
            figures = {"loss": noisy, "learning_rate": 1e-3, "images_per_second": 418.0, "eta_s": left}
            events.append(StepDone(epoch=epoch, step=step, steps=24, **figures))
        if epoch <= until:
            val = 1.45 * math.exp(-epoch / 4.5) + 0.27 + max(0, epoch - 9) * 0.012 + source.uniform(-0.02, 0.02)
            is_best, best = val < best, min(best, val)
            events.append(
                EpochDone(
                    epoch=epoch, epochs=epochs, train_loss=loss, train_top1=1 - 0.62 * math.exp(-epoch / 4),
                    val_loss=val, val_top1=0.93 - 0.6 * math.exp(-epoch / 4) + source.uniform(-0.015, 0.015),
                    learning_rate=1e-3, seconds=3.4, images_per_second=418.0, is_best=is_best,
                )
            )  # fmt: skip
    return events


def write_runs(project: Path, class_names: tuple[str, ...]) -> None:
    """Write three run folders as the training loop does."""
    for number, (backbone, method, seed) in enumerate(
        (("resnet18", "linear", 3), ("vit_small", "lora", 1), ("resnet50", "full", 5)), 1
    ):
        folder = project / "runs" / f"{number:03d}-{backbone}-{method}"
        folder.mkdir()
        epochs = [event for event in run_events(16, until=16, seed=seed) if isinstance(event, EpochDone)]
        config = TrainConfig(backbone=backbone, method=method, epochs=16)
        (folder / "config.json").write_text(json.dumps(config.to_dict()))
        (folder / "classes.json").write_text(json.dumps(class_names))
        (folder / "metrics.jsonl").write_text("".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs))
        best = [epoch for epoch in epochs if epoch.is_best][-1]
        result = {
            "run": folder.name, "best": asdict(best), "seconds": 61.2, "stopped": number == 2,
            "trainable_parameters": 277_509, "total_parameters": 11_454_021, "device": "cuda", "precision": "bf16",
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(result))
        write_evaluation(folder, class_names)


def write_evaluation(folder: Path, names: tuple[str, ...]) -> None:
    """Write an evaluation as `evaluate_run` does, over made-up predictions."""
    source = random.Random(2)
    size = len(names)
    confusion = [[0] * size for _ in range(size)]
    lines = []
    for image_id in range(1, 121):
        true_index = image_id % size
        predicted = true_index if source.random() < 0.86 else source.randrange(size)
        confusion[true_index][predicted] += 1
        line = {"image_id": image_id, "class": names[true_index], "predicted": names[predicted], "probability": 0.8}
        lines.append(json.dumps(line))
    right = sum(confusion[place][place] for place in range(size))
    stored = {
        "run": folder.name, "split": "val", "images": 120, "top1": right / 120, "top5": 1.0, "ece": 0.031,
        "top1_interval": wilson_interval(right, 120), "balanced_accuracy": right / 120, "temperature": 1.3,
        "per_class": {n: asdict(s) for n, s in zip(names, class_scores(np.array(confusion)), strict=True)},
        "confusion": confusion, "unreadable": 0,
    }  # fmt: skip
    (folder / "evaluation-val.json").write_text(json.dumps(stored))
    (folder / "predictions-val.jsonl").write_text("\n".join(lines) + "\n")


class Studio:
    """A window over a real project, posed for each picture."""

    def __init__(self, folder: Path, *, theme: str, font_scale: float = 1.0) -> None:
        self.folder = folder
        draw_pictures(folder / "pictures")
        self.app: QApplication = create_application()
        self.state = AppState()
        self.state.settings = Settings(theme=theme, font_scale=font_scale)
        self.window: MainWindow = create_window(self.app, self.state)

    def open(self, name: str, *, is_filled: bool) -> None:
        """Create (or open again) a project."""
        path = self.folder / "projects" / name
        if path.exists():
            self.state.open_project(path)
            return
        with Project.create(path) as project:
            if is_filled:
                import_source(project, self.folder / "pictures")
                assign_splits(project)
                write_runs(path, project.snapshot().class_names)
        self.state.open_project(path)

    def photograph(self, target: Path, *, width: int, height: int) -> None:
        """Write one picture of the window."""
        self.window.resize(width, height)
        self.window.show()
        self.window.activateWindow()
        for _ in range(6):
            self.app.processEvents()
        if self.window.current_page.name in ("label", "try"):
            self.wait_for_pictures(400)
        self.window.grab().save(str(target))

    def wait_for_pictures(self, milliseconds: int = 900) -> None:
        """Let thumbnails and pictures arrive."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def close(self) -> None:
        """Let go of everything."""
        self.state.job_info = None
        self.window.close()
        self.window.deleteLater()
        self.app.processEvents()


def _welcome_first(studio: Studio) -> None:
    studio.state.close_project()
    studio.state.settings = Settings(theme=studio.state.settings.theme)
    studio.window.show_page("project")


def _welcome(studio: Studio) -> None:
    names = ("Surface defects", "Leaf diseases of the south greenhouse, spring and summer 2026", "Sorting line 4")
    for name in names[:2]:
        (studio.folder / name).mkdir(exist_ok=True)
    recent = tuple(str(studio.folder / name) for name in names)
    studio.state.settings = Settings(theme=studio.state.settings.theme, recent_projects=recent)
    studio.window.page("project").refresh()


def _project_empty(studio: Studio) -> None:
    studio.open("Empty project", is_filled=False)
    studio.window.show_page("project")


def _project(studio: Studio) -> None:
    studio.open("Machined parts", is_filled=True)
    studio.window.show_page("project")


def _project_import(studio: Studio) -> None:
    page = studio.window.page("project")
    page.report.show_report(  # type: ignore[attr-defined]
        ImportReport(
            added=128, duplicates=("/data/parts/good/part_001 (copy).jpg",),
            unreadable=(Rejected("/data/parts/dent/part_019.jpg", "the file is damaged or cut short"),
                        Rejected("/data/parts/dent/scan.psd", "not a readable picture")),
            skipped=(Rejected("/data/parts/Thumbs.db", "not a picture"),), classes=CLASSES,
        )
    )  # fmt: skip
    page.report.details_button.click()  # type: ignore[attr-defined]


def _label(studio: Studio) -> None:
    studio.window.page("project").report.hide()  # type: ignore[attr-defined]
    studio.window.show_page("label")
    studio.wait_for_pictures()
    grid = studio.window.page("label").grid  # type: ignore[attr-defined]
    grid.set_current(3)
    grid.set_current(6, extend=True)


def _label_viewer(studio: Studio) -> None:
    page = studio.window.page("label")
    page.grid.set_current(2)  # type: ignore[attr-defined]
    page.open_viewer()  # type: ignore[attr-defined]
    studio.wait_for_pictures()


def _train_setup(studio: Studio) -> None:
    studio.window.page("project").report.hide()  # type: ignore[attr-defined]
    studio.window.show_page("train")


def _train_faults(studio: Studio) -> None:
    page = studio.window.page("train")
    page.form.editor("learning_rate").setText("fast")  # type: ignore[attr-defined]
    page.method_forms["lora"].editor("alpha").setText("0")  # type: ignore[attr-defined]
    page.start()  # type: ignore[attr-defined]


def _train_live(studio: Studio) -> None:
    page, state = studio.window.page("train"), studio.state
    page.form.reset()  # type: ignore[attr-defined]
    page.method_forms["lora"].reset()  # type: ignore[attr-defined]
    page.live_button.click()  # type: ignore[attr-defined]
    page.monitor.start("ResNet-18, LoRA", epochs=20)  # type: ignore[attr-defined]
    state.job_info = JobInfo(kind="train", title="Training ResNet-18, LoRA", page="train", started_s=0, may_write=False)
    state.job_started.emit(state.job_info)
    for event in run_events(20, until=12):
        state.job_reported.emit(event)
    page.monitor.chart.redraw()  # type: ignore[attr-defined]


def _results(studio: Studio) -> None:
    studio.state.job_info = None
    studio.window._show_idle()
    studio.window.show_page("results")
    names = [
        f"{number:03d}-{name}" for number, name in ((3, "resnet50-full"), (2, "vit_small-lora"), (1, "resnet18-linear"))
    ]
    studio.window.page("results").table.select(names)  # type: ignore[attr-defined]


def _results_matrix(studio: Studio) -> None:
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full"])  # type: ignore[attr-defined]
    page.view_buttons.button(1).click()  # type: ignore[attr-defined]
    page.matrix.choose(4, 2)  # type: ignore[attr-defined]


def _results_classes(studio: Studio) -> None:
    studio.window.page("results").view_buttons.button(2).click()  # type: ignore[attr-defined]


def _results_settings(studio: Studio) -> None:
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full", "002-vit_small-lora"])  # type: ignore[attr-defined]
    page.view_buttons.button(3).click()  # type: ignore[attr-defined]


def _export(studio: Studio) -> None:
    studio.state.job_info = None
    studio.window._show_idle()
    studio.window.show_page("export")


def _export_done(studio: Studio) -> None:
    folder = studio.folder / "projects" / "Machined parts" / "exports" / "003-resnet50-full"
    card = studio.window.page("export").parity_card  # type: ignore[attr-defined]
    card.show_parity(
        Parity(model=folder / "model.onnx", bytes=94_113_220, images=19, max_abs_diff=3.2e-6, top1_agreement=1.0)
    )


def _try_empty(studio: Studio) -> None:
    studio.window.show_page("try")


def _try(studio: Studio) -> None:
    page, names = studio.window.page("try"), tuple(CLASSES)
    source = random.Random(4)
    answers = []
    for path in sorted((studio.folder / "pictures").rglob("*.jpg"))[::9]:
        shares = sorted((source.random() ** 3 + 0.01 for _ in names), reverse=True)
        order = [path.parent.name, *[name for name in names if name != path.parent.name]]
        top = tuple((name, share / sum(shares)) for name, share in zip(order, shares, strict=True))
        answers.append(PictureAnswer(path=path, top=top))
    page.offer_models([studio.folder / "projects/Machined parts/exports/003-resnet50-full/model.onnx"])  # type: ignore[attr-defined]
    result = Answers(answers=tuple(answers), class_names=names, provider="CPUExecutionProvider", milliseconds_each=11.4)
    page.show_answers(result)  # type: ignore[attr-defined]


def _failure(studio: Studio) -> None:
    studio.state.message_raised.emit(
        "The pretrained weights of ResNet-50 are not on this computer and cannot be downloaded.",
        "Connect to the internet, or choose a file of weights under Advanced.", "bad", "Traceback",
    )  # fmt: skip


SCENES: dict[str, Callable[[Studio], None]] = {
    "01-welcome-first": _welcome_first,
    "02-welcome": _welcome,
    "03-project-empty": _project_empty,
    "04-project": _project,
    "05-project-import": _project_import,
    "12-label": _label,
    "13-label-viewer": _label_viewer,
    "06-train-setup": _train_setup,
    "07-train-faults": _train_faults,
    "08-train-live": _train_live,
    "14-results-curves": _results,
    "15-results-matrix": _results_matrix,
    "16-results-classes": _results_classes,
    "17-results-settings": _results_settings,
    "09-export": _export,
    "10-export-done": _export_done,
    "18-try-empty": _try_empty,
    "19-try": _try,
    "11-failure": _failure,
}


def main(out_dir: Path) -> None:
    """Write every scene in both themes and all sizes into `out_dir`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            os.environ[name] = home
        for theme in ("light", "dark"):
            studio = Studio(Path(home) / theme, theme=theme)
            for scene, pose in SCENES.items():
                pose(studio)
                for width, height in SIZES:
                    studio.photograph(out_dir / f"{scene}-{theme}-{width}x{height}.png", width=width, height=height)
            studio.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("screenshots"))
