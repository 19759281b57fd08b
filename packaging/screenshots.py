"""Renders every page of the window to PNG files, for visual inspection.

    python packaging/screenshots.py OUT       every state of every page, in both themes and two sizes, in a minute
    python packaging/screenshots.py --readme [OUT [IMAGES]]
                                              the README's images: one real run, see `screenshot_readme.py`

The states of the first are posed: names that are too long, errors, runs and invented figures, so a layout can be
checked (`layout_check.py`) without a learning library. They are not published.
"""

import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not `packaging/`: it would shadow the library of the same name
sys.path.append(str(ROOT / "packaging"))
# ruff: noqa: E402

import screenshot_advice
import screenshot_curate
import screenshot_export
import screenshot_label
import screenshot_readme
import screenshot_results
import screenshot_train
from PySide6.QtGui import QImage
from screenshot_data import CLASSES, made_up_answers, made_up_evidence
from studio import Studio, temporary_home

from gui.errors import BugDialog
from gui.home.new_project import NewProjectDialog
from gui.predict.predicting import Frame, PredictionBatch
from gui.preferences import Settings
from gui.shell.window_dialog import WindowDialog
from visionft.data.image_reading import ImageReading
from visionft.errors import NextStep
from visionft.project.edits.changes import UnlabelImages
from visionft.project.formats.listing import RejectedFile
from visionft.project.image_window import Histogram, WindowChoice
from visionft.project.importing.importer import ImportReport
from visionft.suggest.suggestions import Suggestion, write_suggestions

SIZES = ((1280, 800), (2560, 1440))


def _welcome_first(studio: Studio) -> None:
    studio.state.close_project()
    studio.state.settings = replace(studio.state.settings, recent_projects=())
    studio.window.show_page("project")


def _welcome(studio: Studio) -> None:
    names = ("Surface defects", "Leaf diseases of the south greenhouse, spring and summer 2026", "Sorting line 4")
    for name in names[:2]:
        (studio.folder / name).mkdir(exist_ok=True)
    recent = tuple(str(studio.folder / name) for name in names)
    studio.state.settings = replace(studio.state.settings, recent_projects=recent)
    studio.window.page("project").refresh()


def _project_empty(studio: Studio) -> None:
    studio.open("Empty project", is_filled=False)
    studio.window.show_page("project")


def _project(studio: Studio) -> None:
    studio.window.page("project").imports.cancel()  # type: ignore[attr-defined]
    studio.open("Machined parts", is_filled=True)
    studio.window.resize(*SIZES[-1])
    studio.window.show()
    studio.window.show_page("project")
    studio.wait_for_images(1500)


def _project_import(studio: Studio) -> None:
    page = studio.window.page("project")
    page.overview.report.show_report(  # type: ignore[attr-defined]
        ImportReport(
            added=128,
            duplicates=("/data/parts/good/part_001 (copy).jpg",),
            unreadable=(
                RejectedFile("/data/parts/dent/part_019.jpg", "the file is damaged or cut short"),
                RejectedFile("/data/parts/dent/scan.psd", "not a readable image"),
            ),
            skipped=(RejectedFile("/data/parts/Thumbs.db", "not an image"),),
            classes=CLASSES,
        )
    )
    page.overview.report.details_button.click()  # type: ignore[attr-defined]


def _project_preview(studio: Studio) -> None:
    studio.open("Empty project", is_filled=False)
    studio.window.show_page("project")
    source = studio.folder / "Line 4, second shift"
    if not source.exists():
        shutil.copytree(studio.folder / "images", source)
        for name, alike in (("good", "Good"), ("scratch", "scratches")):
            (source / alike).mkdir()
            for file in sorted((source / name).iterdir())[:7]:
                file.rename(source / alike / file.name)
            shutil.copy(next((source / name).iterdir()), source / alike)
        (source / "dent" / "part_019.jpg").write_bytes(b"no image")
    studio.window.page("project").take_source(source)  # type: ignore[attr-defined]
    while studio.state.tasks.pending:
        studio.wait_for_images(50)
    studio.wait_for_images()


