"""The commands of the results page, for the selected run."""

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.results.results_page import ResultsPage


def results_actions(link: "PageLink[ResultsPage]") -> list[Action]:
    add = link.action
    return [
        add(
            "run.evaluate",
            "Evaluate the chosen run",
            lambda p: p.evaluate(),
            lambda p: p.why_not_evaluate(),
            menu="Run",
            is_rare=True,
        ),
        add(
            "run.again",
            "Train on from the chosen run",
            lambda p: p.train_again(),
            lambda p: p.why_not_train_on(),
            menu="Run",
            begins_group=True,
        ),
        add("run.combine", "Combine the chosen runs", lambda p: p.combine(), lambda p: p.why_not_combine(), menu="Run"),
        add("run.go_on", "Continue the chosen run", lambda p: p.go_on(), lambda p: p.why_not_go_on(), menu="Run"),
        add(
            "run.export_this",
            "Export the run chosen on Results",
            lambda p: p.export(),
            lambda p: p.why_not_use(),
            menu="Run",
            is_rare=True,
        ),
    ]
