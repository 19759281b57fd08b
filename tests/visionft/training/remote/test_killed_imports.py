"""kill -9 while a result is taken into its project: the next import completes it, once, and nothing is left over."""

import os
import sys
import time
from pathlib import Path

import pytest
from killed_process import kill_at

from visionft.training.evaluation.stored import read_evaluation
from visionft.training.remote.packed_file import PackedFileError
from visionft.training.remote.results import import_result
from visionft.training.runs.run_folder import list_runs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
IMPORT = """
from pathlib import Path
from visionft.project.store import ProjectStore
from visionft.training.remote.results import import_result
project, result = map(Path, sys.argv[3:])
with ProjectStore.open(project, read_only=True) as opened:
    images = opened.snapshot()
import_result(project, images, result)
"""
# The rename that publishes the run, the first write after it, and that of the record.
MOMENTS = {
    "before the run": r"rename .* to .*runs/\d{3}-",
    "after the run": r"write .*runs/\d{3}-[^/]*/\.notes\.json",
    "before the record": r"write .*\.imported\.json",
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_import_completes_a_killed_one(moment, project, images, there):
    assert kill_at(IMPORT, MOMENTS[moment], project, there / "a.vftresult")
    found = import_result(project, images, there / "a.vftresult")
    assert {each.split for each in found.measured} == {"val", "test"}
    assert [each.there for each in found.measured] == [each.here for each in found.measured]
    (run,) = list_runs(project)
    assert run.name == found.run and run.result.run == run.name and run.given_title == "Secret name 1"
    evaluations = [read_evaluation(run.path, split) for split in ("val", "test")]
    assert all(each is not None and each.run == run.name and each.predictions for each in evaluations)
    assert [path.name for path in (project / "runs").iterdir()] == [run.name]
    with pytest.raises(PackedFileError, match=run.name):
        import_result(project, images, there / "a.vftresult")


def test_numbers_that_killed_processes_claimed_are_given_again(project, images, there):
    runs = project / "runs"
    (runs / ".001-").mkdir()  # of an earlier version
    os.utime(runs / ".001-", (0, 0))
    (runs / ".002-").write_text("4194305")  # above the largest id of a process
    (runs / ".003-").write_text("")  # killed before it wrote its id
    os.utime(runs / ".003-", (time.time() - 3600,) * 2)
    found = import_result(project, images, there / "a.vftresult")
    assert [path.name for path in runs.iterdir()] == [found.run] and found.run.startswith("001-")


def test_a_claim_of_a_process_that_runs_is_respected(project, images, there):
    (project / "runs" / ".001-").write_text(str(os.getpid()))
    assert import_result(project, images, there / "a.vftresult").run.startswith("002-")
    assert Path(project / "runs" / ".001-").exists()
