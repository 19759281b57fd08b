"""The scoreboard: ranks, luck and prices as they are shown; a click chooses; measuring and making are tasks."""

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from gui.kit import i18n
from gui.results.board import boards, words
from gui.results.board.chart import CostChart
from gui.results.board.table import BESIDE, NAME, PLACE, RIGHT, TIME, BoardTable
from gui.results.board.view import BoardView
from gui.results.page import BOARD, MATRIX
from gui.shell.window import MainWindow
from visionft.evaluation.price import AnswerTime, MeasuredPrice, OldHead, Price, write_price
from visionft.evaluation.scoreboard import Beside, Scoreboard, Standing
from visionft.evaluation.timing import computer_id
from visionft.evaluation.training_free import MadeAnswers
from visionft.training.config.train_config import TrainConfig

LEFT = Qt.MouseButton.LeftButton
OLD, NEW = "001-resnet18-lora", "002-vit_tiny-linear"


def timed(ms: float) -> AnswerTime:
    return AnswerTime(median_ms=ms, p95_ms=ms, runs=9, pictures=8, device="a processor", computer=computer_id())


def standing(run: str, top1: float, *, p_value: float | None = None, ms: float = 0.0, **values) -> Standing:
    beside = None
    if p_value is not None:
        beside = Beside(won=1, lost=9, difference=-0.08, interval=(-0.13, -0.01), p_value=p_value)
    price = Price(seconds=ms, time=timed(ms), shipped_bytes=2_000_000) if ms else Price()
    common = {
        "run": run, "title": f"Run {run}", "method": "LoRA", "backbone": "ResNet", "is_training_free": False,
        "is_live": False, "state": "measured", "place": 1, "images": 100, "top1": top1,
        "top1_interval": (top1 - 0.1, min(1.0, top1 + 0.05)), "balanced_accuracy": top1, "ece": 0.05, "beside": beside,
        "price": price, "is_timed_here": bool(ms),
    }  # fmt: skip
    return Standing(**{**common, **values})


def board(*standings: Standing) -> Scoreboard:
    return Scoreboard(split="val", pictures=100, standings=standings)


BEST = standing("b", 0.9, ms=20, is_training_free=True)
TIED = standing("t", 0.88, p_value=0.3, ms=5)
WORSE = standing("w", 0.7, p_value=0.001, ms=40, place=3, is_live=True)
STALE = standing("s", 0.95, state="other_pictures", place=None)
FOUR = board(BEST, TIED, WORSE, STALE)


# -- words --------------------------------------------------------------------------------------------------------


def test_the_sentence_tells_luck_from_skill():
    assert words.sentence(FOUR) == (
        "Run b is right most often: 90.0%. 1 of 2 others may be as good: the difference can be luck."
    )
    assert "more than luck" in words.sentence(board(BEST, WORSE))
    assert "cannot be told" in words.sentence(board(BEST, TIED))
    assert words.sentence(board(BEST)) == "Run b is right most often: 90.0%."
    assert "None of the runs was measured" in words.sentence(board(STALE))
    assert words.facts(FOUR) == "100 labelled pictures, the same for all · 1 run to measure"


def test_a_price_is_told_in_a_line_and_its_forgetting_with_it():
    heads = (
        OldHead(kind="pretrained", source="w.safetensors", classes=1000, pictures=60, agreement=0.83),
        OldHead(kind="run", source="001-a", classes=3, pictures=60, agreement=0.9, accuracy_before=0.8, accuracy=0.7),
    )
    price = Price(
        trainable_share=0.0064, memory_mb=340, seconds=41, time=timed(3.21), shipped_bytes=62_000_000, drift=0.031,
        old_heads=heads,
    )  # fmt: skip
    assert words.short_price(price) == (
        "0.6% of it learnt · made in 41 s · 357 MB of memory · 3.2 ms a picture · 62 MB to ship · feature drift 0.031"
        " · the head of 1,000 pretrained classes says the same for 83.0%"
        " · the head of 001-a is right for 70.0%, before for 80.0%"
    )
    assert "a processor" in words.price_tip(price) and "nothing was forgotten" not in words.price_tip(price)
    assert words.short_price(Price()) == "" == words.price_tip(Price())
    assert words.short_price(Price(drift=0.0)) == "feature drift 0"
    assert "nothing was forgotten" in words.price_tip(Price(drift=0.0))


