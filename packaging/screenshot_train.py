"""The scenes of the train page for the screenshots."""

import dataclasses
import time
from typing import Any

from screenshot_data import run_events

from gui import runner
from gui.tasks import Lane, Task
from models.catalog import DEFAULT_BACKBONE, get_backbone
from visionft.events import Notice, Progress
from visionft.jobs import JobContext
from visionft.training.config.train_config import CENTRE
from visionft.training.estimate import SetFacts, StepCost, remember
from visionft.training.framing_choice import FramingChoice, FramingTrial, forget_measured, store_measured
from visionft.training.preset_choice import project_circumstances
from visionft.training.probing import resolve_preset

PREVIEW_S = 30


def posing(*_inputs: Any, job: JobContext, **_how: Any) -> None:
    """Simulate long work: half done until cancelled."""
    job.report(Progress(stage="Evaluating", done=412, total=1280))
    while not job.is_cancelled:
        time.sleep(0.01)


def setup(studio: Any) -> None:
    """Show a fresh draft."""
    studio.window.page("project").overview.report.hide()
    studio.window.show_page("train")


def measured(studio: Any) -> None:
    """Show a setup with measured costs, checked images, and a searched learning rate."""
    page = studio.window.page("train")
    session = studio.state.session
    facts, circumstances = SetFacts.of(session.snapshot()), project_circumstances(session.snapshot(), session.path)
    for name, step_s in (("quick", 0.004), ("balanced", 0.21), ("best", 0.34)):
        config = resolve_preset(name, circumstances)
        cost = StepCost(
            setup_s=0.4, step_s=step_s, look_s=0.006, decode_s=0.0, memory_mb=740, device="CPU", micro_batch=32
        )
        remember(config, facts, cost)
    augmentation = page.setup.form.editor("augmentation")
    augmentation.setCurrentIndex(augmentation.findData("medium"))
    deadline = time.monotonic() + PREVIEW_S
    while not page.setup.strip.shown() and time.monotonic() < deadline:
        studio.wait_for_images(200)
    page.setup.form.editor("epochs").setValue(12)


def stronger(studio: Any) -> None:
    """Show the offer of a stronger network, as after a first answer."""
    page, session = studio.window.page("train"), studio.state.session
    store_measured(session.path, _choice(session, DEFAULT_BACKBONE))
    page.draft.framing.refresh()
    deadline = time.monotonic() + PREVIEW_S
    while page.stronger_card.isHidden() and time.monotonic() < deadline:
        studio.wait_for_images(100)


def stronger_found(studio: Any) -> None:
    """Show what a stronger network gains."""
    page, session = studio.window.page("train"), studio.state.session
    page.stronger.show_comparison(get_backbone("dinov2_small"), _choice(session, "dinov2_small"))


def stronger_closed(studio: Any) -> None:
    """Close the offer, and forget the measurement."""
    studio.window.page("train").stronger_card.dismiss_button.click()
    forget_measured(studio.state.session.path)
    studio.window.page("train").draft.framing.refresh()


def _choice(session: Any, best: str) -> FramingChoice:
    """Return a measurement of two networks with invented figures."""
    usual = {"framing": CENTRE, "images": 400, "seconds": 21.0}
    trials = (
        FramingTrial(**usual, backbone=DEFAULT_BACKBONE, shape=(160, 160), accuracy=0.84, milliseconds=25.0),
        FramingTrial(
            **usual,
            backbone="dinov2_small",
            shape=(224, 224),
            accuracy=0.931,
            milliseconds=104.0,
            gain=0.091,
            gain_error=0.016,
            slower=4.16,
        ),
    )
    labelled = sum(bool(image.labels) for image in session.snapshot().images)
    return FramingChoice(framing=CENTRE, backbone=best, trials=trials, images=400, labelled=labelled)


def all_backbones(studio: Any) -> None:
    """Show every backbone, scrolled to them."""
    page = studio.window.page("train")
    page.setup.show_all_button.click()
    for _ in range(4):
        studio.app.processEvents()
    for area in page.setup.findChildren(type(page.setup.area)):
        area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())


def faults(studio: Any) -> None:
    """Press Start on a setup with errors."""
    page = studio.window.page("train")
    page.setup.show_all_button.click()
    page.setup.reset_button.click()
    page.form.editor("learning_rate").setText("fast")
    page.setup.method_form("lora").editor("alpha").setText("0")
    page.start()


def live(studio: Any) -> None:
    """Show a run half way, one note on its chart, three runs in the queue, earlier runs in grey."""
    page = studio.window.page("train")
    page.setup.reset_button.click()
    for changes in ({"epochs": 40}, {"method": "full", "augmentation": "medium"}, {"backbone": "starter_vit"}):
        page.runner.queue.add(dataclasses.replace(page.config(), **changes))
    page.runner.queue.put_back(page.runner.queue.take_next(), "Not even one image fits into the device's memory.")
    page.runner.queue_changed.emit()
    page.switch.buttons["live"].click()
    runner.train_and_evaluate = posing  # type: ignore[assignment]
    page.runner.start(page.config())
    studio.wait_for_images(50)
    page.monitor.start("ResNet-18, LoRA", epochs=20, patience=6)
    earlier = page.runner.earlier_runs(5)
    page.monitor.chart.set_context(
        [(run.name, [(each.epoch, each.val_loss, each.val_accuracy) for each in run.epochs]) for run in earlier]
    )
    for number, event in enumerate(run_events(20, until=12)):
        page.monitor.handle(event)
        if number == 75:
            message = "The device ran out of memory; going on with 16 images at once, at the same batch size."
            page.monitor.handle(Notice(message=message, level="warning"))
    page.monitor.chart.smoothing_slider.setValue(40)
    page.monitor.chart.redraw()


def queue(studio: Any) -> None:
    """Show the queue."""
    studio.window.page("train").switch.buttons["queue"].click()


def several_tasks(studio: Any) -> None:
    """Show tasks running at the same time as training, and waiting ones."""
    titles = {
        "Evaluating 003-resnet50-full": Lane.COMPUTE,
        "Exporting 003-resnet50-full": Lane.COMPUTE,
        "Importing Line 4, second shift": Lane.DISK,
    }
    for title, lane in titles.items():
        task = Task(title=title, work=posing, lane=lane, page="results")
        studio.state.tasks.run(task, owner=studio.window, on_done=lambda _result: None)
    studio.wait_for_images(200)


def offered(studio: Any) -> None:
    """Offer to resume an interrupted run."""
    studio.state.tasks.end(lambda _task: True)
    page = studio.window.page("train")
    for run in page.runner.queue.runs:
        page.runner.remove(run.number)
    page.switch.buttons["setup"].click()
    page.resume_card.offer("003-resnet50-full was interrupted at epoch 4 of 10.")


def put_away(studio: Any) -> None:
    """Leave the page as the other scenes expect it."""
    page = studio.window.page("train")
    page.resume_card.offer("")
    page.setup.advice_card.show_question()
