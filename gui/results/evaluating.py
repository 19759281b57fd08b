"""What the results page does in a task: measuring a run. The learning libraries load when it starts, not before."""

from pathlib import Path
from typing import TYPE_CHECKING

from visionft.events import OnEvent, Progress, ShouldStop

if TYPE_CHECKING:
    from visionft.data.types import Snapshot, Split


def evaluate(
    run_dir: Path, images: "Snapshot", split: "Split", *, on_event: OnEvent, should_stop: ShouldStop
) -> object:
    """Measure a run on a split, in a task; figures and predictions are kept in its folder."""
    on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
    from visionft.evaluation.report import evaluate_run

    return evaluate_run(run_dir, images, split, on_event=on_event, should_stop=should_stop)
