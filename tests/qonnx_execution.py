"""What QONNX itself (the package `qonnx`) computes with a file, and all forms of its firmware, against golden codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import Workspace

from fpgaae.fixedpoint import nearest_codes, values_of
from fpgaae.golden.network import IntegerNetwork


def prove_all_forms(workspace: Workspace, file: Path, folder: Path) -> None:
    """Take an imported file through C simulation, RTL and emulator, and compare each and QONNX's execution."""
    from fpgaae.emulator.agreement import compare_forms  # noqa: PLC0415 - da4ml

    for stage in ("convert", "csim", "trace", "rtl"):
        workspace.run(stage)
    csim, rtl = workspace.result("csim"), workspace.result("rtl")
    assert (csim["passed"], csim["mismatched_events"], rtl["passed"]) == (True, 0, True)
    assert all(layer["mismatched_values"] == 0 < layer["values"] for layer in csim["layers"])
    folder.mkdir()
    forms = compare_forms(workspace.experiment, folder)
    assert forms.differing == dict.fromkeys(["C simulation", "RTL", "interpreter", "emulator"], 0)
    assert forms.events > 400
    network = workspace.network
    x = np.random.default_rng(3).normal(0, 8, (500, network.layers[0].size)).astype(np.float32)
    found = differing_codes(file, network, x)
    assert found == dict.fromkeys(found, 0)
    assert len(found) > 3


def differing_codes(file: Path, network: IntegerNetwork, x: np.ndarray[Any, Any]) -> dict[str, int]:
    """Count by layer the codes of the golden network that are not what QONNX executes.

    Parameters
    ----------
    x
        Events (n, n_features) in single precision, on or off the grid of the inputs.
    """
    from fpgaae.models.onnx_file import read_onnx_file  # noqa: PLC0415
    from fpgaae.models.twin_check import in_our_order, onnx_inputs  # noqa: PLC0415

    model = read_onnx_file(file)
    executed = in_our_order(model, _execute(file, onnx_inputs(model, x)))
    inputs = network.layers[0]
    golden = network.run(nearest_codes(x, inputs.type))
    compared = {layer.name: layer.of_file for layer in model.network.layers if layer.of_file is not None}
    compared = {(name if name in golden else inputs.name): tensor for name, tensor in compared.items()}
    return {
        name: int((values_of(golden[name].codes, golden[name].fraction) != executed[tensor]).sum())
        for name, tensor in compared.items()
    }


def _execute(file: Path, x: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Give every tensor of a file for all events at once."""
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.core.onnx_exec import execute_onnx  # noqa: PLC0415
    from qonnx.transformation.change_batchsize import ChangeBatchSize  # noqa: PLC0415
    from qonnx.transformation.infer_shapes import InferShapes  # noqa: PLC0415

    model = ModelWrapper(str(file)).transform(ChangeBatchSize(len(x))).transform(InferShapes())
    found: dict[str, Any] = execute_onnx(model, {model.graph.input[0].name: x}, return_full_exec_context=True)
    return found
