"""“Do you need to train?”: what the card shows in each state, what its buttons do, and how long an answer holds."""

import threading
import time

import numpy as np
import pytest
from PySide6.QtCore import Qt

from gui.kit import i18n
from gui.kit.i18n import tr
from gui.train import advising
from gui.train.advice_card import AdviceCard
from visionft.advice.answerers import Answerer, Drawn, Kind
from visionft.advice.choosing import Limits, choose
from visionft.advice.kept import keep_advice, kept_advice
from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.recommend import Recommendation
from visionft.advice.trials import Trial
from visionft.advice.wording import Facts, advice, change, evidence
from visionft.errors import ProjectError, StoppedError
from visionft.project.edits.changes import UnlabelImages

LEFT = Qt.MouseButton.LeftButton
TRIAL = Trial(learnt_from=8, epochs=9, both_right=9, only_run=4, only_probe=2, both_wrong=2, seconds=61.0)


def point(labels: int, accuracy: float) -> CurvePoint:
    return CurvePoint(labels=labels, accuracy=accuracy, low=accuracy - 0.05, high=accuracy + 0.04)


def drawn(name: str, kind: Kind, accuracy: float, *, preset: str = "", refusal: str = "") -> Drawn:
    answerer = Answerer(
        name=name, title={"full": "Full fine-tuning", "linear": "Linear probe"}.get(name, name), kind=kind,
        method=name, backbone="resnet18_in1k", accuracy=accuracy, low=accuracy - 0.04, high=accuracy + 0.03,
        is_forecast=kind == "full", pictures=0 if kind == "full" else 60, seconds=90.0, milliseconds=21.0,
        size_mb=64.0, memory_mb=700, preset=preset, refusal=refusal,
    )  # fmt: skip
    return Drawn(answerer, np.full(400, accuracy))


def facts(*found: Drawn, gain: float = 0.02, name: str = "red", trial: Trial | None = None, problem: str = "") -> Facts:
    more = Gain(class_name=name, labels=9, recall=0.7, added=10, gain=gain, low=gain - 0.01, high=gain + 0.01)
    spread = Gain(class_name="", labels=25, recall=0.8, added=10, gain=gain / 2, low=0.0, high=gain)
    curve = LearningCurve(
        labels=25, classes=3, measured=(point(8, 0.5), point(25, 0.8)), line=(point(8, 0.5), point(100, 0.9)),
        now=point(25, 0.8), ahead=(point(50, 0.85), point(100, 0.9)), gains=(more,) if name else (), spread=spread,
    )  # fmt: skip
    return Facts(
        found=found, chosen=choose(found, Limits()), curve=curve, trial=trial, trial_s=None if trial else 50.0,
        limits=Limits(), labels=20, backbone="resnet18_in1k", problem=problem,
    )  # fmt: skip


def recommendation(told: Facts, *, to_label: tuple[int, ...] = ()) -> Recommendation:
    return Recommendation(
        chosen=told.chosen.answerer.name, advice=advice(told), evidence=evidence(told), change=change(told),
        answerers=tuple(each.answerer for each in told.found), curve=told.curve, label_class="red", to_label=to_label,
        trial=told.trial, trial_s=told.trial_s, seconds=3.0,
    )  # fmt: skip


FULL, LINEAR = drawn("full", "full", 0.86, preset="balanced"), drawn("linear", "free", 0.80, preset="quick")
ANSWER = recommendation(facts(FULL, LINEAR))


@pytest.fixture
def answered(monkeypatch):
    """Let the engine say what stands in a list, without computing; yield the list and what was asked for."""
    said, asked = [ANSWER], []

    def advise(project_dir, images, accepted, probes, *, device, tries, on_event, should_stop):
        asked.append(tries)
        if isinstance(said[0], Exception):
            raise said[0]
        keep_advice(project_dir, images, said[0])
        return said[0]

    monkeypatch.setattr(advising, "advise", advise)
    return said, asked


@pytest.fixture
def page(window, project_dir):
    window.state.open_project(project_dir)
    window.show_page("train")
    return window.page("train")


def ask(qtbot, window, page) -> AdviceCard:
    card = page.setup.advice_card
    qtbot.mouseClick(card.ask_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=10_000)
    return card


def test_a_question_becomes_a_sentence_a_table_and_a_curve(qtbot, window, page, answered):
    card = page.setup.advice_card
    assert card.ask_button.isVisible() and not card.sentence.isVisible()
    ask(qtbot, window, page)
    assert card.sentence.text() == ANSWER.advice and not card.ask_button.isVisible()
    rows = card.table.texts()
    assert [row[0] for row in rows] == ["Full fine-tuning", "Linear probe"]
    assert rows[0][1] == "about 86.0% (82%–89%)" and rows[1][1] == "80.0% (76%–83%)"
    assert card.chart is not None and card.chart.shown() == {"measured": 2, "labels": 100}
    assert ANSWER.change[0] in card.change.text()
    qtbot.mouseClick(card.fold_button, LEFT)
    assert not card.table.isVisible() and card.sentence.isVisible()


