"""Labelling without a page: one object holds selection, view and suggestions, and the actions use it."""

import pytest
from PySide6.QtWidgets import QWidget

from gui.label.filter_bar import UNLABELLED, ImageQuery
from gui.label.label_session import LabelSession
from gui.label.labeller import Labeller


@pytest.fixture
def labels(qtbot, state, project_dir):
    state.open_project(project_dir)
    labels = LabelSession(state, state.session, page="label", parent=state.session)
    labels.read()
    labels.find()
    yield labels
    labels.close()


@pytest.fixture
def labeller(qtbot, labels) -> Labeller:
    window = QWidget()
    qtbot.addWidget(window)
    return Labeller(labels, window)


def test_an_action_labels_what_is_selected_and_goes_on(labels, labeller):
    first, second = labels.selection.ids[:2]
    labeller.assign("red")
    labels.selection.set_current(2, extend=True)
    labeller.assign("green")
    given = {cell.image_id: [name for name, _ in cell.labels] for cell in labels.cells(labels.selection.ids[:4])}
    assert given == {
        first: ["red"],
        second: ["green"],
        labels.selection.ids[2]: ["green"],
        labels.selection.ids[3]: ["blue"],
    }
    assert labels.selection.place == 2


def test_a_query_and_a_choice_of_images_take_turns(labels, labeller):
    every = labels.selection.ids
    labeller.clear_labels()
    labels.show_query(ImageQuery(label_state=UNLABELLED))
    assert labels.selection.ids == every[:1] and labels.is_narrow
    labels.show_only((every[5], 99_999, every[3]))
    assert labels.selection.ids == (every[5], every[3]) and labels.is_narrow
    labels.show_query(ImageQuery())
    assert labels.selection.ids == every and not labels.is_narrow
    assert labels.selection.current_id() == every[5]


def test_without_a_project_nothing_is_shown_and_nothing_happens(qtbot, state):
    labels = LabelSession(state, None, page="label", parent=state)
    labels.read()
    labels.find()
    labels.toggle_viewer()
    assert labels.cells((1,)) == [] and labels.classes == () and not labels.is_viewing
    labels.close()