def _project_choice(studio: Studio) -> None:
    page, source = studio.window.page("project"), studio.folder / "Line 4, by shift"
    page.imports.cancel()  # type: ignore[attr-defined]
    if not source.exists():
        rows = ["picture,line,shift,found"]
        for number, file in enumerate(sorted((studio.folder / "images").rglob("*.jpg"))[::3]):
            place = f"{('early', 'late')[number % 2]}/part_{number:03d}.jpg"
            (source / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, source / place)
            rows.append(f"{place},{number % 3 + 3},{('early', 'late')[number % 2]},{file.parent.name}")
        (source / "inspection of the second week, corrected.csv").write_text("\n".join(rows))
    page.take_source(source)  # type: ignore[attr-defined]
    while studio.state.tasks.pending:
        studio.wait_for_images(50)
    page.imports.panel.choice.fold_button.setChecked(True)  # type: ignore[attr-defined]
    while studio.state.tasks.pending:
        studio.wait_for_images(50)
    studio.wait_for_images()


def _label_suggestions(studio: Studio) -> None:
    session, source = studio.state.session, random.Random(2)
    assert session is not None
    images = session.snapshot().images[4:60:3]
    session.apply(UnlabelImages(tuple(image.image_id for image in images)))
    shares = [source.uniform(0.42, 0.999) for _ in images]
    write_suggestions(
        session.path / "runs" / "003-resnet50-full",
        [
            Suggestion(image.image_id, image.sha256, ("good",), (("good", share), ("dent", 1 - share)), 1 - share)
            for image, share in zip(images, shares, strict=True)
        ],
    )
    studio.window.show_page("label")
    studio.window.page("label").labels.suggesting.reload()  # type: ignore[attr-defined]
    studio.wait_for_images()
    studio.window.page("label").grid.selection.set_current(4)  # type: ignore[attr-defined]


def _label(studio: Studio) -> None:
    studio.window.page("label").labels.suggesting.hide()  # type: ignore[attr-defined]
    assert studio.state.session is not None
    studio.state.session.undo()
    studio.window.page("project").overview.report.hide()  # type: ignore[attr-defined]
    studio.window.show_page("label")
    studio.wait_for_images()
    grid = studio.window.page("label").grid  # type: ignore[attr-defined]
    grid.selection.set_current(3)
    grid.selection.set_current(6, extend=True)


def _label_viewer(studio: Studio) -> None:
    page = studio.window.page("label")
    page.grid.selection.set_current(2)  # type: ignore[attr-defined]
    page.labels.view(True)  # type: ignore[attr-defined]
    studio.wait_for_images()


def _try_empty(studio: Studio) -> None:
    studio.window.show_page("try")


def _try(studio: Studio) -> None:
    page, paths = studio.window.page("try"), sorted((studio.folder / "images").rglob("*.jpg"))[::9]
    screenshot_export.write_export(studio.folder / "projects/Machined parts/exports/003-resnet50-full")
    page.refresh()
    page.choice.file_box.setCurrentIndex(2)  # type: ignore[attr-defined]
    result = PredictionBatch(
        predictions=made_up_answers(paths),
        class_names=tuple(CLASSES),
        provider="CPUExecutionProvider",
    )
    page.show_predictions(result)  # type: ignore[attr-defined]


def _try_evidence(studio: Studio) -> None:
    page, images = studio.window.page("try"), sorted((studio.folder / "images").rglob("*.jpg"))
    page.offer_models([studio.folder / "projects/Machined parts/exports/004-resnet18-knn/model.onnx"])  # type: ignore[attr-defined]
    answers, named, places = made_up_evidence(made_up_answers(images[::9]), images)
    page.panel._find_places = lambda asked: {key: places[key] for key in asked}  # type: ignore[attr-defined]
    result = PredictionBatch(
        predictions=answers,
        class_names=tuple(CLASSES),
        provider="CPUExecutionProvider",
        images=named,
    )
    page.show_predictions(result)  # type: ignore[attr-defined]


def _try_camera(studio: Studio) -> None:
    page, path = studio.window.page("try"), next((studio.folder / "images" / "scratch").glob("*.jpg"))
    image, answer = QImage(str(path)), made_up_answers([path])[0]
    page.camera.show_starting()  # type: ignore[attr-defined]
    page.camera.show_frame(Frame(image=image, prediction=answer, provider="CPUExecutionProvider", frames_per_s=14.8))  # type: ignore[attr-defined]
    page._stack.setCurrentWidget(page.camera)  # type: ignore[attr-defined]


def _settings(studio: Studio) -> None:
    studio.window.show_page("settings")


def _palette(studio: Studio) -> None:
    studio.window.show_page("label")
    studio.window.show_palette()
    studio.window.palette_dialog.field.setText("tr")


def _shortcuts(studio: Studio) -> None:
    studio.window.palette_dialog.reject()
    studio.window.show_shortcuts()


