"""What a run costs: what learnt, memory, seconds, size, time an answer, and what was forgotten. Torch-free.

Training notes some of it (`result.json`); the rest is measured once (`visionft.evaluation.pricing`) and kept in the
run's folder (`price.json`). A time holds for the computer that it was measured on.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from visionft.files import read_json, write_json
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER, RunSummary

logger = logging.getLogger(__name__)

PRICE_FILE = "price.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTime:
    """How long a run takes for one decoded picture: preprocessing and network, in fp32, one picture at a time.

    Attributes:
        pictures: How many pictures were taken in turn; they are the same for all runs of a project.
        device: What computed, and with how many threads, for people.
        computer: Which computer it was: times of others are not compared.
    """

    median_ms: float
    p95_ms: float
    runs: int
    pictures: int
    device: str
    computer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OldHead:
    """What a classifier head from before the run still says on the features of after it.

    Attributes:
        kind: `pretrained`: the head of the weights that the run began with. `run`: that of the run it went on from.
        source: The file of those weights, or the run.
        classes: How many classes that head tells apart.
        pictures: On how many validation pictures both were asked; for a `run`, those of its own classes.
        agreement: Share of them on which the answer is the one that it gave on the features of before.
        accuracy_before: For a `run`: the share that was right.
        accuracy: Likewise, on the features of now.
    """

    kind: Literal["pretrained", "run"]
    source: str
    classes: int
    pictures: int
    agreement: float
    accuracy_before: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPrice:
    """What is measured of a run once it is made; the content of `price.json`.

    Attributes:
        weights: Hash of the weights that were measured: training that goes on may replace them.
        shipped_bytes: All tensors that an answer needs, in fp32, what the parts of a combination share counting once:
            what an export writes, but for its graph.
        drift: 1 - mean cosine similarity of validation features with the pretrained network's; None for random weights.
        drift_pictures: How many pictures that was measured on.
        old_heads: What is left of the heads that there were before.
    """

    weights: str
    shipped_bytes: int
    time: AnswerTime
    drift: float | None = None
    drift_pictures: int = 0
    old_heads: tuple[OldHead, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of a run; None stands for what was not measured (yet).

    Attributes:
        trainable_share: Share of all parameters that learnt.
        memory_mb: The most memory that making it took, in MiB: the device's on CUDA, else the process's.
        seconds: What making it took, reading the pictures included.
        learnt_bytes: What was learnt, as the checkpoint holds it.
        shipped_bytes: As in `MeasuredPrice`.
        time: As in `MeasuredPrice`.
        drift: As in `MeasuredPrice`, or as training measured it.
        old_heads: As in `MeasuredPrice`.
    """

    trainable_parameters: int | None = None
    trainable_share: float | None = None
    memory_mb: int | None = None
    seconds: float | None = None
    learnt_bytes: int | None = None
    shipped_bytes: int | None = None
    time: AnswerTime | None = None
    drift: float | None = None
    old_heads: tuple[OldHead, ...] = ()


UNKNOWN = Price()


def price_of(run: RunSummary, parts: Sequence[RunSummary] = ()) -> Price:
    """Return what is known of the price of a run: by its training, and by measuring it where that was done.

    Args:
        run: The run.
        parts: Of a combination those runs that it is made of: without them there is no combination, so they count.
    """
    own = _own_price(run)
    if not parts:
        return own
    others = [_own_price(part) for part in parts]
    return replace(
        own,
        trainable_parameters=None,
        trainable_share=None,
        seconds=sum(price.seconds or 0.0 for price in (own, *others)),
        memory_mb=max(price.memory_mb or 0 for price in (own, *others)) or None,
        learnt_bytes=sum(price.learnt_bytes or 0 for price in others) or None,  # it learnt nothing of its own
    )


def _own_price(run: RunSummary) -> Price:
    result, measured = run.result, read_price(run.path)
    price: dict[str, Any] = {}
    if result is not None:
        price = {
            "trainable_parameters": result.trainable_parameters,
            "trainable_share": result.trainable_parameters / max(1, result.total_parameters),
            "memory_mb": result.peak_memory_mb or None,  # 0 where an earlier program did not look
            "seconds": result.seconds,
            "learnt_bytes": result.artefact_bytes or None,
            # A run that went on from another one compared itself with that one's features.
            "drift": None if run.config.start_from else result.feature_drift,
        }
    if measured is not None:
        price |= {
            "shipped_bytes": measured.shipped_bytes,
            "time": measured.time,
            "drift": measured.drift,
            "old_heads": measured.old_heads,
        }
    return Price(**price)


def read_price(run_dir: Path) -> MeasuredPrice | None:
    """Return what was measured of a run; None when there is nothing that can be read and is of its weights."""
    try:
        values = read_json(run_dir / PRICE_FILE)
        heads = tuple(OldHead(**each) for each in values["old_heads"])
        found = MeasuredPrice(**{**values, "time": AnswerTime(**values["time"]), "old_heads": heads})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The price in %s cannot be read: %s", run_dir, error)
        return None
    kept = weights_hash(run_dir / BEST_FOLDER)
    return found if not kept or found.weights == kept else None


def write_price(run_dir: Path, price: MeasuredPrice) -> None:
    """Keep in a run's folder what was measured of it."""
    write_json(run_dir / PRICE_FILE, asdict(price))
