"""`visionft job pack`, `run` and `import`: training on another computer by files that are carried there and back."""

import tempfile
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from visionft.amounts import size_text
from visionft.cli import completion
from visionft.cli.arguments import Json, ProjectDir
from visionft.cli.next_steps import joined
from visionft.cli.output import opened_project, print_result, running_job, table, write_err
from visionft.cli.schemas import prints
from visionft.project.names import count_of
from visionft.remote import job_file, ssh, starting
from visionft.remote.contents import PackedJob
from visionft.remote.host import PROGRAM, Host, RemoteError
from visionft.remote.job_file import RESULT_SUFFIX
from visionft.remote.sent_jobs import SentJob, confirm_host, sent_job, sent_jobs
from visionft.training.run_settings import run_settings

JobFile = Annotated[Path, Argument(metavar="JOB", help="The file that `visionft job pack` wrote.")]


Preset = Annotated[str | None, Option(help="quick, balanced or best.", autocompletion=completion.presets)]
RecipeFile = Annotated[Path | None, Option("--recipe", metavar="FILE", help="Train with the settings of a recipe.")]
Settings = Annotated[
    list[str] | None, Option("--set", metavar="KEY=VALUE", help="Any other setting, such as epochs=40.")
]
TrainsOn = Annotated[str, Option("--device", help="What it will be trained on, for presets: cuda, mps or cpu.")]
Lossless = Annotated[
    bool, Option("--lossless", help="Pack the very pixels that training here would use: about twice as large.")
]
Program = Annotated[str, Option(metavar="PATH", help="The command visionft there; else it is installed there once.")]
SshOptions = Annotated[
    list[str] | None,
    Option("--ssh", metavar="OPTION", help="An option of ssh, such as --ssh=-i --ssh=KEY; no project records it."),
]
JobNumber = Annotated[str, Argument(metavar="[JOB]", help="The start of its number, where several were sent.")]


@prints({"file": Path, "packed": "visionft.remote.contents:PackedJob", "beside": [Path]})
def pack(
    project: ProjectDir,
    preset: Preset = None,
    recipe: RecipeFile = None,
    assignments: Settings = None,
    device: TrainsOn = "cuda",
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="Write it here; else beside the project.")
    ] = None,
    lossless: Lossless = False,
    starters: Annotated[
        list[str] | None, Option("--start-with", metavar="KIND", help="Also write slurm (a script) or notebook.")
    ] = None,
    json: Json = False,
) -> None:
    """Pack a training run to train on another computer.

    The file holds images, labels as numbers and settings, and no path, file name or class name.
    """
    wanted: list[starting.Kind] = [starting.checked_kind(each) for each in starters or ()]
    target, found = _packed(project, preset, recipe, assignments, device, output, lossless=lossless)
    beside = [starting.write_starter(kind, target) for kind in wanted]
    lines = [
        f"{target}: {_facts(found)}",
        "On the other computer, with VisionFT installed:",
        f"  {joined(['visionft', 'job', 'run', target.name])}",
        "Then here:",
        f"  {joined(['visionft', 'job', 'import', str(project), target.with_suffix(RESULT_SUFFIX).name])}",
        *(f"To start it there: {path}" for path in beside),
    ]
    print_result({"file": target, "packed": found, "beside": beside}, "\n".join(lines), as_json=json)


def _packed(
    project: Path,
    preset: str | None,
    recipe: Path | None,
    assignments: list[str] | None,
    device: str,
    output: Path | None,
    *,
    lossless: bool,
) -> tuple[Path, PackedJob]:
    with opened_project(project, read_only=True) as opened:
        images = opened.snapshot()
        path = opened.path
    chosen = preset if preset or recipe else "balanced"
    with running_job() as job:
        config = run_settings(
            images, path, {}, assignments or (), preset=chosen, recipe_file=recipe, trains_on=device, job=job
        )
    target = output or path.with_name(f"{path.name}{job_file.SUFFIX}")
    with running_job() as job:
        return target, job_file.pack_job(path, images, config, target, lossless=lossless, job=job)


def _facts(found: PackedJob) -> str:
    words = f"{count_of(found.images, 'image')}, their shorter side about {found.side} pixels at most, "
    left_out = f" {count_of(found.left_out, 'image')} left out: no decoder reads them." if found.left_out else ""
    return f"{words}{size_text(found.bytes)}.{left_out}"


