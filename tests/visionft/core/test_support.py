"""The support report: facts, the newest lines of the log, no secret."""

import json
import logging
import sys
from pathlib import Path

import pytest

import visionft
from visionft.cli import main
from visionft.core.doctor import report_text
from visionft.core.log import log_file


@pytest.fixture
def told(tmp_path: Path) -> None:
    """Fill a log, the newest line with a password."""
    log_file().parent.mkdir(parents=True)
    old = "".join(f"old line {number}\n" for number in range(300))
    log_file().with_name("visionft.log.1").write_text(old)
    log_file().write_text(f"refused: {Path.home() / 'cats'} is missing, https://me:a-word@hub\n")


def test_the_report_holds_versions_the_computer_and_the_newest_lines(told: None, tmp_path: Path) -> None:
    report = report_text("Traceback ...\nKeyError: 'lost_key'")
    assert report.startswith(f"VisionFT {visionft.__version__}, Python ")
    assert "cores" in report and "torch " in report and "lost_key" in report
    assert str(Path("~") / "cats") in report and "a-word" not in report
    assert "old line 299" in report and "old line 50\n" not in report


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_prints_the_report(told, options, monkeypatch, capsys) -> None:
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    monkeypatch.setattr(sys, "argv", ["visionft", "doctor", "--report", *options])
    assert main() == 0
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    out = capsys.readouterr().out
    text = json.loads(out)["report"] if "--json" in options else out
    assert "is missing" in text


def test_the_report_needs_no_learning_library() -> None:
    import subprocess

    story = "import sys; from visionft.core.doctor import report_text; report_text(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
