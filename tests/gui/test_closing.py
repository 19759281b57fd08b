"""The window closes at once whatever runs that loses nothing, unasked; looking at a page keeps nothing waiting."""

import time

from PySide6.QtCore import QEvent, QObject

from gui.jobs import Priority
from gui.kit import dialogs
from gui.train import setup_measurements


class HideWatch(QObject):
    """The time at which a window was hidden."""

    hidden_s = 0.0

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Hide:
            self.hidden_s = time.monotonic()
        return False


def test_closing_asks_nothing_and_waits_for_nothing_that_is_no_training(qtbot, window, open_page, images, monkeypatch):
    import torch  # noqa: F401  (importing it in a job would hold the interpreter for a second)

    asked, reports, jobs = [], [], window.state.jobs
    monkeypatch.setattr(dialogs, "ask_yes", lambda _parent, title, *_, **__: asked.append(title) or True)
    monkeypatch.setattr(setup_measurements, "DELAY_MS", 0)
    jobs.reported.connect(lambda handle, event: reports.append(event))
    page = open_page("train")
    qtbot.waitUntil(lambda: bool(reports), timeout=20_000)  # nobody requested this measurement
    measuring = jobs.running[0]
    assert measuring.priority is Priority.BACKGROUND and not window.job_bar.lines

    page.setup.advice_card.recommend_button.click()
    assert not measuring.is_running and jobs.running[0] in jobs.requested  # it took the place at once
    window.state.actions.run("curate.find_issues")
    window.page("label").labels.suggesting.start_from_labels()
    window.page("project").take_source(images)
    assert len(jobs.requested) == len(window.job_bar.lines) == 4
    watch, began = HideWatch(), time.monotonic()
    window.installEventFilter(watch)
    window.close()
    assert 0 <= watch.hidden_s - began < 1 and not asked
    assert not jobs.pending and window.state.session is None