@prints({"file": Path | None, "run": str, "stopped": bool, "seconds": float, "top1": dict[str, float]})
def run(
    file: JobFile,
    processes: Annotated[
        int, Option(min=1, max=64, help="Processes that train together, a device each (on each machine).")
    ] = 1,
    events: Annotated[
        Path | None, Option(metavar="FILE", help="Also write the events here, a line of JSON each.")
    ] = None,
    machines: Annotated[
        int, Option(min=1, max=1024, help="Machines that train together, each with this command, in one shared folder.")
    ] = 1,
    machine: Annotated[int, Option(min=0, max=1023, help="Number of this machine, from 0 on.")] = 0,
    main: Annotated[str, Option(metavar="HOST", help="Address of machine 0, for the others.")] = "",
    port: Annotated[int, Option(min=1024, max=65535, help="Port on which machine 0 listens.")] = 29500,
    json: Json = False,
) -> None:
    """Train a job, or go on with it, and write its result beside it.

    Ctrl-C ends it after the current step; the same command goes on.
    """
    from visionft.remote import running
    from visionft.remote.event_file import recorded

    with running_job() as job, recorded(job, events) as told:
        together = running.Machines(count=machines, number=machine, address=main, port=port)
        trained = running.run_job(file, processes=processes, machines=together, events=events, job=told)
        if trained is None:
            value = {"file": None, "run": "", "stopped": False, "seconds": 0.0, "top1": {}}
            print_result(value, f"Machine {machine} is done; machine 0 writes the result.", as_json=json)
            return
        if running.is_launched():  # the command that launched it evaluates and writes the result
            return
        run, evaluations = trained
        result = run.result
        assert result is not None, "it has ended"
        top1 = {split: each.top1 for split, each in evaluations.items()}
        target = None if result.stopped else running.result_file(file)
        value = {"file": target, "run": result.run, "stopped": result.stopped, "seconds": result.seconds, "top1": top1}
        again = joined(["visionft", "job", "run", str(file)])
        figures = ", ".join(f"{split} {share:.1%}" for split, share in top1.items())
        words = f"Stopped. It goes on with: {again}" if target is None else f"{target}: {figures or 'not evaluated'}."
        print_result(value, words, as_json=json)


@prints("visionft.remote.results:ImportedResult")
def import_result(
    project: ProjectDir,
    file: Annotated[Path, Argument(metavar="RESULT", help="The file that `visionft job run` wrote.")],
    json: Json = False,
) -> None:
    """Take the result of a job back into the project that packed it."""
    from visionft.remote import results

    with opened_project(project, read_only=True) as opened:
        images = opened.snapshot()
        path = opened.path
    with running_job() as job:
        found = results.import_result(path, images, file, job=job)
        rows = [
            (each.split, *("-" if share is None else f"{share:.1%}" for share in (each.there, each.here)), each.images)
            for each in found.measured
        ]
        lines = [f"{found.run}, trained on {found.device}."]
        if rows:
            lines.append(table(("split", "there", "here", "images"), rows))
        print_result(found, "\n".join([*lines, *found.remarks]), as_json=json)


@prints({"job": str, "address": str, "phase": str})
def submit(
    host: Annotated[str, Argument(metavar="HOST", help="As ssh takes it: user@host or ssh://user@host:2222.")],
    project: ProjectDir,
    preset: Preset = None,
    recipe: RecipeFile = None,
    assignments: Settings = None,
    device: TrainsOn = "cuda",
    lossless: Lossless = False,
    program: Program = PROGRAM,
    options: SshOptions = None,
    follows: Annotated[bool, Option("--follow/--no-follow", help="Follow it until it ends.")] = True,
    json: Json = False,
) -> None:
    """Train on another computer through OpenSSH.

    Ctrl-C ends only the following: the job goes on. See `visionft job status`.
    """
    place = Host.of(host, options=options or (), program=program)
    with running_job() as job:
        ssh.install(place, job=job)  # before minutes of packing
    with tempfile.TemporaryDirectory(prefix="visionft-job-") as folder:
        file, found = _packed(
            project, preset, recipe, assignments, device, Path(folder) / f"job{job_file.SUFFIX}", lossless=lossless
        )
        write_err(_facts(found))
        with running_job() as job:
            sent = ssh.submit(project, found.job, file, place, job=job)
    _follow(project, sent, follows=follows, as_json=json)