def test_a_row_says_why_it_has_no_rank_and_how_far_it_is_from_the_best():
    assert words.place(BEST) == "1" and words.place(TIED) == "1 ≈" and words.place(WORSE) == "3"
    assert words.place(STALE) == "–" and words.beside(STALE) == "other pictures"
    assert words.beside(BEST) == "the best" and words.beside(TIED) == "−8.0, perhaps luck"
    assert words.beside(WORSE) == "−8.0" and "−13.0 and −1.0 points" in words.tip(WORSE)
    assert "other pictures or labels" in words.tip(STALE)
    assert "no training" in words.tip(BEST) and "fresh knowledge" in words.tip(WORSE)
    elsewhere = standing("e", 0.9, ms=3, is_timed_here=False)
    assert words.cells([elsewhere])[0][TIME][0] == "elsewhere"


# -- table and chart ----------------------------------------------------------------------------------------------


@pytest.fixture
def table(qtbot) -> BoardTable:
    table = BoardTable()
    qtbot.addWidget(table)
    table.resize(1300, 400)
    table.show()
    table.show_board(FOUR, colours={"b": 0, "t": 1, "w": 2, "s": 3}, chosen="t")
    return table


def test_the_table_is_sorted_by_rank_and_each_column_by_its_values(qtbot, table: BoardTable):
    assert table.runs() == ["b", "t", "w", "s"]
    for column, expected in ((TIME, ["t", "b", "w", "s"]), (RIGHT, ["w", "t", "b", "s"])):
        table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
        assert table.runs() == expected
    table.show_board(FOUR, colours={}, chosen="w")
    assert table.runs() == ["w", "t", "b", "s"], "the order that was chosen stays"


def test_a_click_chooses_and_showing_does_not_tell(qtbot, table: BoardTable):
    told: list[str] = []
    table.run_chosen.connect(told.append)
    table.show_board(FOUR, colours={}, chosen="t")
    table.choose("w")
    assert told == [] and {index.row() for index in table.selectedIndexes()} == {2}
    area = table.visualItemRect(table.item(0, NAME))
    qtbot.mouseClick(table.viewport(), LEFT, pos=area.center())
    assert told == ["b"]


def test_a_narrow_table_keeps_who_how_good_and_how_sure(qtbot, table: BoardTable):
    for width in (1300, 700, 480):
        table.resize(width, 300)
        assert not any(table.isColumnHidden(column) for column in (PLACE, NAME, RIGHT))
        assert table.isColumnHidden(BESIDE) == (width < 800)


def test_the_chart_draws_what_was_timed_here_and_the_front(qtbot):
    chart = CostChart()
    qtbot.addWidget(chart)
    chart.resize(500, 300)
    chart.show()
    chart.show_board(FOUR, colours={}, chosen="b")
    assert chart.runs() == ["t", "b", "w"] and chart.front() == ["t", "b"]
    untimed = standing("u", 0.6, p_value=0.001, place=4)
    chart.show_board(board(BEST, TIED, WORSE, untimed), colours={}, chosen="b")
    assert chart.note() == "1 run is not here: what it costs was not measured on this computer."
    chart.show_board(board(STALE), colours={}, chosen="s")
    assert chart.runs() == [] and "once they were measured" in chart.note()
    chart.cost_box.setCurrentIndex(1)
    chart.show_board(board(BEST), colours={}, chosen="b")
    assert chart.note() == "No other is as cheap and as often right as Run b."
    qtbot.wait(100)  # the names settle


@pytest.mark.parametrize("count", [1, 30])
def test_one_run_and_thirty_with_long_names_are_shown(qtbot, count: int):
    many = [
        standing(f"{n:03d}", 0.9 - n / 100, p_value=0.5 if n else None, ms=n + 1, title="A name without an end " * 6)
        for n in range(count)
    ]
    view = BoardView(on_measure=lambda: None, on_make=lambda: None)
    qtbot.addWidget(view)
    view.resize(1000, 420)
    view.show()
    view.show_board(board(*many), colours={}, chosen="000")
    assert len(view.table.runs()) == count == len(view.chart.runs())
    assert view.width() == 1000
    qtbot.wait(100)


# -- the page -----------------------------------------------------------------------------------------------------


@pytest.fixture
def page(window: MainWindow, image_ids: list[int]):
    window.show_page("results")
    return window.page("results")


def show_board(qtbot, page) -> BoardView:
    qtbot.mouseClick(page.view_buttons.button(BOARD), LEFT)
    qtbot.waitUntil(lambda: bool(page.board.view.table.runs()), timeout=5000)
    return page.board.view


