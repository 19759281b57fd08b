"""The gate of ONNX files that others may have made: what is wrong with one is said before ONNX Runtime sees it.

Whoever opens a model goes through `read_model` and `open_session`. A file is read once, and what was looked at is what
runs. It has to be one file: tensors kept in others name paths of this computer (CVE-2024-5187 and its kin). Memory
that a graph takes for what it makes up itself is limited by ONNX Runtime's arena, which no look at the file could: on a
GPU too for what stays on the processor, while the GPU's own memory is limit enough for the rest.
"""

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from visionft.amounts import size_text
from visionft.devices import has_nvidia_gpu
from visionft.errors import ExportError, NextStep, as_expected
from visionft.export.contents import MODEL_FILE, RECORD_FILE, listed_files, read_record
from visionft.export.precision.processor import EXACT_BYTES, adds_bytes_exactly

logger = logging.getLogger(__name__)

MOST_BYTES: Final = 2**31 - 1  # of one protobuf message
MOST_METADATA: Final = 64 * 2**20
_MEMORY_SHARE: Final = 0.75  # of the computer's, for all that graphs compute at a time
PROCESSOR: Final = "CPUExecutionProvider"
_FIRST_BYTE: Final = 0x08  # the format's version comes first, whoever writes the file
# Bits of the tensors' types that are no whole bytes or more than one, by their names in the format.
_BITS: Final = {
    **dict.fromkeys(("FLOAT", "INT32", "UINT32"), 32),
    **dict.fromkeys(("DOUBLE", "INT64", "UINT64", "COMPLEX64"), 64),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 16),
    **dict.fromkeys(("INT4", "UINT4", "FLOAT4E2M1"), 4),
    **dict.fromkeys(("INT2", "UINT2"), 2),
    **dict.fromkeys(("FLOAT6E2M3", "FLOAT6E3M2"), 6),
    "COMPLEX128": 128,
}
_NUMBERS: Final = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


def read_model(path: Path) -> bytes:
    """Return the content of a model file that is whole, one file, and no larger inside than outside.

    Raises:
        ExportError: It is missing, no ONNX file, cut short, keeps tensors elsewhere, or has ones that it does not hold;
            or it lies in the folder of an export that tells of other bytes.
        VisionFTError: It cannot be read, or there is not enough memory.
    """
    content = _content(path)
    check_model(path, content)
    _check_unchanged(path, content)
    return content


def check_model(path: Path, content: bytes) -> None:
    """Refuse a model that is not whole, not one file, or larger inside than outside.

    Args:
        path: Of the file, for the words.
        content: The model, with whatever is put behind it: its metadata may say what that is.

    Raises:
        ExportError: It is such a one.
        VisionFTError: There is not enough memory.
    """
    model = _parsed(path, content)
    if sum(len(each.key) + len(each.value) for each in model.metadata_props) > MOST_METADATA:
        raise _refused(path, f"describes itself in more than {size_text(MOST_METADATA)}")
    for tensor in _tensors(model):
        _check_tensor(path, tensor)


def open_session(
    path: Path, content: bytes, *, device: str = "auto", threads: int = 0, is_optimised: bool = True
) -> Any:
    """Return ONNX Runtime's session of a model that was checked.

    Args:
        path: Of the file, for the words.
        content: The model.
        device: `auto` takes an NVIDIA GPU where there is one; `cuda` requires it; anything else leaves it alone.
        threads: How many may compute one operator; 0 leaves it to ONNX Runtime.
        is_optimised: Whether operators may be fused; else each is computed as it stands in the file, whole numbers
            as floats.

    Raises:
        ExportError: ONNX Runtime does not run it, or not on the GPU that was asked for.
        VisionFTError: There is not enough memory.
    """
    import onnxruntime

    providers = _providers(device)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not is_optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # what fails is said once, by us
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a busy computer would stall on it
    _limit_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")  # that of the processor's memory alone
    if not adds_bytes_exactly():
        options.add_session_config_entry(*EXACT_BYTES)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # ONNX Runtime has a class of its own for each of a dozen faults
        if (expected := as_expected(error)) is not None:
            raise expected from error
        logger.info("The model is refused: %s", error)
        hint = "Give a model.onnx that VisionFT exported, or export the run again."
        raise ExportError(f"{path} is no model that ONNX Runtime can run.", hint) from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        hint = "Choose auto or cpu; a check of the computer says why a GPU is missing."
        raise ExportError("This computer has no cuda device that ONNX Runtime can use.", hint, NextStep("diagnose"))
    return session


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ExportError(f"There is no model {path}.", "Export a run first.", NextStep("export"))
    with path.open("rb") as handle:
        content = handle.read(MOST_BYTES + 1)
    if not content:
        raise ExportError(f"{path} is empty.", "Export the run again, or copy the file anew.")
    if len(content) > MOST_BYTES:
        reason = f"is larger than {size_text(MOST_BYTES)}, which no ONNX file can be"
        raise _refused(path, reason)
    return content


