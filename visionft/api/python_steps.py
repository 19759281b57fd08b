"""The next step of an error as Python, or as a command where Python has no call; one row per action.

The command line words the same steps as commands (`visionft.cli.next_steps`), the window as buttons
(`gui.next_steps`). A test holds that no action is missing.
"""

from pathlib import Path
from typing import Final

from visionft.core.errors import Action, NextStep
from visionft.core.installation import packages_of, refusal

# Commands stay where the work is about this computer, not about a project: its disk space and its health.
# A word in braces is a fact of the step, else a placeholder. `project` and `run` are the variables of the user.
CALLS: Final[dict[Action, str]] = {
    "create_project": "project = visionft.create({project})",
    "open_project": "project = visionft.open({project})",
    "import_images": "project.add({path})",
    "import_unlabelled": "project.add({path}, without_labels=True)",
    "choose_columns": 'project.add({path}, label_column="NAME")',
    "take_marks": "project.add({path}, from_boxes=True)",
    "label": 'project.label(image_ids, "CLASS")',
    "find_issues": 'project.check("duplicates")',
    "keep_best": "project.keep_best(sure=True)",
    "mend": "project.mend_leaks(sure=True)",
    "decide_conflicts": 'project.label(image_ids, "CLASS")',
    "split": "project.split()",
    "split_without_test": "project.split(test=0)",
    "train": 'run = project.train("balanced")',
    "resume": "project.run({run}).resume()",
    "evaluate": "project.run({run}).evaluate({split})",
    "combine": "project.combine([1, 2])",
    "export": 'project.run({run}).export("FOLDER")',
    "restore": "project = visionft.restore({project})",
    "check": "project.repair()",
    "relink": 'project.relink("FOLDER")',
    "fetch_weights": "visionft.fetch_weights({backbone})",
    "import_weights": "visionft.import_weights({path}, {backbone})",
    "remove_weights": "in a terminal: visionft weights remove {backbone}",
    "list_weights": "in a terminal: visionft weights list --here",
    "list_settings": 'project.settings("balanced")',
    "allow_network": 'del os.environ["HF_HUB_OFFLINE"], then start Python again',
    "diagnose": "in a terminal: visionft doctor",
    "install": "%pip install {requirement}",
}
_BLANKS: Final = {
    "project": Path("PROJECT"),
    "run": "RUN",
    "split": "val",
    "backbone": "BACKBONE",
    "path": Path("FILE_OR_FOLDER"),
}


def call_for(step: NextStep) -> str:
    """Return the next step as a line of Python; where this interface has no call for it, as a command."""
    if step.action == "install":
        reason = refusal(step.requirement)
        return str(reason) if reason else CALLS["install"].format(requirement=" ".join(packages_of(step.requirement)))
    template = CALLS[step.action]
    show = str if template.startswith("in a terminal") else lambda value: repr(_shown(value))
    facts = {name: show(getattr(step, name) or blank) for name, blank in _BLANKS.items()}
    return template.format(**facts)


def _shown(value: object) -> str:
    """Return a fact as text; a path below the current folder as it would be typed there."""
    if isinstance(value, Path) and value.is_relative_to(Path.cwd()):
        return str(value.relative_to(Path.cwd()))
    return str(value)
