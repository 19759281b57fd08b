"""The form: field types, reading and writing, errors at their field, defaults and the Modified badge."""

import dataclasses
import math

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from gui.kit.forms import ConfigForm
from visionft.core.errors import Problem
from visionft.core.settings import setting
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig


@pytest.fixture
def form(qtbot) -> ConfigForm:
    form = ConfigForm(TrainConfig())
    qtbot.addWidget(form)
    form.show()
    return form


def type_into(qtbot, editor, words: str) -> None:
    editor.selectAll()
    qtbot.keyClicks(editor, words)


@pytest.mark.parametrize(("typed", "rate"), [("3e-4", 3e-4), ("0,02", 0.02)])
def test_typing_changes_the_value(qtbot, form, typed, rate):
    assert form.value() == TrainConfig() and not form.modified_names()
    with qtbot.waitSignal(form.edited):
        type_into(qtbot, form.editor("epochs"), "7")
    type_into(qtbot, form.editor("learning_rate"), typed)
    assert (form.value().epochs, form.value().learning_rate) == (7, rate)
    assert form.modified_names() == ["epochs", "learning_rate"]


def test_faults_are_beside_their_fields_and_vanish_when_mended(qtbot, form):
    type_into(qtbot, form.editor("learning_rate"), "fast")
    assert math.isnan(form.value().learning_rate) and form.show_problems(config_problems(form.value()))
    assert [form.editor(name).property("fault") for name in ("learning_rate", "epochs")] == ["true", "false"]
    assert not form.editor("ema_decay").isVisible()
    form.show_problems((Problem("ema_decay", "too high"),))
    assert form.editor("ema_decay").isVisible() and form.editor("ema_decay").property("fault") == "true"
    form.show_problems(())
    assert form.editor("ema_decay").property("fault") == "false"


def test_a_number_that_the_program_may_choose_is_called_automatic_whatever_its_help_says(qtbot):
    @dataclasses.dataclass(frozen=True)
    class Settings:
        rate: float = setting(0.0, label="Rate", help="Schrittweite.", limits=(0.0, 1e9), automatic=0)
        factor: float = setting(0.0, label="Factor", help="0 takes none.", limits=(0.0, 1e9))
        side: int = setting(0, label="Side", help="Seitenlänge.", limits=(0, 9), automatic=0)
        count: int = setting(0, label="Count", help="0 takes none.", limits=(0, 9))

    form = ConfigForm(Settings())
    qtbot.addWidget(form)
    assert (form.editor("rate").text(), form.editor("rate").placeholderText()) == ("", "automatic")
    assert (form.editor("factor").text(), form.editor("factor").placeholderText()) == ("0", "")
    assert (form.editor("side").text(), form.editor("count").text()) == ("automatic", "0")
    assert form.value() == Settings()


def test_every_setting_of_a_run_has_a_labelled_editor(form):
    for field in dataclasses.fields(TrainConfig):
        if field.metadata:
            editor = form.editor(field.name)
            assert (editor.accessibleName(), editor.toolTip()) == (field.metadata["label"], field.metadata["help"])


def test_the_wheel_over_a_field_without_focus_changes_nothing(form):
    spin = form.editor("epochs")
    spin.clearFocus()
    wheel = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPointF(0, -120).toPoint(),
        QPointF(0, -120).toPoint(),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(spin, wheel)
    assert form.value() == TrainConfig()
