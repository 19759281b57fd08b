"""Data sets drawn from a grammar are read right, refused, or left unlabelled with a word about it: never wrong."""

from pathlib import Path

import pytest
from data_sets import WRONG, attempt_import
from hypothesis import HealthCheck, given, settings
from layout_grammar import Recipe, layout_of, random_recipes, recipes


def judge(recipe: Recipe, folder: Path) -> None:
    (folder / "source").mkdir()
    verdict = attempt_import(layout_of(recipe).write(folder / "source"), folder)
    assert verdict.kind not in WRONG, f"{recipe}\n{verdict.words}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipe=recipes())
def test_no_drawn_data_set_is_read_wrong(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> None:
    judge(recipe, tmp_path_factory.mktemp("drawn"))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_none_of_a_hundred_random_data_sets_is_read_wrong(seed: int, tmp_path: Path) -> None:
    for number, recipe in enumerate(random_recipes(100, seed)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        judge(recipe, folder)