def _parsed(path: Path, content: bytes) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        if content[0] == _FIRST_BYTE:
            hint = "Export the run again, or copy the file anew."
            raise ExportError(f"{path} is cut short or damaged.", hint) from error
        raise _refused(path, "is no ONNX file") from error
    if not model.ir_version or not model.graph.output:
        raise _refused(path, "is no ONNX file")
    return model


def _tensors(model: Any) -> Iterator[Any]:
    """Yield every tensor of a model: of its graph, those inside it, its functions and what it was trained with."""
    graphs = [model.graph]
    for training in model.training_info:
        graphs += [training.initialization, training.algorithm]
    for graph in graphs:
        yield from _of_graph(graph)
    for function in model.functions:
        yield from _of_attributes(each for node in function.node for each in node.attribute)
        yield from _of_attributes(function.attribute_proto)


def _of_graph(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from _of_sparse(sparse)
    yield from _of_attributes(each for node in graph.node for each in node.attribute)


def _of_attributes(attributes: Iterable[Any]) -> Iterator[Any]:
    """Yield the tensors of attributes; whatever type one says it is, all that it holds counts."""
    for attribute in attributes:
        yield from attribute.tensors
        for name in ("t", "sparse_tensor"):
            if attribute.HasField(name):
                yield from [attribute.t] if name == "t" else _of_sparse(attribute.sparse_tensor)
        for sparse in attribute.sparse_tensors:
            yield from _of_sparse(sparse)
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            yield from _of_graph(graph)


def _of_sparse(sparse: Any) -> tuple[Any, Any]:
    return sparse.values, sparse.indices


def _check_tensor(path: Path, tensor: Any) -> None:
    """Refuse a tensor that lies in another file, or whose shape asks for more than it holds.

    Raises:
        ExportError: It is such a one.
    """
    from onnx import TensorProto

    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        hint = "Save it as one file where it was made (without external data), or export the run again."
        raise ExportError(f"{path} keeps its tensors in other files.", hint)
    wanted, held = math.prod(tensor.dims), _held(tensor)
    if wanted > held or min(tensor.dims, default=0) < 0:
        shape = " x ".join(map(str, tensor.dims))
        raise _refused(path, f"is damaged: a tensor of {shape[:100]} numbers holds {held:,}")


def _held(tensor: Any) -> int:
    """Return how many numbers a tensor's bytes are enough for."""
    from onnx import TensorProto

    known = TensorProto.DataType.values()
    name = TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in known else ""
    bits = _BITS.get(name, 8)
    if tensor.raw_data:
        return len(tensor.raw_data) * 8 // bits
    given = sum(len(getattr(tensor, field)) for field in _NUMBERS)
    return given * 8 // bits if bits < 8 else given  # those below a byte are packed, a byte in each number


def _check_unchanged(path: Path, content: bytes) -> None:
    """Compare a model with the hash that the record of its export holds, where one lies beside it.

    Raises:
        ExportError: It was changed afterwards.
    """
    said = _recorded_hash(path)
    if said is not None and said != hashlib.sha256(content).hexdigest():
        hint = f"Export the run again. If you changed it on purpose, take {RECORD_FILE} out of its folder."
        raise ExportError(f"{path} is not the file that was exported: it was changed or damaged since.", hint)


def _recorded_hash(path: Path) -> str | None:
    """Return the hash that the record beside a model has of it; None where it tells none."""
    record = read_record(path.parent)
    if record is None:
        return None
    listed = (listed_files(record) or {}).get(path.name)
    if listed is not None:
        return listed.sha256 or None
    return record["sha256"] if path.name == MODEL_FILE else None


def _refused(path: Path, reason: str) -> ExportError:
    return ExportError(f"{path} {reason}.", "Give a model.onnx that VisionFT exported, or export the run again.")


def _providers(device: str) -> list[str]:
    import onnxruntime

    is_there = "CUDAExecutionProvider" in onnxruntime.get_available_providers() and has_nvidia_gpu()
    if device not in ("auto", "cuda") or not is_there:
        return [PROCESSOR]
    onnxruntime.preload_dlls()
    return ["CUDAExecutionProvider", PROCESSOR]


@cache
def _limit_memory() -> None:
    """Keep what graphs compute on the processor from taking the computer's whole memory; once a process."""
    import onnxruntime
    import psutil

    most = int(psutil.virtual_memory().total * _MEMORY_SHARE)
    kinds = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    info = onnxruntime.OrtMemoryInfo("Cpu", *kinds)
    onnxruntime.create_and_register_allocator(info, onnxruntime.OrtArenaCfg({"max_mem": most}))
