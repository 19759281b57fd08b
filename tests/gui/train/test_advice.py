"""“Do you need to train?”: the card in each state, its buttons, and how long a recommendation stays valid."""

import pytest
from PySide6.QtCore import Qt

from gui.train import advice
from gui.train.advice import AdviceCard
from visionft.analysis.advice import Candidate, CurvePoint, Recommendation
from visionft.project.edits.changes import UnlabelImages

LEFT = Qt.MouseButton.LeftButton


def model(method: str, accuracy: float, run: str = "") -> Candidate:
    interval = (accuracy - 0.1, accuracy + 0.05)
    return Candidate(
        run=run,
        title=method.title(),
        method=method,
        backbone="resnet18_in1k",
        accuracy=accuracy,
        interval=interval,
        is_trained=bool(run),
    )


def recommendation(*models: Candidate, is_training_worthwhile: bool = False) -> Recommendation:
    return Recommendation(
        split="val",
        images=60,
        models=models,
        chosen=models[0].name,
        is_training_worthwhile=is_training_worthwhile,
        sentence="A sentence.",
        notes=("A note.",),
        curve=tuple(CurvePoint(labels=labels, accuracy=0.7, interval=(0.6, 0.8)) for labels in (25, 50, 100)),
    )


FOUND = recommendation(model("linear", 0.8), model("prototype", 0.7))


@pytest.fixture
def engine(monkeypatch):
    """Return a list of the result: a recommendation, an error, or a function of the job."""
    results = [FOUND]

    def recommend(_project_dir, _images, *, accepted, device, job):
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0](job) if callable(results[0]) else results[0]

    monkeypatch.setattr(advice, "recommend", recommend)
    return results


def request(qtbot, window, page) -> AdviceCard:
    card = page.setup.advice_card
    qtbot.mouseClick(card.recommend_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=10_000)
    return card


def test_a_request_shows_a_sentence_a_table_and_the_notes(qtbot, window, page, engine):
    card = page.setup.advice_card
    assert card.recommend_button.isVisible() and not card.sentence.isVisible()
    request(qtbot, window, page)
    assert card.sentence.text() == FOUND.sentence and not card.recommend_button.isVisible()
    assert [row[:2] for row in card.table.texts()] == [["Linear", "80.0%"], ["Prototype", "70.0%"]]
    assert FOUND.notes[0] in card.notes.text() and "60" in card.notes.text() and "70.0% with 25" in card.notes.text()


@pytest.mark.parametrize("method", ["linear", "prototype"])
def test_the_recommended_method_becomes_the_draft(qtbot, window, page, engine, method):
    engine[0] = recommendation(model(method, 0.8), model("knn", 0.7))
    card = request(qtbot, window, page)
    page.draft.take_preset("best")
    qtbot.mouseClick(card.use_button, LEFT)
    assert (page.config().method, page.draft.preset) == (method, "quick")


def test_training_takes_the_preset_balanced_and_a_run_leads_to_the_results(qtbot, window, page, engine):
    engine[0] = recommendation(model("linear", 0.8), is_training_worthwhile=True)
    card = request(qtbot, window, page)
    page.draft.take_preset("quick")
    qtbot.mouseClick(card.use_button, LEFT)
    assert page.draft.preset == "balanced"
    engine[0] = recommendation(model("full", 0.9, run="001-full"), model("linear", 0.8))
    qtbot.mouseClick(card.again_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=10_000)
    for button, name in ((card.use_button, "results"), (card.label_button, "label")):
        with qtbot.waitSignal(window.state.page_requested) as requested:
            qtbot.mouseClick(button, LEFT)
        assert requested.args[0] == name


def test_too_few_labels_replace_the_button(qtbot, window, page):
    ids = [image.image_id for image in window.state.session.snapshot().images]
    window.state.session.apply(UnlabelImages(tuple(ids)))
    card = page.setup.advice_card
    assert card.words.isVisible() and not card.recommend_button.isVisible()
