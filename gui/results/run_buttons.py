"""The buttons at the head of the results page, about the runs that are chosen there. Knows Qt, commands and runs."""

from collections.abc import Callable, Sequence

from gui.actions import Actions
from gui.kit.i18n import tr
from gui.kit.parts import Button
from gui.kit.run_rows import can_continue
from visionft.training.runs.run_folder import RunSummary

Act = Callable[[], object]


class RunButtons:
    """Go on, combine, train on, more, export: those that make sense for what is chosen are there."""

    def __init__(
        self, actions: Actions, *, on_go_on: Act, on_combine: Act, on_again: Act, on_more: Act, on_export: Act
    ) -> None:
        self.go_on = Button("Continue", "refresh", on_click=on_go_on)
        self.combine = Button("Combine", "layers", on_click=on_combine)
        self.again = Button("Train on", "train", on_click=on_again)
        self.more = Button("More", "chevron-down", on_click=on_more)
        self.more.setToolTip(tr("Rename, pin, open folder, delete weights"))
        self.export = Button("Export this model", "export", role="primary", on_click=on_export)
        again = tr("A new run with these settings on the labels of now; what was trained goes on from its best weights")
        actions.attach(self.again, "run.again", again)
        together = tr("Let the chosen runs answer as one, each with a share that suits the validation pictures")
        actions.attach(self.combine, "run.combine", together)
        actions.attach(self.go_on, "run.go_on", tr("Go on with this run, from its last checkpoint"))
        actions.attach(self.export, "run.export_this", tr("Make one file of the chosen run"))

    def all(self) -> tuple[Button, ...]:
        """Return the buttons in their order."""
        return (self.combine, self.go_on, self.again, self.more, self.export)

    def show_for(self, chosen: Sequence[RunSummary], *, has_runs: bool) -> None:
        """Show what can be done with these runs; what is solved for at once is made anew, not trained on."""
        run = next(iter(chosen), None)
        is_solved = run is not None and not run.config.total_epochs and not run.parts
        self.go_on.setVisible(run is not None and can_continue(run))
        self.again.setText(tr("Make it anew" if is_solved else "Train on"))
        self.combine.setVisible(len(chosen) > 1)
        for button in (self.again, self.more, self.export):
            button.setVisible(has_runs)