@prints([{"job": str, "address": str, "phase": str}], {"job": str, "address": str, "phase": str})
def status(
    project: ProjectDir,
    number: JobNumber = "",
    follows: Annotated[bool, Option("--follow", help="Follow it until it ends.")] = False,
    stops: Annotated[bool, Option("--stop", help="Stop it after its current step.")] = False,
    goes_on: Annotated[bool, Option("--continue", help="Go on with one that was stopped.")] = False,
    removes: Annotated[bool, Option("--remove", help="Delete its files there; its run here stays.")] = False,
    trusted: Annotated[
        str,
        Option("--trust", metavar="HOST", help="Confirm the address of a job that was sent from another computer."),
    ] = "",
    program: Program = PROGRAM,
    options: SshOptions = None,
    json: Json = False,
) -> None:
    """Show the jobs of a project on other computers; follow, stop, continue or remove one.

    A job that was not sent from here is asked about only after --trust HOST.
    """
    if (options or program != PROGRAM) and not trusted:
        raise RemoteError("--ssh and --program belong to --trust.", "Give --trust HOST too.")
    if not (number or follows or stops or goes_on or removes or trusted):
        _list(project, as_json=json)
        return
    sent = sent_job(project, number)
    if trusted:
        sent = confirm_host(sent, Host.of(trusted, options=options or (), program=program))
    if removes:
        _remove(project, sent, as_json=json)
        return
    sent.require_host()
    if stops:
        ssh.stop(sent)
    if goes_on:
        ssh.start(sent)
    _follow(project, sent, follows=follows, as_json=json)


def _list(project: Path, *, as_json: bool) -> None:
    jobs = sent_jobs(project)
    phases = ssh.phases_of(jobs)
    states = [phases.get(each.job, "out of reach") if each.is_confirmed else "not confirmed" for each in jobs]
    found = [(each.job[:8], each.host.name, state) for each, state in zip(jobs, states, strict=True)]
    values = [{"job": job, "address": address, "phase": phase} for job, address, phase in found]
    text = table(("job", "computer", "state"), found) if found else "No job of this project is elsewhere."
    print_result(values, text, as_json=as_json)
    for each in jobs:
        if not each.is_confirmed:
            trust = joined(["visionft", "job", "status", str(project), each.job, "--trust", each.host.name])
            write_err(f"Job {each.job[:8]} was not sent from here. If you know its computer: {trust}")
        if each.ignored:
            names = ", ".join(each.ignored)
            write_err(f"Its record also holds {names}: not used. Give --ssh and --program yourself where needed.")


def _remove(project: Path, sent: SentJob, *, as_json: bool) -> None:
    ssh.remove(project, sent)
    value = {"job": sent.job, "address": sent.host.address, "phase": "unknown"}
    text = f"The files of job {sent.job[:8]} on {sent.host.address} are deleted."
    if not sent.is_confirmed:
        text = f"The record of job {sent.job[:8]} is deleted here; {sent.host.address} was not asked."
    print_result(value, text, as_json=as_json)


def _follow(project: Path, sent: SentJob, *, follows: bool, as_json: bool) -> None:
    """Follow a job if wanted, and print its phase with the next command."""
    try:
        with running_job() as job:
            phase = ssh.follow(sent, job=job) if follows else ssh.phase_of(sent)
    finally:
        name = sent.job[:8]
        again = joined(["visionft", "job", "status", str(project), name, "--follow"])
        result = joined(["visionft", "job", "fetch", str(project), name])
        goes_on = joined(["visionft", "job", "status", str(project), name, "--continue", "--follow"])
        write_err(f"Job {name} on {sent.host.address}. Follow it: {again}")
    texts = {
        "finished": f"It has finished. Take its result back: {result}",
        "running": "It is running.",
        "ended": f"It ended without a result:\n{ssh.last_words(sent) if phase == 'ended' else ''}\nGo on: {goes_on}",
        "unknown": "It is no longer there.",
    }
    print_result({"job": sent.job, "address": sent.host.address, "phase": phase}, texts[phase], as_json=as_json)


@prints("visionft.remote.results:ImportedResult")
def fetch(project: ProjectDir, number: JobNumber = "", json: Json = False) -> None:
    """Bring the result of a submitted job back into the project."""
    sent = sent_job(project, number)
    with tempfile.TemporaryDirectory(prefix="visionft-job-") as folder:
        file = Path(folder) / f"job{RESULT_SUFFIX}"
        ssh.fetch(sent, file)
        import_result(project, file, json)