def test_the_page_shows_all_runs_and_a_click_chooses_one(qtbot, page):
    assert page.view_buttons.checkedId() == MATRIX
    view = show_board(qtbot, page)
    assert set(view.table.runs()) == {OLD, NEW} and page.table.selected() == [NEW]
    line = view.table.runs().index(OLD)
    qtbot.mouseClick(view.table.viewport(), LEFT, pos=view.table.visualItemRect(view.table.item(line, NAME)).center())
    assert page.table.selected() == [OLD] and page.run().name == OLD
    page.table.select([NEW])
    assert {index.row() for index in view.table.selectedIndexes()} == {view.table.runs().index(NEW)}


def test_the_price_stands_beside_the_figures(qtbot, page, project_dir: Path):
    assert page.answer.price() == ""
    run_dir = project_dir / "runs" / NEW
    kept = json.loads((run_dir / "best" / "manifest.json").read_text()).get("model.safetensors", "")
    write_price(run_dir, MeasuredPrice(weights=kept, shipped_bytes=4_000_000, time=timed(7.5), drift=0.0))
    page.refresh()
    page.table.select([OLD])
    page.table.select([NEW])
    assert page.answer.price() == "7.5 ms a picture · 4.0 MB to ship · feature drift 0"


def test_measuring_all_is_a_task_after_which_the_board_is_read_anew(qtbot, page, window, project_dir, monkeypatch):
    asked: list[str] = []

    def measured(path, _images, split, *, on_event, should_stop):
        asked.append(split)
        (path / "runs" / OLD / "result.json").write_text(json.dumps(
            {"run": OLD, "best": None, "seconds": 12.0, "stopped": False, "trainable_parameters": 1,
             "total_parameters": 2, "device": "CPU", "precision": "fp32"}
        ))  # fmt: skip

    monkeypatch.setattr(boards, "measure_all", measured)
    view = show_board(qtbot, page)
    qtbot.mouseClick(view.measure_button, LEFT)
    assert page.board.why_not_measure() == "It is being done already." and not view.measure_button.isEnabled()
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=5000)
    assert asked == ["val"] and not page.board.why_not_measure()
    qtbot.waitUntil(lambda: "12 s" in [cell for line in view.table.texts() for cell in line], timeout=5000)


def test_answers_without_training_are_made_on_the_chosen_network(qtbot, page, window, monkeypatch, write_run):
    asked: list[TrainConfig] = []

    def made(path, _images, base, *, on_event, should_stop):
        asked.append(base)
        write_run(path, "003-vit_tiny-prototype", TrainConfig(backbone="vit_tiny", method="linear"), accuracies=[0.7])
        left_out = {"zero_shot": "its weights are elsewhere"}
        return MadeAnswers(made=("003-vit_tiny-prototype",), kept=(), left_out=left_out, stopped=False)

    monkeypatch.setattr(boards, "answer_without_training", made)
    assert window.state.actions.why_not("run.answer_without") == ""
    window.state.actions.run("run.answer_without")
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=5000)
    assert asked[0].backbone == "vit_tiny" and page.view_buttons.checkedId() == BOARD
    assert "1 answer was made without training." in window.toasts.message()
    newest = window.toasts.newest
    assert newest is not None and "Zero-shot: its weights are elsewhere" in newest.hint()
    qtbot.waitUntil(lambda: "003-vit_tiny-prototype" in page.board.view.table.runs(), timeout=5000)


def test_what_cannot_be_made_says_why(qtbot, window, page, project_dir):
    assert page.board.why_not_make() == ""
    window.state.close_project()
    window.show_page("results")
    assert "project" in window.state.actions.why_not("run.answer_without").lower()


def test_the_board_speaks_german():
    i18n.use_language("de")
    assert words.sentence(board(BEST)) == "Run b hat am häufigsten recht: 90.0%."
    i18n.use_language(i18n.ENGLISH)


def test_a_project_without_runs_offers_answers_at_once_and_is_divided_first(
    qtbot, window, draw_folder, tmp_path, monkeypatch
):
    from visionft.project.importing.importer import import_source
    from visionft.project.store import Project

    with Project.create(tmp_path / "bare") as project:
        import_source(project, draw_folder(tmp_path / "own", {"red": 10, "green": 10}))
    window.state.open_project(tmp_path / "bare")
    window.show_page("results")
    page = window.page("results")
    seen: list[bool] = []

    def made(path, images, base, *, on_event, should_stop):
        seen.append(bool(images.labelled("val")))
        return MadeAnswers(made=(), kept=(), left_out={}, stopped=False)

    monkeypatch.setattr(boards, "answer_without_training", made)
    assert page.empty.isVisible() and page.empty.make_button.isVisible() and page.empty.make_button.isEnabled()
    qtbot.mouseClick(page.empty.make_button, LEFT)
    qtbot.waitUntil(lambda: bool(seen) and not window.state.tasks.pending, timeout=10_000)
    assert seen == [True]
