"""The leaderboard: ranks, significance and costs; a click selects; evaluating and building are tasks."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from leaderboard_samples import BEST, FOUR, STALE, TIED, WORSE, board, row, timed
from PySide6.QtCore import Qt
from run_events import result

from gui.kit import theme
from gui.kit.model_table import (
    ACCURACY,
    BALANCED,
    DIFFERENCE,
    NAME,
    RANK,
    TIME,
    ModelTable,
)
from gui.kit.translation import use_language
from gui.results.leaderboard import leaderboard_controller
from gui.results.leaderboard.cost_chart import CostChart
from gui.results.leaderboard.leaderboard_view import LeaderboardView
from gui.results.results_page import COMPARE, MISTAKES
from visionft.evaluation.leaderboard_jobs import TrainingFreeReport
from visionft.evaluation.run_cost import MeasuredCost, RunCost, write_cost
from visionft.files import write_json
from visionft.training.config.train_config import TrainConfig

LEFT = Qt.MouseButton.LeftButton
OLD, NEW = "001-resnet18-lora", "002-vit_tiny-linear"


@pytest.fixture
def table(qtbot) -> ModelTable:
    table = ModelTable()
    qtbot.addWidget(table)
    table.resize(1300, 400)
    table.show()
    table.show_models(FOUR, colours={"b": 0, "t": 1, "w": 2, "s": 3}, chosen="t")
    return table


def test_the_table_is_sorted_by_rank_and_each_column_by_its_values(qtbot, table: ModelTable):
    assert table.names() == ["b", "t", "w", "s"]
    for column, expected in ((TIME, ["t", "b", "w", "s"]), (ACCURACY, ["w", "t", "b", "s"])):
        table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
        assert table.names() == expected
    table.show_models(FOUR, colours={}, chosen="w")
    assert table.names() == ["w", "t", "b", "s"], "the order that was chosen stays"


def test_what_is_not_measured_is_last_where_the_best_is_first(table: ModelTable):
    unmeasured = replace(
        BEST, run="u", state="unmeasured", rank=None, top1=None, top1_interval=None, balanced_accuracy=None
    )
    unmeasured = replace(unmeasured, cost=RunCost(), milliseconds=None)
    table.show_models(board(BEST, TIED, unmeasured))
    for column, order in (
        (ACCURACY, Qt.SortOrder.DescendingOrder),
        (BALANCED, Qt.SortOrder.DescendingOrder),
        (TIME, Qt.SortOrder.AscendingOrder),
    ):
        table.sortByColumn(column, order)
        assert table.names()[-1] == "u"


def test_a_narrow_table_keeps_who_how_good_and_how_sure(qtbot, table: ModelTable):
    for width in (1300, 700, 480):
        table.resize(width, 300)
        assert not any(table.isColumnHidden(column) for column in (RANK, NAME, ACCURACY))
        assert table.isColumnHidden(DIFFERENCE) == (width < 800)


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_column_is_shown_where_the_name_of_the_model_keeps_its_room(qtbot, styled, language):
    use_language(language)
    try:
        table = ModelTable()
        qtbot.addWidget(table)
        table.show()
        for width in range(600, 2400, 100):
            table.resize(width, 300)
            table.show_models(FOUR)
            header = table.horizontalHeader()
            assert header.sectionSize(NAME) >= theme.scaled(180), width
            assert header.length() <= table.viewport().width(), width
        assert not any(table.isColumnHidden(column) for column in range(table.columnCount()))
    finally:
        use_language("en")


def test_the_chart_draws_what_was_timed_here_and_the_front(qtbot):
    chart = CostChart()
    qtbot.addWidget(chart)
    chart.resize(500, 300)
    chart.show()
    chart.show_board(FOUR, colours={}, chosen="b")
    assert chart.runs() == ["t", "b", "w"] and chart.front() == ["t", "b"]
    untimed = row("u", 0.6, p_value=0.001, rank=4)
    chart.show_board(board(BEST, TIED, WORSE, untimed), colours={}, chosen="b")
    assert chart.note.text().startswith("1 ")
    chart.show_board(board(STALE), colours={}, chosen="s")
    assert chart.runs() == []
    chart.cost_box.setCurrentIndex(1)
    chart.show_board(board(BEST), colours={}, chosen="b")
    assert "Run b" in chart.note.text()
    many = [row(f"{n:03d}", 0.9 - n / 100, ms=n + 1, title="A name without an end " * 6) for n in range(30)]
    chart.show_board(board(*many), colours={}, chosen="000")
    assert len(chart.runs()) == 30
    qtbot.wait(100)  # the names settle


def show_board(qtbot, page) -> LeaderboardView:
    qtbot.mouseClick(page.view_buttons.button(COMPARE), LEFT)
    qtbot.waitUntil(lambda: bool(page.leaderboard.view.table.names()), timeout=5000)
    return page.leaderboard.view


def test_the_page_shows_all_runs_and_a_click_chooses_one(qtbot, page):
    assert page.view_buttons.checkedId() == MISTAKES
    view = show_board(qtbot, page)
    assert set(view.table.names()) == {OLD, NEW} and page.table.selected() == [NEW]
    line = view.table.names().index(OLD)
    qtbot.mouseClick(view.table.viewport(), LEFT, pos=view.table.visualItemRect(view.table.item(line, NAME)).center())
    assert page.table.selected() == [OLD] and page.run().name == OLD
    page.table.select([NEW])
    assert {index.row() for index in view.table.selectedIndexes()} == {view.table.names().index(NEW)}


def test_the_cost_is_shown_with_the_accuracy(qtbot, page, project_dir: Path):
    assert page.details.cost.text() == ""
    run_dir = project_dir / "runs" / NEW
    kept = json.loads((run_dir / "best" / "manifest.json").read_text()).get("model.safetensors", "")
    write_cost(run_dir, MeasuredCost(weights=kept, shipped_bytes=4_000_000, time=timed(7.5)))
    page.refresh()
    page.table.select([OLD])
    page.table.select([NEW])
    assert "7.5 ms" in page.details.cost.text() and "4.0 MB" in page.details.cost.text()


def test_measuring_all_is_a_task_after_which_the_leaderboard_is_read_again(
    qtbot, page, project_dir, monkeypatch, finish
):
    asked: list[str] = []

    def measured(path, _images, split, *, job):
        asked.append(split)
        write_json(path / "runs" / OLD / "result.json", asdict(result(run=OLD, seconds=12.0)))

    monkeypatch.setattr(leaderboard_controller, "measure_runs", measured)
    view = show_board(qtbot, page)
    qtbot.mouseClick(view.measure_button, LEFT)
    assert page.leaderboard.why_not_measure() and not view.measure_button.isEnabled()
    finish()
    assert asked == ["val"] and not page.leaderboard.why_not_measure()
    qtbot.waitUntil(lambda: "12 s" in [cell for line in view.table.texts() for cell in line], timeout=5000)


def test_training_free_models_are_fitted_on_the_selected_backbone(qtbot, page, window, monkeypatch, write_run, finish):
    asked: list[TrainConfig] = []

    def made(path, _images, base, *, job):
        asked.append(base)
        write_run(path, "003-vit_tiny-prototype", TrainConfig(backbone="vit_tiny", method="linear"), accuracies=[0.7])
        left_out = {"zero_shot": "E404"}
        return TrainingFreeReport(made=("003-vit_tiny-prototype",), existing=(), left_out=left_out, stopped=False)

    monkeypatch.setattr(leaderboard_controller, "fit_training_free", made)
    assert window.state.actions.why_not("run.fit_training_free") == ""
    window.state.actions.run("run.fit_training_free")
    finish()
    assert asked[0].backbone == "vit_tiny" and page.view_buttons.checkedId() == COMPARE
    assert window.toasts.message().startswith("1 ") and "E404" in window.toasts.newest.hint()
    qtbot.waitUntil(lambda: "003-vit_tiny-prototype" in page.leaderboard.view.table.names(), timeout=5000)


def test_a_project_without_runs_offers_training_free_models_and_is_split_first(
    qtbot, window, make_project, monkeypatch, open_page
):
    page = open_page("results", make_project("bare", {"red": 10, "green": 10}))
    seen: list[bool] = []

    def made(path, images, base, *, job):
        seen.append(bool(images().labelled("val")))
        return TrainingFreeReport(made=(), existing=(), left_out={}, stopped=False)

    monkeypatch.setattr(leaderboard_controller, "fit_training_free", made)
    assert page.empty.isVisible() and page.fit_button.isVisible() and page.fit_button.isEnabled()
    qtbot.mouseClick(page.fit_button, LEFT)
    qtbot.waitUntil(lambda: bool(seen) and not window.state.tasks.pending, timeout=10_000)
    assert seen == [True]
