"""Jobs through a real sshd on the loopback address: sent, followed, stopped, continued, brought back."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from projects import project_of
from ssh_host import SSHD, served_host

from visionft.cli import main
from visionft.errors import VisionFTError
from visionft.events import EpochDone
from visionft.jobs import JobContext
from visionft.remote import ssh
from visionft.remote.program_wheel import write_wheel
from visionft.training.runs.run_folder import list_runs

pytestmark = [pytest.mark.slow, pytest.mark.skipif(SSHD is None, reason="no OpenSSH server is installed")]
SETTINGS = "backbone=test_resnet method=lora weights=random image_size=32 batch_size=8 workers=0 framing=centre"


@pytest.fixture
def host(tmp_path: Path):
    """Return a host on the loopback address; its home is `tmp_path/home`."""
    with served_host(tmp_path) as host:
        yield host


@pytest.fixture
def project(image_folder: Path, tmp_path: Path) -> Path:
    """Return a project with images and splits."""
    return project_of(tmp_path / "project", image_folder, has_splits=True)


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function: arguments -> (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        return code, *capsys.readouterr()

    return run


def submit_words(host: ssh.Host, project: Path, epochs: int) -> list[str]:
    options = [f"--ssh={each}" for each in host.options]
    settings = [word for each in f"{SETTINGS} epochs={epochs}".split() for word in ("--set", each)]
    return ["job", "submit", host.address, str(project), "--preset", "quick", *settings, *options,
            "--program", host.program]  # fmt: skip


def test_a_job_goes_there_is_followed_and_comes_back(host, project, run):
    code, _, told = run(*submit_words(host, project, epochs=2))
    assert code == 0 and "epoch 2/2" in told
    code, listed, _ = run("job", "status", project, "--json")
    assert code == 0 and json.loads(listed)[0]["phase"] == "finished"
    (sent,) = ssh.sent_jobs(project)
    record = project / "jobs" / sent.job / ssh.SENT
    elsewhere = json.loads(record.read_text()) | {"options": ["-p", "1", *host.options]}
    (project / "jobs" / "zz").mkdir()
    (project / "jobs" / "zz" / ssh.SENT).write_text(json.dumps(elsewhere))
    code, listed, _ = run("job", "status", project, "--json")  # a computer out of reach hides no other job
    assert code == 0 and [each["job"] for each in json.loads(listed)] == [sent.job[:8], "zz"]
    assert json.loads(listed)[0]["phase"] == "finished" != json.loads(listed)[1]["phase"]
    shutil.rmtree(project / "jobs" / "zz")
    code, printed, told = run("job", "fetch", project, "--json")
    assert code == 0, told
    (trained,) = list_runs(project)
    assert trained.name == json.loads(printed)["run"] and trained.result is not None and not trained.result.stopped


def test_a_job_runs_on_unwatched_is_stopped_and_goes_on(host, project, run):
    assert run(*submit_words(host, project, epochs=500), "--no-follow")[0] == 0
    (sent,) = ssh.sent_jobs(project)
    seen = []
    ended = JobContext(seen.append, lambda: any(isinstance(each, EpochDone) for each in seen))
    assert ssh.follow(sent, job=ended) == "running"  # the reader went away, the job did not
    assert ssh.phase_of(sent) == "running"
    ssh.stop(sent)
    assert ssh.follow(sent) == "ended"
    with pytest.raises(VisionFTError):
        ssh.fetch(sent, project.parent / "none")
    assert not (project.parent / "none").exists()
    ssh.start(sent)
    ssh.stop(sent)
    assert ssh.follow(sent) == "ended"


def test_what_is_wrong_is_said_and_nothing_is_sent(host, project, run, monkeypatch):
    wrong = ssh.Host(address=host.address, options=("-p", "1", *host.options), program=host.program)
    for place in (wrong, ssh.Host(address=host.address, options=host.options, program="/none/visionft")):
        code, printed, told = run(*submit_words(place, project, epochs=2))
        assert code == 2 and not printed and host.address in told, told
    with monkeypatch.context() as patch:
        patch.setenv("VISIONFT_OFFLINE", "1")
        code, _, told = run(*submit_words(host, project, epochs=2))
        assert code == 2 and "VISIONFT_OFFLINE" in told
    assert not ssh.sent_jobs(project) and not list((project.parent / "home").glob(".visionft-jobs/*/*"))
    for address in ("-oProxyCommand=touch x", "a b", ""):
        with pytest.raises(VisionFTError):
            ssh.Host(address=address)


def test_the_wheel_of_this_program_installs_and_starts(tmp_path):
    wheel, target = write_wheel(tmp_path), tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True)
    program = f"import sys; sys.path.insert(0, {str(target)!r}); import visionft; print(visionft.__file__)"
    done = subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(str(target))
    started = subprocess.run([target / "bin" / "visionft", "--version"], capture_output=True, text=True, check=False,
                             env=os.environ | {"PYTHONPATH": str(target)})  # fmt: skip
    assert started.returncode == 0, started.stderr
