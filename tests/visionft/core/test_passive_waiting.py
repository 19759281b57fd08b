"""Threads sleep while they wait: those of OpenMP by an environment variable, those of ONNX Runtime by an option."""

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from visionft.export.model_file import open_session

SAY = "import visionft, os; print(os.environ['OMP_WAIT_POLICY'])"


@pytest.mark.parametrize(("set_by_the_user", "kept"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_openmp_waits_passively_unless_the_user_chose_otherwise(set_by_the_user: dict[str, str], kept: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | set_by_the_user
    done = subprocess.run([sys.executable, "-c", SAY], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == kept


def test_a_session_of_onnx_runtime_does_not_spin(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", ends[:1], ends[1:])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx", model.SerializeToString(), device="cpu")
    assert session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning") == "0"
