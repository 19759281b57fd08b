"""Recipes in the window: saved on Results and on Train, opened on Train; errors are shown."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from gui.kit import dialogs
from gui.shell.window import MainWindow
from visionft.training.config.train_config import TrainConfig
from visionft.training.recipe import Recipe, read_recipe, write_recipe
from visionft.training.runs.run_folder import read_run

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def train(open_page):
    return open_page("train")


@pytest.fixture
def open_on_train(qtbot, train, window: MainWindow, monkeypatch: pytest.MonkeyPatch):
    """Return a function to open a recipe by the button, and the window's message about it."""

    def opened(path: Path) -> str:
        monkeypatch.setattr(dialogs, "ask_files", lambda *_args: [path])
        qtbot.mouseClick(train.setup.open_recipe_button, LEFT)
        qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=20_000)
        return window.toasts.message()

    return opened


def test_a_recipe_becomes_the_draft_and_the_draft_a_recipe(qtbot, train, window, open_on_train, tmp_path, monkeypatch):
    config = TrainConfig(backbone="starter_vit", method="full", epochs=7, seed=3, ema_decay=0.3)
    recipe = Recipe.of_settings(config)
    write_recipe(tmp_path / "first.toml", recipe)
    assert "first.toml" in open_on_train(tmp_path / "first.toml")
    assert train.config() == config and train.setup.modified_pill.isVisible()
    monkeypatch.setattr(dialogs, "ask_save_file", lambda *_args: tmp_path / "second")  # as people name files
    qtbot.mouseClick(train.setup.save_recipe_button, LEFT)
    qtbot.waitUntil(lambda: "second.toml" in window.toasts.message(), timeout=20_000)
    assert (tmp_path / "second.toml").read_bytes() == (tmp_path / "first.toml").read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [("[settings]\nepochs = 99999\n", "10000"), ("[settings]\nepoch = 3\n", "epoch"), ("epochs = = 3", "")],
)
def test_what_cannot_be_trained_with_is_said_and_changes_nothing(text, said, train, open_on_train, tmp_path):
    before = train.config()
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    message = open_on_train(tmp_path / "r.toml")
    assert message and said in message
    assert train.config() == before


def test_a_runs_recipe_is_saved_from_results(window, image_ids, project_dir, tmp_path, monkeypatch):
    window.show_page("results")
    page = window.page("results")
    monkeypatch.setattr(dialogs, "ask_save_file", lambda *_args: tmp_path / "run.toml")
    window.state.actions.run("run.recipe")
    run = page.run()
    saved, config = read_recipe(tmp_path / "run.toml").config, read_run(run.path).config
    unused = config.unused_settings
    assert {k: v for k, v in saved.to_dict().items() if k not in unused} == {
        k: v for k, v in config.to_dict().items() if k not in unused
    }
    assert "run.toml" in window.toasts.message()
    monkeypatch.setattr(dialogs, "ask_save_file", lambda *_args: tmp_path / "none" / "run.toml")
    window.state.actions.run("run.recipe")
    assert window.toasts.newest.tone == "bad"
