"""The card that offers a stronger network: after the first answer, fetched by a click, taken where it is better."""

from pathlib import Path

import pytest

import visionft
from models.catalog import get_backbone
from models.weights.locations import local_file
from visionft.training.framing_choice import read_measured
from visionft.training.runs.run_folder import list_runs


@pytest.fixture
def project_dir(tmp_path: Path, photographs: Path) -> Path:
    with visionft.create(tmp_path / "waste") as project:
        project.add(photographs, callback=lambda _event: None)
        project.split(callback=lambda _event: None)
    return tmp_path / "waste"


@pytest.fixture
def page(window, project_dir, stronger_hub, qtbot):
    """Return the train page of a project with photographs and no run."""
    window.state.change_settings(device="cpu")
    window.state.open_project(project_dir)
    window.show_page("train")
    page = window.page("train")
    qtbot.waitUntil(lambda: page.draft.framing.can_measure, timeout=20_000)
    return page


def train(page, qtbot) -> None:
    page.draft.take_preset("quick")
    page.start_button.click()
    qtbot.waitUntil(lambda: not page.runner.is_training and list_runs(page.state.path) != [], timeout=120_000)


@pytest.mark.slow
def test_it_is_offered_after_the_first_answer_and_fetched_by_a_click(page, qtbot, stronger_hub) -> None:
    card = page.stronger_card
    assert card.isHidden()
    train(page, qtbot)
    qtbot.waitUntil(lambda: not card.isHidden(), timeout=20_000)
    assert card.fetch_button.isVisible() and "Apache-2.0" in card.words.text() and not stronger_hub.requests
    before = len(list_runs(page.state.path))
    card.fetch_button.click()
    assert card.cancel_button.isVisible() and not card.fetch_button.isVisible()
    qtbot.waitUntil(lambda: len(list_runs(page.state.path)) > before and not page.runner.is_training, timeout=180_000)
    assert local_file(get_backbone("strong")) is not None
    assert read_measured(page.state.path).backbone == "strong"
    newest = max(list_runs(page.state.path), key=lambda run: run.name)
    assert newest.config.backbone == "strong"  # the better one went on by itself, and the other stays
    assert card.isVisible() and card.dismiss_button.isVisible() and not card.fetch_button.isVisible()
    card.dismiss_button.click()
    assert card.isHidden()


@pytest.mark.slow
def test_it_is_not_offered_offline_nor_once_declined(page, qtbot) -> None:
    train(page, qtbot)
    card = page.stronger_card
    qtbot.waitUntil(lambda: not card.isHidden(), timeout=20_000)
    page.state.change_settings(is_offline=True)
    card.refresh()
    assert card.isHidden()
    page.state.change_settings(is_offline=False)
    card.refresh()
    assert not card.isHidden()
    card.dismiss_button.click()
    card.refresh()
    assert card.isHidden()
