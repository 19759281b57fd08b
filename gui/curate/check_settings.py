"""The dialog for the settings of a check, which are fields of the check itself."""

from PySide6.QtWidgets import QWidget

from gui.kit.dialogs import Dialog
from gui.kit.forms import ConfigForm
from gui.kit.parts import Button, verbatim
from gui.kit.translation import tr
from models.messages import Message
from models.settings import range_problems
from visionft.curation.check import Check


class CheckSettings(Dialog):
    """The settings of a check as a form; accepted by the button that runs it, while all are valid."""

    def __init__(self, check: Check, usual: Check, parent: QWidget | None) -> None:
        """Args: `check` has the settings to show, `usual` those of Reset."""
        super().__init__(parent, Message("{check}: settings", check=Message(check.title)), width=420)
        self.form = ConfigForm(check)
        self.form.set_default(usual)
        self.form.edited.connect(self._validate)
        self.run_button = Button("Find issues", role="primary")
        self.lay_out(verbatim(tr(check.summary), "muted", wrap=True), self.form, accept=self.run_button)

    def _validate(self) -> None:
        problems = range_problems(self.form.value())
        self.form.show_problems(problems)
        self.run_button.setEnabled(not problems)
