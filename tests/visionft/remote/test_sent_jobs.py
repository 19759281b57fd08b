"""The record of a sent job comes from anybody: it names an address, and nothing connects to it before it is confirmed.

A program `ssh` that writes down its arguments stands in for OpenSSH; test_ssh.py uses the real one.
"""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from visionft.cli.next_steps import command_for
from visionft.project.store import Project, duplicate_project
from visionft.remote import ssh
from visionft.remote.host import PROGRAM, Host, RemoteError
from visionft.remote.job_file import kept_job
from visionft.remote.packed_file import PackedFileError
from visionft.remote.sent_jobs import SENT, SentJob, confirm_host, open_jobs, record_sent, remove_record, sent_jobs

JOB = "11111111-2222-3333-4444-555555555555"
HOSTILE = {"address": "me@there", "options": ["-o", "ProxyCommand=touch PWNED"], "program": "touch", "port": 22}


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function: -> the arguments of every call of `ssh` so far."""
    if os.name == "nt":
        pytest.skip("needs a script as a program")
    folder, log = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    program = f"#!{sys.executable}\nimport json, sys\nwith open({str(log)!r}, 'a') as file:\n"
    (folder / "ssh").write_text(f"{program}    print(json.dumps(sys.argv[1:]), file=file)\nprint('unknown')\n")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("VISIONFT_OFFLINE", raising=False)
    return lambda: [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def new_project(folder: Path) -> Path:
    with Project.create(folder / "project") as project:
        return project.path


def write_record(project: Path, values: object, *, job: str = JOB) -> Path:
    record = project / "jobs" / job / SENT
    record.parent.mkdir(parents=True)
    record.write_text(values if isinstance(values, str) else json.dumps(values))
    return record


@pytest.mark.parametrize("words", [(), ("--follow",), ("--stop",), ("--continue",), (JOB,)])
def test_no_command_connects_to_an_address_that_only_the_project_states(words, calls, run, tmp_path):
    project = new_project(tmp_path)
    write_record(project, HOSTILE)
    code, _, told = run("job", "status", project, *words)
    assert calls() == []
    assert code == (2 if words else 0) and f"visionft job status {project} {JOB} --trust ssh://me@there:22" in told
    assert words or "options, program: not used" in told
    assert run("job", "fetch", project)[0] == 2 and calls() == []


def test_a_confirmed_job_is_asked_about_without_the_options_of_the_project(calls, run, tmp_path):
    project = new_project(tmp_path)
    write_record(project, HOSTILE)
    (sent,) = sent_jobs(project)
    assert sent.host == Host(address="me@there", port=22) and sent.ignored == ("options", "program")
    with pytest.raises(RemoteError) as raised:
        sent.require_host()
    assert raised.value.next_step is not None
    words = shlex.split(command_for(raised.value.next_step.on(project)))
    assert run(*words[1:])[0] == 0  # as printed
    assert run("job", "status", project, "--continue")[0] == 0
    for arguments in calls():
        *options, address, script = arguments
        assert options[-3:] == ["-p", "22", "--"] and address == "me@there" and "touch" not in script
        assert not any("ProxyCommand" in each for each in arguments)
    assert any(f"{PROGRAM} job run" in arguments[-1] for arguments in calls())


def test_another_address_than_the_stated_one_is_not_confirmed(calls, run, tmp_path):
    project = new_project(tmp_path)
    write_record(project, HOSTILE)
    code, _, told = run("job", "status", project, "--trust", "me@elsewhere")
    assert code == 2 and "me@elsewhere" in told and "me@there" in told and calls() == []
    assert not sent_jobs(project)[0].is_confirmed


def test_options_of_the_user_are_recorded_outside_the_project(calls, run, tmp_path):
    project = new_project(tmp_path)
    write_record(project, HOSTILE)
    options = ("--ssh=-i", "--ssh=key", "--ssh=-p", "--ssh=2222", "--program", "bin/visionft")
    assert run("job", "status", project, "--trust", "me@there", *options)[0] == 0
    (sent,) = sent_jobs(project)
    assert sent.host == Host(address="me@there", port=2222, options=("-i", "key"), program="bin/visionft")
    assert "key" not in (project / "jobs" / JOB / SENT).read_text()
    assert run("job", "status", project, "--ssh=-v")[0] == 2  # options without a confirmed address


def test_a_changed_record_changes_nothing_of_a_job_that_was_sent_from_here(tmp_path):
    sent = SentJob(job=JOB, host=Host(address="me@there", options=("-i", "key"), program="bin/visionft"))
    (tmp_path / "jobs" / JOB).mkdir(parents=True)
    record_sent(tmp_path, sent)
    record = tmp_path / "jobs" / JOB / SENT
    assert json.loads(record.read_text()) == {"address": "me@there", "port": None}
    record.write_text(json.dumps(HOSTILE | {"address": "me@elsewhere"}))
    assert sent_jobs(tmp_path) == (sent,)


@pytest.mark.parametrize(
    "job", ["11111111-a;touch X;", "-oX", "zz", "..", f"{JOB}\n", JOB.replace("1", "A"), f"{JOB};ls"]
)
def test_a_folder_that_is_no_uuid_is_no_job(job, tmp_path):
    if os.name == "nt":
        pytest.skip("Windows has no such folders")
    with pytest.raises(RemoteError):
        SentJob(job=job, host=Host(address="me@there"))
    if job != "..":
        write_record(tmp_path, {"address": "me@there"}, job=job)
    assert sent_jobs(tmp_path) == open_jobs(tmp_path) == ()


@pytest.mark.parametrize("number", ["..", "../elsewhere", "/", ".", ""])
def test_a_result_names_its_job_by_a_uuid(number, tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(PackedFileError, match="packed no such job"):
        kept_job(tmp_path, number)


@pytest.mark.parametrize(
    "values",
    [
        "no JSON",
        [],
        {},
        {"address": "-oProxyCommand=x"},
        {"address": "me@-oX"},
        {"address": "a b"},
        {"address": "me@there", "port": "22"},
        {"address": "me@there", "port": True},
        {"address": "me@there", "port": 70000},
        {"address": "me@there", "port": -1},
        {"address": "$(touch X)"},
        {"address": "x" * 1000},
        '{"address": "me@there"' + " " * 200_000 + "}",
    ],
)
def test_a_damaged_or_unsafe_record_is_no_job(values, tmp_path):
    write_record(tmp_path, values)
    assert sent_jobs(tmp_path) == ()


def test_a_folder_that_is_a_link_is_no_job_and_nothing_behind_it_is_deleted(tmp_path):
    outside = write_record(tmp_path / "outside", {"address": "me@there"})
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "jobs").symlink_to(tmp_path / "outside" / "jobs", target_is_directory=True)
    (tmp_path / "two" / "jobs").mkdir(parents=True)
    (tmp_path / "two" / "jobs" / JOB).symlink_to(outside.parent, target_is_directory=True)
    assert sent_jobs(tmp_path / "one") == sent_jobs(tmp_path / "two") == ()


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("me@there", "me@there", None),
        ("there", "there", None),
        ("ssh://there", "there", None),
        ("ssh://me@there:2222", "me@there", 2222),
        ("ssh://me@[::1]:22", "me@::1", 22),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("me@[fe80::1%eth0]", "me@fe80::1%eth0", None),
        ("me@[::1]:22", "me@::1", 22),
        ("[-oX]", "", None),
        ("[::1", "", None),
        ("[::1]:0", "", None),
        ("ssh://::1", "", None),
        ("ssh://-oX@there", "", None),
        ("ssh://there:0", "", None),
        ("ssh://me@there:22/x", "", None),
    ],
)
def test_an_address_is_read_with_its_port(text, address, port):
    if not address:
        with pytest.raises(RemoteError):
            Host.of(text)
        return
    found = Host.of(text)
    assert (found.address, found.port) == (address, port) and Host.of(found.name) == found


def test_the_jobs_of_a_copied_project_are_unknown_on_another_computer(calls, tmp_path, monkeypatch):
    project = new_project(tmp_path)
    write_record(project, HOSTILE)
    (sent,) = sent_jobs(project)
    confirm_host(sent, sent.host)
    with Project.open(project, read_only=True) as opened:
        duplicate_project(opened, tmp_path / "copy")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    copied = sent_jobs(tmp_path / "copy")
    assert [each.is_confirmed for each in copied] == [False] and ssh.phases_of(copied) == {} and calls() == []


def test_the_record_of_an_unknown_job_is_deleted_without_a_connection(calls, run, tmp_path):
    project = new_project(tmp_path)
    write_record(project, HOSTILE)
    code, _, told = run("job", "status", project, JOB, "--remove")
    assert code == 0 and not sent_jobs(project) and calls() == [], told


def test_a_removed_job_is_forgotten_here(tmp_path):
    sent = SentJob(job=JOB, host=Host(address="me@there"))
    (tmp_path / "jobs" / JOB).mkdir(parents=True)
    record_sent(tmp_path, sent)
    remove_record(tmp_path, sent)
    shutil.rmtree(tmp_path / "jobs")
    write_record(tmp_path, {"address": "me@there"})
    assert not sent_jobs(tmp_path)[0].is_confirmed
