"""Results: a run beside a model of another project, chosen by its folder, evaluated once and kept."""

import re
import shutil

import pytest

from gui.kit import dialogs
from gui.results.results_page import COMPARE, SIDE_BY_SIDE

OLD, NEW = "001-resnet18-lora", "002-vit_tiny-linear"


@pytest.fixture
def labelled(page, project_dir, image_ids, write_evaluation) -> dict[int, str]:
    """Return {image id: class} of the validation images; the newer run has predicted the first one wrong."""
    snapshot = page.session.snapshot()
    found = {each.image_id: snapshot.labels_of(each)[0] for each in snapshot.labelled("val")}
    answers = [(name, name if place else "none", 0.9) for place, name in enumerate(found.values())]
    write_evaluation(project_dir, NEW, list(found), answers)
    page.refresh()
    return found


def choose_last(view) -> None:
    view.other_box.setCurrentIndex(view.other_box.count() - 1)
    view.other_box.activated.emit(view.other_box.count() - 1)


def test_a_model_of_another_project_is_evaluated_and_compared(
    page, show, labelled, write_model, tmp_path, monkeypatch, finish
) -> None:
    show(COMPARE, SIDE_BY_SIDE)
    view, folders = page.images.comparison, [None, tmp_path, write_model(tmp_path / "other" / "model.onnx").parent]
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args: folders.pop(0))
    for _ in range(2):  # cancelled; without a model
        choose_last(view)
        assert view.other() == OLD and not page.state.tasks.pending
    choose_last(view)
    assert page.images.others.evaluating and not view.grid.isVisible()
    finish()
    assert view.other_box.currentText() == "other" and view.grid.isVisible() and view.note.text()
    counts = [int(view.buttons[name].text().split()[-1]) for name in ("fixed", "broken", "still_wrong")]
    assert counts == [0, 1, 0] and re.findall(r"\d+", view.facts.text())[:1] == [str(len(labelled))]
    page.refresh()
    assert view.other_box.currentText() == "other" and not page.state.tasks.pending  # it is kept
    page.split_box.setCurrentIndex(1)
    page.table.select([NEW])
    assert view.empty.button.isVisible()
    view.empty.button.click()
    finish()
    assert len(list((page.session.path / "external").glob("*/evaluation-test.json"))) == 1


def test_the_only_run_is_compared_from_its_menu(
    page, labelled, project_dir, write_model, tmp_path, monkeypatch, finish
) -> None:
    shutil.rmtree(project_dir / "runs" / OLD)
    page.refresh()
    assert not page.view_buttons.button(COMPARE).isVisible()
    folder = write_model(tmp_path / "other" / "model.onnx").parent
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args: folder)
    page.menu().actions()[4].trigger()
    assert page.images.comparison.isVisible()
    finish()
    assert page.images.comparison.grid.isVisible() and not page.compare.buttons.button(0).isVisible()
    write_model(folder / "model.onnx", names=("cat", "dog", "owl"))
    choose_last(page.images.comparison)
    finish()
    assert page.images.comparison.other_box.currentText() == "other" and page.images.comparison.grid.isVisible()
