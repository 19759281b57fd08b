"""Rows of other installed packages: used through the command line; a broken one is named and skipped."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

BROKEN = """
[visionft.checks]
quality = json:JSONDecoder
gone = no_such_package:CHECK
narrow = incomplete_check:NARROW
[visionft.methods]
odd = json:dumps
with-hyphen = incomplete_method:HYPHEN
hasty = incomplete_method:HASTY
[visionft.exporters]
class = unlucky_exporters:CLASS
3d = unlucky_exporters:DIGIT
no-list = unlucky_exporters:WITHOUT
out_dir = unlucky_exporters:FOLDER
float_input = unlucky_exporters:OWN
class_list = unlucky_exporters:OTHER
[visionft.commands]
project = json:dumps
"""
METHOD = """
from models.methods.method import Method, MethodOptions


class Hyphen(Method):
    name, title, summary, when, learning_rate, options = "with-hyphen", "Hyphen", "One.", "Never.", 1e-3, MethodOptions


class Hasty(Method):
    name, title, summary, learning_rate = "hasty", "Hasty", "Lacks two attributes.", 1e-3


HYPHEN, HASTY = Hyphen(), Hasty()
"""
CHECK = """
from visionft.curation.check import Check


class NarrowCheck(Check):
    name, title, summary = "narrow", "Narrow", "It finds nothing."


NARROW = NarrowCheck()
"""
EXPORTERS = """
from visionft.export.artefacts import Artefact

NAMES = ("class", "3d", "no-list", "out_dir", "float_input", "class_list")
CLASS, DIGIT, WITHOUT, FOLDER, OWN, OTHER = (Artefact(name=name, title="List", write=print) for name in NAMES)
"""
# What the error of an unusable row names, for its author.
NAMED = {
    ("checks", "quality"): "visionft.checks",
    ("checks", "gone"): "no_such_package",
    ("checks", "narrow"): "find_issues",
    ("methods", "odd"): "visionft.methods",
    ("methods", "with-hyphen"): "with-hyphen",
    ("methods", "hasty"): "when, options",
    ("exporters", "class"): "'class'",
    ("exporters", "3d"): "'3d'",
    ("exporters", "no-list"): "'no-list'",
    ("exporters", "out_dir"): "taken",
    ("exporters", "float_input"): "taken",
    ("exporters", "class_list"): "taken",
    ("commands", "project"): "project",
}


@pytest.fixture
def values(run_elsewhere, sample_extension: Path, tmp_path: Path) -> Callable[..., list[Any]]:
    """Return a function: commands -> JSON of each, in a process with the extension installed."""

    def values(*commands: Sequence[object]) -> list[Any]:
        path = os.pathsep.join([str(sample_extension), str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        answers = run_elsewhere(*((*command, "--json") for command in commands), PYTHONPATH=path)
        assert all(code == 0 for code, *_ in answers), answers
        return [json.loads(stdout) for _, stdout, _ in answers]

    return values


@pytest.mark.slow
def test_a_broken_row_is_named_and_the_program_goes_on(values, tmp_path: Path) -> None:
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(BROKEN)
    (tmp_path / "incomplete_method.py").write_text(METHOD)
    (tmp_path / "incomplete_check.py").write_text(CHECK)
    (tmp_path / "unlucky_exporters.py").write_text(EXPORTERS)
    (diagnosis,) = values(("doctor",))
    state = {(each["group"].partition(".")[2], each["name"]): each["error"] for each in diagnosis["extensions"]}
    used = {key for key, error in state.items() if not error}
    assert used == {
        ("methods", "scale"),
        ("formats", "pairs"),
        ("checks", "low-contrast"),
        ("exporters", "class-list"),
        ("commands", "label.count"),
    }
    assert set(state) - used == set(NAMED)
    assert {key: word for key, word in NAMED.items() if word not in state[key]} == {}, state
    told = [each["message"] for each in diagnosis["problems"] if "broken 1.0" in each["message"]]
    assert len(told) == len(NAMED)
