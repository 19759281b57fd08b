"""The next step of an error as Python, or as a command where Python has no call; one row per action.

The command line words the same steps as commands (`visionft.cli.next_steps`), the window as buttons
(`gui.next_steps`). A test holds that no action is missing.
"""

from pathlib import Path
from typing import Final

from visionft.errors import Action, NextStep
from visionft.installation import packages_of, refusal

# A word in braces is a fact of the step, else a placeholder. `project` and `run` are the variables of the user.
CALLS: Final[dict[Action, str]] = {
    "create_project": "project = visionft.create({project})",
    "open_project": "project = visionft.open({project})",
    "import_images": "project.add({path})",
    "import_unlabelled": "project.add({path}, without_labels=True)",
    "choose_columns": 'project.add({path}, label_column="NAME")',
    "take_marks": "project.add({path}, from_boxes=True)",
    "label": 'project.label(image_ids, "CLASS")',
    "embed": "project.suggest()",
    "find_issues": 'project.check("duplicates")',
    "keep_best": "in a terminal: visionft curate duplicates {project} --keep-best --yes",
    "mend": "in a terminal: visionft curate leaks {project} --mend --yes",
    "decide_conflicts": 'project.label(image_ids, "CLASS")',
    "split": "project.split()",
    "split_without_test": "project.split(test=0)",
    "train": 'run = project.train("balanced")',
    "resume": "project.run({run}).resume()",
    "evaluate": "project.run({run}).evaluate({split})",
    "combine": "in a terminal: visionft run combine {project} RUN RUN",
    "export": 'project.run({run}).export("FOLDER")',
    "restore": "in a terminal: visionft project restore {project}",
    "check": "in a terminal: visionft project check {project}",
    "relink": "in a terminal: visionft project relink {project} FOLDER",
    "fetch_weights": "in a terminal: visionft weights fetch {backbone}",
    "import_weights": "in a terminal: visionft weights import {path} --as {backbone}",
    "remove_weights": "in a terminal: visionft weights remove {backbone}",
    "list_weights": "in a terminal: visionft weights list --here",
    "list_settings": 'project.settings("balanced")',
    "allow_network": 'del os.environ["HF_HUB_OFFLINE"], then start Python again',
    "confirm_host": "in a terminal: visionft job status {project} {job} --trust {address}",
    "diagnose": "in a terminal: visionft doctor",
    "install": "%pip install {requirement}",
}
_BLANKS: Final = {
    "project": Path("PROJECT"), "run": "RUN", "split": "val", "backbone": "BACKBONE", "path": Path("FILE_OR_FOLDER"),
    "job": "JOB", "address": "HOST",
}  # fmt: skip


def call_for(step: NextStep) -> str:
    """Return the next step as a line of Python; where this interface has no call for it, as a command."""
    if step.action == "install":
        reason = refusal(step.requirement)
        return str(reason) if reason else CALLS["install"].format(requirement=" ".join(packages_of(step.requirement)))
    template = CALLS[step.action]
    show = str if template.startswith("in a terminal") else lambda value: repr(str(value))
    facts = {name: show(getattr(step, name) or blank) for name, blank in _BLANKS.items()}
    return template.format(**facts)
