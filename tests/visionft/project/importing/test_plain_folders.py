"""Plain class folders are labelled right with no choice, whatever the files are called and the images look like."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from plain_folders import NAMINGS, PlainFolders, plain_folders, random_folders
from plain_imports import fault_of

PLAIN_NAMINGS = tuple(NAMINGS)[:17:2]


def pets(**more) -> PlainFolders:
    return PlainFolders(source="pets", images=(12, 12), **more)


@pytest.mark.parametrize("counter", ["per folder", "over all"])
def test_cats_and_dogs_of_a_camera(counter: str, tmp_path: Path) -> None:
    assert not fault_of(pets(counter=counter), tmp_path)


@pytest.mark.parametrize("naming", PLAIN_NAMINGS)
@pytest.mark.parametrize("each", [4, 10])
def test_each_naming_of_files(each: int, naming: str, tmp_path: Path) -> None:
    assert not fault_of(PlainFolders(images=(each,) * 3, naming=naming), tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(folders=plain_folders())
def test_each_drawn_folder_is_labelled_right(folders: PlainFolders, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert not fault_of(folders, tmp_path_factory.mktemp("drawn"))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_each_of_a_hundred_random_folders_is_labelled_right(seed: int, tmp_path: Path) -> None:
    faults = {str(each): fault for each in random_folders(100, seed) if (fault := fault_of(each, tmp_path))}
    assert not faults