def _new_project(studio: Studio) -> None:
    studio.window.shortcut_sheet.reject()
    studio.dialog = NewProjectDialog(studio.window, folder=Path("/home/user/VisionFT"), name="Surface defects")


def _image_values(studio: Studio) -> None:
    counts = tuple(round(9000 / (1 + (place - 30) ** 2 / 90)) for place in range(128))
    choice = WindowChoice(
        reading=ImageReading(window="440,1310;420,900;405,1250", plane="max", channels="mCherry,GFP,DAPI"),
        images=200,
        planes=12,
        channels=("DAPI", "GFP", "mCherry"),
        histograms=(Histogram(low=400, high=1600, counts=counts),) * 3,
    )
    studio.dialog = WindowDialog(studio.window, sorted((studio.folder / "images").rglob("*.jpg"))[:6], choice)


def _bug(studio: Studio) -> None:
    trace = "Traceback (most recent call last):\n  ...\nKeyError: 'example'"
    studio.dialog = BugDialog(studio.window, trace)


def _failure(studio: Studio) -> None:
    studio.state.say(
        "The pretrained weights of ResNet-50 are not on this computer and cannot be downloaded.",
        "Connect to the internet, or choose a file of weights under Advanced.",
        tone="bad",
        details="Traceback",
        next_step=NextStep("import_weights", backbone="resnet50"),
    )


SCENES: dict[str, Callable[[Studio], None]] = {
    "01-welcome-first": _welcome_first,
    "02-welcome": _welcome,
    **screenshot_label.scenes(),
    "03-project-empty": _project_empty,
    "25-project-preview": _project_preview,
    "25-project-choice": _project_choice,
    "04-project": _project,
    "05-project-import": _project_import,
    "26-label-suggestions": _label_suggestions,
    "12-label": _label,
    "13-label-viewer": _label_viewer,
    **screenshot_curate.scenes(),
    "06-train-setup": screenshot_train.setup,
    "25-train-measured": screenshot_train.measured,
    "26-train-backbones": screenshot_train.all_backbones,
    "07-train-faults": screenshot_train.faults,
    "61-train-stronger": screenshot_train.stronger,
    "62-train-stronger-found": screenshot_train.stronger_found,
    "63-train-stronger-closed": screenshot_train.stronger_closed,
    "08-train-live": screenshot_train.live,
    "28-train-queue": screenshot_train.queue,
    "29-tasks": screenshot_train.several_tasks,
    "27-train-offer": screenshot_train.offered,
    "28-train-advice": screenshot_advice.advised,
    "14-results-mistakes": screenshot_results.images,
    "15-results-classes": screenshot_results.classes,
    "16-results-leaderboard": screenshot_results.leaderboard,
    "17-results-comparison": screenshot_results.comparison,
    "25-results-curves": screenshot_results.curves,
    "26-results-calibration": screenshot_results.calibration,
    "27-results-settings": screenshot_results.settings,
    **screenshot_export.scenes(),
    "18-try-empty": _try_empty,
    "19-try": _try,
    "19-try-evidence": _try_evidence,
    "25-try-camera": _try_camera,
    "20-settings": _settings,
    "11-failure": _failure,
    "21-palette": _palette,
    "22-shortcuts": _shortcuts,
    "23-new-project": _new_project,
    "31-image-values": _image_values,
    "24-bug": _bug,
}


def main(out_dir: Path) -> None:
    """Write every scene in both themes and all sizes into `out_dir`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with temporary_home() as home:
        for theme in ("light", "dark"):
            studio = Studio(home / theme, settings=Settings(theme=theme))
            for scene, pose in SCENES.items():
                pose(studio)
                for width, height in SIZES:
                    studio.photograph(out_dir / f"{scene}-{theme}-{width}x{height}.png", width=width, height=height)
            studio.close()


def main_readme(out_dir: Path, images: Path | None = None) -> None:
    """Write the README's images into `out_dir`, of a run on class folders; without any on the bundled photographs."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with temporary_home() as home:
        studio = Studio(home / "studio", settings=Settings(theme="light"), is_posed=False)
        screenshot_readme.photograph_readme(studio, out_dir, images)
        studio.close()


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["screenshots"]
    if chosen[0] == "--readme":
        out, images = [*map(Path, chosen[1:]), None, None][:2]
        main_readme(out or ROOT / "resources" / "screenshots", images)
    elif chosen[0].startswith("-"):
        print(__doc__)
    else:
        main(Path(chosen[0]))
