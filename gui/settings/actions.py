"""The command of the settings page."""

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.settings.page import SettingsPage


def settings_actions(link: "PageLink[SettingsPage]") -> list[Action]:
    """Return the commands."""
    return [
        link.action("run.weights", "Pretrained weights", lambda p: p.show_weights_button.click(), needs_project=False,
                    menu="Run", begins_group=True, also="fetch import remove offline backbone"),
        link.action("run.check", "Check this computer", lambda p: p.check(), lambda p: p.why_not_check(),
                    needs_project=False, menu="Run"),
    ]  # fmt: skip