def test_an_answer_is_old_once_labels_change_and_is_there_again_after_a_restart(
    qtbot, window, page, answered, project_dir
):
    card = ask(qtbot, window, page)
    images = window.state.session.snapshot()
    window.state.close_project()
    window.state.open_project(project_dir)
    window.show_page("train")
    card = window.page("train").setup.advice_card
    assert card.sentence.text() == ANSWER.advice and not card.words.isVisible()
    window.state.session.apply(UnlabelImages((images.images[0].image_id,)))
    assert card.words.isVisible() and "before" in card.words.text()
    assert kept_advice(project_dir, images) == ANSWER
    assert kept_advice(project_dir, window.state.session.snapshot()) is None


def test_an_old_answer_is_still_old_after_asking_again_was_stopped(qtbot, window, page, answered, monkeypatch):
    def advise(*_inputs, should_stop, **_more):
        while not should_stop():
            time.sleep(0.01)
        raise StoppedError("The advice was not finished.")

    card = ask(qtbot, window, page)
    window.state.session.apply(UnlabelImages((window.state.session.snapshot().images[0].image_id,)))
    assert card.words.isVisible()
    monkeypatch.setattr(advising, "advise", advise)
    qtbot.mouseClick(card.again_button, LEFT)
    qtbot.waitUntil(card.stop_button.isVisible, timeout=10_000)
    qtbot.mouseClick(card.stop_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=10_000)
    assert card.sentence.text() == ANSWER.advice and card.words.isVisible() and "before" in card.words.text()


def test_labels_that_change_while_it_is_found_out_make_the_answer_old(qtbot, window, page, answered, monkeypatch):
    is_over = threading.Event()

    def advise(*_inputs, **_more):
        is_over.wait(10)
        return ANSWER

    monkeypatch.setattr(advising, "advise", advise)
    card = page.setup.advice_card
    qtbot.mouseClick(card.ask_button, LEFT)
    window.state.session.apply(UnlabelImages((window.state.session.snapshot().images[0].image_id,)))
    is_over.set()
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=10_000)
    assert card.sentence.text() == ANSWER.advice and card.words.isVisible() and "before" in card.words.text()


def test_what_is_advised_becomes_the_draft(qtbot, window, page, answered):
    answered[0][0] = recommendation(facts(LINEAR, drawn("prototype", "free", 0.7)))
    card = ask(qtbot, window, page)
    page.draft.take_preset("best")
    assert page.config().method == "full" and card.use_button.isVisible()
    qtbot.mouseClick(card.use_button, LEFT)
    assert page.config().method == "linear" and page.draft.preset == "quick" and not card.use_button.isVisible()


def test_a_method_without_a_preset_is_taken_too(qtbot, window, page, answered):
    answered[0][0] = recommendation(facts(drawn("prototype", "free", 0.8), drawn("full", "full", 0.8)))
    card = ask(qtbot, window, page)
    qtbot.mouseClick(card.use_button, LEFT)
    assert page.config().method == "prototype"


def test_more_labels_lead_to_the_pictures_that_look_like_the_class(qtbot, window, page, answered):
    ids = tuple(image.image_id for image in window.state.session.snapshot().images[:3])
    answered[0][0] = recommendation(facts(FULL, LINEAR), to_label=ids)
    wanted = []
    window.state.pictures_requested.connect(lambda *given: wanted.append(given[0]))
    card = ask(qtbot, window, page)
    assert "red" in card.label_button.text()
    qtbot.mouseClick(card.label_button, LEFT)
    assert wanted == [ids]


def test_short_trials_are_made_on_request_and_a_failure_is_said_in_the_card(qtbot, window, page, answered):
    said, asked = answered
    card = ask(qtbot, window, page)
    assert card.try_button.isVisible() and "50 s" in card.try_button.text()
    said[0] = ProjectError(
        "No class has two pictures that can be read.", "Check that the pictures are where they were."
    )
    qtbot.mouseClick(card.try_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=10_000)
    assert asked == [False, True] and "two pictures that can be read" in card.words.text()


def test_labels_that_say_nothing_yet_are_told_in_place_of_the_button(qtbot, window, page):
    ids = [image.image_id for image in window.state.session.snapshot().images]
    window.state.session.apply(UnlabelImages(tuple(ids)))
    card = page.setup.advice_card
    assert "No picture has a label yet." in card.words.text() and not card.ask_button.isVisible()


TOLD = [
    facts(FULL, LINEAR),
    facts(FULL, LINEAR, trial=TRIAL),
    facts(FULL),
    facts(FULL, drawn("001", "run", 0.8)),
    facts(drawn("001", "run", 0.9), LINEAR),
    facts(LINEAR),
    facts(LINEAR, problem="There are no validation pictures."),
    facts(LINEAR, drawn("full", "full", 0.803), gain=0.004),
    facts(LINEAR, drawn("full", "full", 0.803)),
    facts(LINEAR, drawn("full", "full", 0.803), name="", gain=0.04),
    facts(LINEAR, drawn("full", "full", 0.803), name="", gain=0.002),
    facts(LINEAR, drawn("full", "full", 0.9, refusal="It takes about 3 min.")),
    facts(LINEAR, drawn("full", "full", 0.9, refusal="It needs 900 MB of memory.")),
]


@pytest.mark.parametrize("told", TOLD)
def test_every_sentence_is_told_in_german_too(told):
    i18n.use_language("de")
    try:
        lines = [advice(told), *evidence(told), *change(told)]
        for line in lines:
            if line != told.problem:
                assert tr(line) != line
                assert not any(word in tr(line).split() for word in ("the", "with", "about", "would", "It", "labels"))
    finally:
        i18n.use_language("en")
