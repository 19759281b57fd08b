"""The cost of a run: trained share, memory, seconds, size, latency, and the change of its features. Torch-free.

Training records some of it (`result.json`); the rest is measured once (`cost_measurement`) and saved in the run's
folder (`cost.json`). A time is valid for the computer of its measurement only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from visionft.files import read_json, write_json
from visionft.records import none_if_unreadable
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER, RunSummary

COST_FILE = "cost.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionTime:
    """The latency of a run for one decoded image: preprocessing and network, in fp32, one image at a time.

    Attributes:
        images: Number of timed images; the same images for all runs of a project.
        device: Compute device and number of threads, for people.
        computer: Id of the computer: times of different computers are not compared.
    """

    median_ms: float
    p95_ms: float
    runs: int
    images: int
    device: str
    computer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierHead:
    """The classifier head of the run that a run was continued from, on the features before and after.

    Attributes:
        classes: Number of its classes; `images` are validation images of them, or test images where it has seen those.
        accuracy_before: Accuracy on the features of the earlier run; `accuracy` on those of this run.
    """

    run: str
    classes: int
    images: int
    accuracy_before: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCost:
    """The cost measured after a run; the content of `cost.json`.

    Attributes:
        weights: Hash of the measured weights: continued training may replace them.
        shipped_bytes: All tensors needed for a prediction, in fp32, tensors shared by the members of an ensemble
            counted once: the size of an export without its graph.
        earlier_head: None for a run that was not continued from another one.
    """

    weights: str
    shipped_bytes: int
    time: PredictionTime
    earlier_head: EarlierHead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """The cost of a run; None stands for values not measured (yet).

    Attributes:
        memory_mb: Peak memory of training, in MiB: the device's on CUDA, else the process's.
        seconds: Training time, reading the images included.
        reached_s: When its model was there, counted as `seconds`; None where an earlier version did not record it.
        trained_bytes: Size of the trained parameters, as stored in the checkpoint.
        drift: 1 - mean cosine similarity of validation features with the pretrained network's.
    """

    trainable_parameters: int | None = None
    trainable_share: float | None = None
    memory_mb: int | None = None
    seconds: float | None = None
    reached_s: float | None = None
    trained_bytes: int | None = None
    shipped_bytes: int | None = None
    time: PredictionTime | None = None
    drift: float | None = None
    earlier_head: EarlierHead | None = None


UNKNOWN = RunCost()


def cost_of_run(run: RunSummary, members: Sequence[RunSummary] = ()) -> RunCost:
    """Return the known cost of a run, from training and from later measurements.

    For an ensemble, the cost of its members is included: they are needed to make it.
    """
    cost = UNKNOWN
    result = run.result
    measured = read_cost(run.path)
    if result is not None:
        cost = RunCost(
            trainable_parameters=result.trainable_parameters,
            trainable_share=result.trainable_parameters / max(1, result.total_parameters),
            memory_mb=result.peak_memory_mb or None,  # 0 where an earlier version did not measure it
            seconds=result.seconds,
            reached_s=(result.best.at_s or None) if result.best is not None else None,
            trained_bytes=result.artefact_bytes or None,
            # A continued run compared itself with the features of the earlier run.
            drift=None if run.config.start_from else result.feature_drift,
        )
    if measured is not None:
        known = {name: getattr(measured, name) for name in ("shipped_bytes", "time", "earlier_head")}
        cost = replace(cost, **known)
    if not members:
        return cost
    others = [cost_of_run(member) for member in members]
    return replace(
        cost,
        trainable_parameters=None,
        trainable_share=None,
        seconds=sum(each.seconds or 0.0 for each in (cost, *others)),
        reached_s=None,
        memory_mb=max(each.memory_mb or 0 for each in (cost, *others)) or None,
        trained_bytes=sum(each.trained_bytes or 0 for each in others) or None,  # an ensemble trains nothing of its own
    )


@none_if_unreadable
def read_cost(run_dir: Path) -> MeasuredCost | None:
    """Return the measured cost of a run; None without a readable file for its current weights."""
    values = read_json(run_dir / COST_FILE)
    head = EarlierHead(**values["earlier_head"]) if values["earlier_head"] is not None else None
    cost = MeasuredCost(**{**values, "time": PredictionTime(**values["time"]), "earlier_head": head})
    current = weights_hash(run_dir / BEST_FOLDER)
    return cost if not current or cost.weights == current else None


def write_cost(run_dir: Path, cost: MeasuredCost) -> None:
    write_json(run_dir / COST_FILE, asdict(cost))
