"""`visionft import`: a dry run, and classes that come in under other names."""

import json
import sys
from pathlib import Path

import pytest

from visionft.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_dry_run_shows_what_would_come_in_and_adds_nothing(run, picture_folder: Path, tmp_path: Path):
    project = tmp_path / "project"
    run("new", project)
    code, out, _ = run("import", project, picture_folder, "--dry-run", "--json")
    value = json.loads(out)
    assert code == 0 and value["new"] == 48 and value["classes"] == {"blue": 16, "green": 16, "red": 16}
    code, out, _ = run("import", project, picture_folder, "--dry-run")
    assert "Would add 48 pictures" in out and "Nothing was written" in out
    assert json.loads(run("info", project, "--json")[1])["images"] == 0


def test_classes_are_renamed_and_left_out(run, picture_folder: Path, tmp_path: Path):
    project = tmp_path / "project"
    run("new", project)
    pairs = ("--class", "blue=cold", "--class", "green=cold", "--class", "red=")
    code, out, _ = run("import", project, picture_folder, *pairs, "--json")
    assert code == 0 and json.loads(out)["classes"] == {"cold": 32}


def test_a_pair_without_an_equals_sign_is_refused(run, picture_folder: Path, tmp_path: Path):
    run("new", tmp_path / "project")
    code, _, err = run("import", tmp_path / "project", picture_folder, "--class", "blue")
    assert code == 2 and "OLD=NEW" in err
