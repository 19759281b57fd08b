"""What an export was measured to be. Torch-free, so that screens and reports can read it."""

from dataclasses import dataclass
from pathlib import Path

from visionft.data.types import Split
from visionft.evaluation.timing import Spread
from visionft.export.contents import FLOAT_MODEL_FILE, MODEL_FILE, listed_files, read_record
from visionft.export.precision.variants import Variant, read_variants
from visionft.export.publishing import settle

MAX_ABS_DIFF = 1e-3
MAX_DISTANCE_DIFF = 1e-2  # in units of the border, which no picture is told from more finely


@dataclass(frozen=True, kw_only=True)
class Border:
    """From where on a picture counts as unlike those that the model learned from.

    Attributes:
        kind: How the distance is computed.
        split: Whose distances it was drawn from: validation, or training pictures too, held out one fold at a time.
        pictures: How many these were.
        share: Of such pictures, how many are nearer than the border, and so pass as like the others.
    """

    kind: str
    split: Split
    pictures: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How the exported file compares with PyTorch on real validation pictures.

    Attributes:
        max_abs_diff: Largest difference of any probability.
        max_distance_diff: Largest difference of any distance, in units of its border; 0 where the file has none.
        top1_agreement: Share of pictures with the same top class, between 0 and 1.
        batches: The batch sizes that were tried.
    """

    images: int
    max_abs_diff: float
    top1_agreement: float
    batches: tuple[int, ...]
    max_distance_diff: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Tell whether the export may be kept."""
        is_near = self.max_abs_diff <= MAX_ABS_DIFF and self.max_distance_diff <= MAX_DISTANCE_DIFF
        return is_near and self.top1_agreement == 1.0


@dataclass(frozen=True, kw_only=True)
class Latency(Spread):
    """How long the file takes for one decoded picture, measured by ONNX Runtime on this machine.

    Attributes:
        provider: What really ran it, such as CPUExecutionProvider.
        width: Of the picture in pixels, as is `height`: resizing it is part of the time.
    """

    provider: str
    width: int
    height: int

    @property
    def hardware(self) -> str:
        """Return what ran it, for people."""
        return self.provider.removesuffix("ExecutionProvider")


@dataclass(frozen=True, kw_only=True)
class SampleRun:
    """What came of a program beside the model that was run by itself.

    Attributes:
        name: Of its language (`visionft.export.bundle.samples`).
        output: What it printed of some validation pictures; empty where it was not run to its end.
        agrees: Whether these are this program's answers; None where it was not run to its end.
        why_not: Why it was not.
        models: The files of the export that it was run with; of those that are recorded `output` is of the first.
    """

    name: str
    models: tuple[str, ...] = ()
    output: str = ""
    agrees: bool | None = None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Where the export is and what it was measured to be.

    Attributes:
        float_model: The second file, for those who preprocess themselves; None where it was not wanted.
        border: From where on a picture is unlike the training pictures; None where there were too few to tell.
        remembered: How many labelled pictures lie beside the file, for evidence.
        files: Everything that was written beside the record, the model included.
        samples: What came of those programs beside it that were to be run.
        large_ms: How long the graph prepares a picture of 12 megapixels; 0 in the records of earlier versions.
        variants: The smaller files beside it, and those that were tried and not kept.
    """

    model: Path
    bytes: int
    sha256: str
    temperature: float
    opset: int
    parity: Parity
    latency: Latency
    float_model: Path | None = None
    border: Border | None = None
    remembered: int = 0
    samples: tuple[SampleRun, ...] = ()
    files: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    large_ms: float = 0.0


def read_export(folder: Path) -> ExportResult | None:
    """Return what an earlier export into `folder` was measured to be; None when there is none that can be read.

    The record holds only for the file that it was written with: another size means that it was replaced.
    """
    settle(folder)
    model, float_model = folder / MODEL_FILE, folder / FLOAT_MODEL_FILE
    record = read_record(folder)
    if record is None:
        return None
    try:
        parity = record["parity"]
        if model.stat().st_size != record["bytes"]:
            return None
        return ExportResult(
            model=model,
            bytes=record["bytes"],
            sha256=record["sha256"],
            temperature=record["temperature"],
            opset=record["opset"],
            parity=Parity(**{**parity, "batches": tuple(parity["batches"])}),
            latency=Latency(**record["latency"]),
            float_model=float_model if float_model.is_file() else None,
            border=Border(**record["border"]) if record.get("border") else None,
            remembered=int(record.get("remembered", 0)),
            files=tuple(listed_files(record) or ()),
            samples=tuple(
                SampleRun(name=name, **{**said, "models": tuple(said.get("models", ()))})
                for name, said in record.get("samples", {}).items()
            ),
            variants=read_variants(record, folder),
            large_ms=float(record.get("large_ms", 0.0)),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
