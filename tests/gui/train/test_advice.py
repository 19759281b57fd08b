"""“Do you need to train?”: the card in each state, its buttons, and how long a recommendation stays valid."""

import threading
import time

import pytest
from advice_samples import model, recommendation
from PySide6.QtCore import Qt

from gui.kit.model_table import ACCURACY, MADE, NAME, SIZE
from gui.train import advice
from gui.train.advice import AdviceCard
from visionft.advice.comparison_text import advice as sentence
from visionft.advice.comparison_text import conditions
from visionft.advice.stored_recommendation import read_recommendation, store_recommendation
from visionft.errors import ProjectError
from visionft.jobs import JobCancelled
from visionft.project.edits.changes import UnlabelImages

LEFT = Qt.MouseButton.LeftButton


FULL, LINEAR = model("full", "trained", 0.86, preset="balanced"), model("linear", "free", 0.80, preset="quick")
FOUND = recommendation(FULL, LINEAR, gain=0.02)


@pytest.fixture
def engine(monkeypatch):
    """Return results of a list (a recommendation, an error, or a function of the job) and the requested trials."""
    results, requests = [FOUND], []

    def recommend(project_dir, images, accepted, probes, *, device, tries, job):
        requests.append(tries)
        if isinstance(results[0], Exception):
            raise results[0]
        if callable(results[0]):
            return results[0](job)
        store_recommendation(project_dir, images, results[0])
        return results[0]

    monkeypatch.setattr(advice, "recommend", recommend)
    return results, requests


def request(qtbot, window, page) -> AdviceCard:
    card = page.setup.advice_card
    qtbot.mouseClick(card.recommend_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=10_000)
    return card


def test_a_request_shows_a_sentence_a_table_and_a_curve(qtbot, window, page, engine):
    card = page.setup.advice_card
    assert card.recommend_button.isVisible() and not card.sentence.isVisible()
    request(qtbot, window, page)
    assert card.sentence.text() == sentence(FOUND) and not card.recommend_button.isVisible()
    rows = card.table.texts()
    assert card.table.names() == ["full", "linear"] and [row[ACCURACY] for row in rows] == ["86%", "80.0%"]
    assert rows[0][NAME].startswith("Full") and "90 s" not in rows[0][MADE] and rows[0][SIZE] == "64 MB"
    assert len(card.chart.curve.measured) == 2 and card.chart.curve.line[-1].labels == 100
    assert next(conditions(FOUND)) in card.conditions.text()
    qtbot.mouseClick(card.fold_button, LEFT)
    assert not card.table.isVisible() and card.sentence.isVisible()


def test_it_is_restored_after_a_restart_and_outdated_once_labels_change(
    qtbot, window, page, engine, project_dir, open_page
):
    request(qtbot, window, page)
    images = window.state.session.snapshot()
    window.state.close_project()
    card = open_page("train").setup.advice_card
    assert card.sentence.text() == sentence(FOUND) and not card.words.isVisible()
    window.state.session.apply(UnlabelImages((images.images[0].image_id,)))
    assert card.sentence.isVisible() and card.words.isVisible()
    assert read_recommendation(project_dir, images) == FOUND
    assert read_recommendation(project_dir, window.state.session.snapshot()) is None


def test_an_outdated_one_is_still_outdated_after_a_cancelled_request(qtbot, window, page, engine, finish):
    def wait_for_cancel(job):
        while not job.is_cancelled:
            time.sleep(0.01)
        raise JobCancelled

    card = request(qtbot, window, page)
    window.state.session.apply(UnlabelImages((window.state.session.snapshot().images[0].image_id,)))
    assert card.words.isVisible()
    engine[0][0] = wait_for_cancel
    qtbot.mouseClick(card.again_button, LEFT)
    qtbot.waitUntil(card.cancel_button.isVisible, timeout=10_000)
    qtbot.mouseClick(card.cancel_button, LEFT)
    finish()
    assert card.sentence.text() == sentence(FOUND) and card.sentence.isVisible() and card.words.isVisible()


def test_labels_that_change_during_the_request_make_it_outdated(qtbot, window, page, engine, finish):
    is_over = threading.Event()
    engine[0][0] = lambda _job: is_over.wait(10) and FOUND
    card = page.setup.advice_card
    qtbot.mouseClick(card.recommend_button, LEFT)
    window.state.session.apply(UnlabelImages((window.state.session.snapshot().images[0].image_id,)))
    is_over.set()
    finish()
    assert card.sentence.text() == sentence(FOUND) and card.words.isVisible()


PROTOTYPE = model("prototype", "free", 0.8)  # without a preset


@pytest.mark.parametrize(("best", "preset"), [(LINEAR, "quick"), (PROTOTYPE, "best")])
def test_the_recommended_settings_become_the_draft(qtbot, window, page, engine, best, preset):
    engine[0][0] = recommendation(best, model("knn", "free", 0.7))
    card = request(qtbot, window, page)
    page.draft.take_preset("best")
    assert page.config().method == "full" and card.use_button.isVisible()
    qtbot.mouseClick(card.use_button, LEFT)
    assert (page.config().method, page.draft.preset) == (best.method, preset) and not card.use_button.isVisible()


def test_labelling_more_opens_the_likely_images_of_the_class(qtbot, window, page, engine):
    ids = tuple(image.image_id for image in window.state.session.snapshot().images[:3])
    engine[0][0] = recommendation(FULL, LINEAR, gain=0.02, to_label=ids)
    card = request(qtbot, window, page)
    assert "red" in card.label_button.text()
    with qtbot.waitSignal(window.state.images_requested) as requested:
        qtbot.mouseClick(card.label_button, LEFT)
    assert requested.args[0] == ids


def test_trials_run_on_request_and_a_failure_is_shown_in_the_card(qtbot, window, page, engine, finish):
    results, requests = engine
    card = request(qtbot, window, page)
    assert card.trial_button.isVisible() and "50 s" in card.trial_button.text()
    results[0] = error = ProjectError("No class has two images that can be read.", "Check the images.")
    qtbot.mouseClick(card.trial_button, LEFT)
    finish()
    assert requests == [False, True] and error.message in card.words.text()


def test_too_few_labels_replace_the_button(qtbot, window, page):
    ids = [image.image_id for image in window.state.session.snapshot().images]
    window.state.session.apply(UnlabelImages(tuple(ids)))
    card = page.setup.advice_card
    assert card.words.isVisible() and not card.recommend_button.isVisible()
