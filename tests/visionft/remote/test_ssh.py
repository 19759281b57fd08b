"""Jobs through a real sshd on the loopback address: sent, followed, stopped, continued, brought back."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest
from projects import project_of
from ssh_host import SSHD, served_host

from visionft.errors import VisionFTError
from visionft.events import EpochDone
from visionft.jobs import JobContext
from visionft.remote import ssh
from visionft.remote.host import Host
from visionft.remote.program_wheel import write_wheel
from visionft.remote.sent_jobs import SENT, record_sent, sent_jobs
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


def port_of(host: Host) -> int:
    return int(host.options[host.options.index("-p") + 1])


def submit_words(host: Host, project: Path, epochs: int) -> list[str]:
    options = [f"--ssh={each}" for each in host.options]
    settings = [word for each in f"{SETTINGS} epochs={epochs}".split() for word in ("--set", each)]
    return [
        "job",
        "submit",
        host.address,
        str(project),
        "--preset",
        "quick",
        *settings,
        *options,
        "--program",
        host.program,
    ]


def test_a_job_goes_there_is_followed_and_comes_back(host, project, run):
    code, _, told = run(*submit_words(host, project, epochs=2))
    assert code == 0 and "epoch 2/2" in told
    code, listed, _ = run("job", "status", project, "--json")
    assert code == 0 and json.loads(listed)[0]["phase"] == "finished"
    (sent,) = sent_jobs(project)
    record = json.loads((project / "jobs" / sent.job / SENT).read_text())
    assert record == {"address": host.address, "port": port_of(host)}  # the options stay with this user
    other = replace(sent, job=f"ffffffff{sent.job[8:]}", host=replace(sent.host, port=1))
    (project / "jobs" / other.job).mkdir()
    record_sent(project, other)
    code, listed, _ = run("job", "status", project, "--json")  # a computer out of reach hides no other job
    assert code == 0 and [each["job"] for each in json.loads(listed)] == [sent.job[:8], "ffffffff"]
    assert [each["phase"] for each in json.loads(listed)] == ["finished", "out of reach"]
    shutil.rmtree(project / "jobs" / other.job)
    code, printed, told = run("job", "fetch", project, "--json")
    assert code == 0, told
    (trained,) = list_runs(project)
    assert trained.name == json.loads(printed)["run"] and trained.result is not None and not trained.result.stopped


def test_a_job_runs_on_unwatched_is_stopped_and_goes_on(host, project, run):
    assert run(*submit_words(host, project, epochs=500), "--no-follow")[0] == 0
    (sent,) = sent_jobs(project)
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


def test_a_job_sent_from_elsewhere_is_asked_about_once_its_address_is_confirmed(host, project, run):
    assert run(*submit_words(host, project, epochs=2), "--no-follow")[0] == 0
    (sent,) = sent_jobs(project)
    shutil.rmtree(platformdirs.user_data_path("visionft", appauthor=False) / "sent-jobs")  # as on another computer
    (sent,) = sent_jobs(project)
    code, listed, told = run("job", "status", project, "--json")
    assert code == 0 and json.loads(listed)[0]["phase"] == "not confirmed" and "--trust" in told
    code, _, told = run("job", "fetch", project, sent.job[:8])
    *_, step = told.splitlines()
    words = shlex.split(step.partition("visionft ")[2])
    assert code == 2 and words == ["job", "status", str(project), sent.job, "--trust", sent.host.name]
    options = [f"--ssh={each}" for each in host.options if each not in ("-p", str(port_of(host)))]
    code, _, told = run(*words, *options, "--program", host.program, "--follow")
    assert code == 0 and "Follow it" in told
    assert run("job", "fetch", project)[0] == 0 and list_runs(project)


def test_only_the_process_of_the_job_is_stopped(host, project, run):
    assert run(*submit_words(host, project, epochs=2))[0] == 0
    (sent,) = sent_jobs(project)
    there = project.parent / "home" / sent.folder
    (there / "job.vftresult").unlink()
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            for pid in (str(stranger.pid), "-1", "0", "1", f"$(touch {there}/PWNED)", f"{stranger.pid} 1", ""):
                (there / "pid").write_text(pid)
                ssh.stop(sent)
                assert ssh.phase_of(sent) == "ended" and stranger.poll() is None
            assert not (there / "PWNED").exists()
        finally:
            stranger.kill()
    with old_process(there) as job:  # as versions before wrote the command line
        (there / "pid").write_text(str(job.pid))
        assert ssh.phase_of(sent) == "running"
        ssh.stop(sent)
        assert job.wait(10)


def old_process(folder: Path) -> subprocess.Popen[bytes]:
    words = ["-c", "import time; time.sleep(600)", "job", "run", "job.vftjob", "--events", "events.jsonl"]
    return subprocess.Popen([sys.executable, *words], cwd=folder)


def test_what_is_wrong_is_said_and_nothing_is_sent(host, project, run, monkeypatch):
    wrong = Host(address=host.address, options=("-p", "1", *host.options), program=host.program)
    for place in (wrong, Host(address=host.address, options=host.options, program="/none/visionft")):
        code, printed, told = run(*submit_words(place, project, epochs=2))
        assert code == 2 and not printed and host.address in told, told
    with monkeypatch.context() as patch:
        patch.setenv("VISIONFT_OFFLINE", "1")
        code, _, told = run(*submit_words(host, project, epochs=2))
        assert code == 2 and "VISIONFT_OFFLINE" in told
    assert not sent_jobs(project) and not list((project.parent / "home").glob(".visionft-jobs/*/*"))
    for address in ("-oProxyCommand=touch x", "a b", ""):
        with pytest.raises(VisionFTError):
            Host(address=address)


def test_the_wheel_of_this_program_installs_and_starts(tmp_path):
    wheel, target = write_wheel(tmp_path), tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True)
    program = f"import sys; sys.path.insert(0, {str(target)!r}); import visionft; print(visionft.__file__)"
    done = subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(str(target))
    started = subprocess.run(
        [target / "bin" / "visionft", "--version"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(target)},
    )
    assert started.returncode == 0, started.stderr
