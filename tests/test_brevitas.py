"""A file that Brevitas itself exports is exact in every form of the firmware."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import networks
import pytest
from conftest import open_workspace
from qonnx_execution import prove_all_forms
from support import array_config

from fpgaae.models.model_file import ModelFiles
from fpgaae.pipeline import import_model
from fpgaae.runs.choices import ImportChoices
from fpgaae.runs.run import RunOptions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(package) is None for package in ("torch", "brevitas", "onnxoptimizer")),
        reason="needs PyTorch, Brevitas and onnxoptimizer",
    ),
    pytest.mark.usefixtures("tensorflow", "onnx_package", "qonnx_package", "compiler", "without_proofs"),
]
# In a process of its own: PyTorch and TensorFlow do not share one.
_EXPORT = """
import sys
import brevitas.nn as qnn
import torch
from brevitas.export import export_qonnx
from brevitas.quant import (
    Int8ActPerTensorFixedPoint, Int8WeightPerTensorFixedPoint, Int16Bias, Uint8ActPerTensorFixedPoint
)
torch.manual_seed(1)
weights = dict(weight_quant=Int8WeightPerTensorFixedPoint, weight_bit_width=6, bias=True, bias_quant=Int16Bias)
model = torch.nn.Sequential(
    qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=9, return_quant_tensor=True),
    qnn.QuantLinear(12, 6, **weights),
    qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=7, return_quant_tensor=True),
    qnn.QuantLinear(6, 12, **weights),
    qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=9),
)
for _ in range(20):
    model(2 * torch.randn(64, 12))
model.eval()
export_qonnx(model, args=torch.randn(1, 12), export_path=sys.argv[1], opset_version=13)
"""


def test_a_brevitas_export_is_bit_exact(tmp_path: Path) -> None:
    networks.need("verilator")
    file = tmp_path / "model.onnx"
    subprocess.run([sys.executable, "-c", _EXPORT, str(file)], check=True, capture_output=True, text=True)
    few = {"max_events_per_process": 300, "random_events": 100, "processes": 1}
    config = array_config(tmp_path, (12,), n_events=2000, csim=few)
    import_model(ModelFiles(file), config, tmp_path / "runs", RunOptions(), ImportChoices())
    workspace = open_workspace(tmp_path, "model")
    imported = workspace.result("import")
    assert (imported["kind"], imported["taken_as_it_is"]) == ("qonnx", True)
    assert imported["twin"]["largest_difference"] < 1e-12
    prove_all_forms(workspace, file, tmp_path / "emulator")
