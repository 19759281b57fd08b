"""The support report: helpful facts stay, names are removed unless the user agrees."""

import json
import logging
import sys
from pathlib import Path

import pytest

import visionft
from visionft.cli import main
from visionft.log import log_file
from visionft.support import redacted, report_text


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("/home/anna/My Pets/a b.jpg does not exist.", "<path> does not exist."),
        ("Cannot read /home/anna/My Pets/cat 1.jpg: Permission denied.", "Cannot read <path>: Permission denied."),
        ("No such file: '/home/anna/My Pets/it has (one) cat.jpg'", "No such file: '<path>'"),
        ("/home/anna/My Pets is not a project.", "<path> is not a project."),
        (r"C:\Users\anna\My Images\x.png cannot be used: Access denied", "<path> cannot be used: Access denied"),
        (r"\\server\share\anna cannot be used", "<path> cannot be used"),
        ("The disk is full (/media/anna/big).", "The disk is full (<path>)."),
        ("The class “anna's cat” is gone.", "The class “<name>” is gone."),
        ("Left out: photos/cats/a.jpg: empty", "Left out: <file>: empty"),
        ("unreadable: IMG_2034.JPEG, IMG_2035.heic", "unreadable: <file>, <file>"),
        ("~/pets is read-only", "<path> is read-only"),
        ("val/test 1/20 3 / 4 https://huggingface.co/timm/x", "val/test 1/20 3 / 4 https://huggingface.co/timm/x"),
        ("config.json of 001-starter_vit-lora is damaged", "config.json of 001-starter_vit-lora is damaged"),
        ("KeyError: 'lost key'", "KeyError: 'lost key'"),
    ],
)
def test_names_go_and_reasons_stay(line: str, left: str) -> None:
    assert redacted(line) == left


def test_a_traceback_keeps_the_programs_files_and_loses_whose_home_they_lie_in() -> None:
    package = Path(visionft.__file__).parent
    files = (package / "files.py", json.__file__, "/x/y.py")
    trace = "\n".join(f'  File "{file}", line 2' for file in files)
    left = redacted(trace).splitlines()
    assert "visionft/files.py" in left[0].replace("\\", "/") and str(package.parent) not in left[0]
    assert "/json/" in left[1].replace("\\", "/") and not left[1].startswith(json.__file__)
    assert '"<path>"' in left[2]


def test_known_names_go_as_whole_words_the_longest_first() -> None:
    left = redacted("pets, pets at home, petshop", names=["pets", "pets at home", ""])
    assert left.split(", ") == ["<name>", "<name>", "petshop"]


@pytest.fixture
def told(tmp_path: Path) -> None:
    """Fill a log with a line with a name."""
    log_file().parent.mkdir(parents=True)
    old = "".join(f"old line {number}\n" for number in range(300))
    log_file().with_name("visionft.log.1").write_text(old)
    log_file().write_text(f"refused: {tmp_path / 'my cats' / 'secret.jpg'} is missing\n")


def test_the_report_holds_versions_the_computer_and_the_newest_lines(told: None, tmp_path: Path) -> None:
    report = report_text("Traceback ...\nKeyError: 'lost_key'")
    assert report.startswith(f"VisionFT {visionft.__version__}, Python ")
    assert "cores" in report and "torch " in report and "lost_key" in report
    assert "<path>" in report and "secret" not in report and str(tmp_path) not in report
    assert "old line 299" in report and "old line 50\n" not in report
    assert "secret.jpg" in report_text(with_names=True)


@pytest.mark.parametrize("options", [[], ["--names"], ["--json"]])
def test_the_command_prints_the_report(told, options, monkeypatch, capsys) -> None:
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    monkeypatch.setattr(sys, "argv", ["visionft", "doctor", "--report", *options])
    assert main() == 0
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    out = capsys.readouterr().out
    text = json.loads(out)["report"] if "--json" in options else out
    assert "is missing" in text and ("secret.jpg" in text) == ("--names" in options)


def test_the_report_needs_no_learning_library() -> None:
    import subprocess

    story = "import sys; from visionft.support import report_text; report_text(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
