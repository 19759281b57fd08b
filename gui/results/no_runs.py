"""What the results page shows while there are no runs: how to get some, or what is being made. Knows Qt only."""

from collections.abc import Callable

from gui.kit.empty_state import EmptyState
from gui.kit.parts import Button


class NoRuns(EmptyState):
    """Two ways on: train, or answer at once."""

    def __init__(self, *, on_make: Callable[[], object]) -> None:
        super().__init__("results", "", "", "Train a model")
        self.make_button = Button("Answer without training", "sample", on_click=on_make)
        self.add_way(self.make_button)

    def show_state(self, *, is_open: bool, stage: str) -> None:
        """Say what there is to do in a project that is open, or is being done (`stage`), or that none is open."""
        words = "Train a model. Its curves, its mistakes and the reasons for them show here."
        if not is_open:
            self.show_words("No project open", "Open a project to see its training runs.", "To Project")
        elif stage:
            self.show_words("Answering without training", f"{stage} …", "")
        else:
            self.show_words("No runs yet", words, "Train a model")
        self.make_button.setVisible(is_open and not stage)
