"""An ONNX file evaluated by the reference implementation of ONNX itself, to compare what fpgaae makes of it with.

`python -m fpgaae.models.onnx_execution FILE FOLDER` reads `FOLDER/inputs.npz` and writes `FOLDER/outputs.npz`, as
`fpgaae.models.file_graph` does for Keras files, and shares no code with the way from a file to the firmware. The Quant
node is written out here once more, after its specification. Calculated in double precision, so that what differs is no
rounding: the reference implementation takes the precision of what it is given.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.models.file_graph import Outputs, Rounded, answer
from fpgaae.models.onnx_graph import USE
from fpgaae.models.safe_config import PRECISION
from fpgaae.optional import require

_QUANTS = ("Quant", "IntQuant")


def evaluate_onnx(file: Path, x: NDArray[np.floating], rounding: Rounded) -> Outputs:
    """Give every tensor of an ONNX file that depends on its input, by its name.

    Parameters
    ----------
    x
        Events in the shape of the file's input.
    rounding
        Quant nodes of activations are left out unless all is to be rounded; weights are always those behind theirs.
    """
    onnx = require("onnx", USE)
    model = onnx.load_model(str(file), load_external_data=False)
    _widen(onnx, model)
    if rounding is not Rounded.ALL:
        _leave_out_rounding(onnx, model)
    return _run(model, x.astype(PRECISION))


def _run(model: Any, x: NDArray[np.float64]) -> Outputs:  # noqa: ANN401
    session = require("onnx.reference", USE).ReferenceEvaluator(model, new_ops=_operators())
    constants = {tensor.name for tensor in model.graph.initializer}
    (given,) = [value for value in model.graph.input if value.name not in constants]
    batch = given.type.tensor_type.shape.dim[0]
    blocks = [x] if not batch.dim_value else [x[index : index + 1] for index in range(len(x))]
    found: list[Mapping[str, Any]] = [session.run(None, {given.name: block}, intermediate=True) for block in blocks]
    names = _dependent(model, given.name)
    return {
        name: np.concatenate([np.asarray(one[name], dtype=PRECISION) for one in found]) for name in names
    }  # fmt: skip


def _dependent(model: Any, given: str) -> list[str]:  # noqa: ANN401
    """Give the tensors of numbers that depend on the input: those with the batch as their first axis."""
    known = {given: None}
    for node in model.graph.node:
        if known.keys() & set(node.input) and node.op_type != "Shape":
            known.update(dict.fromkeys(node.output[:1]))
    return [name for name in known if name != given]


def _widen(onnx: Any, model: Any) -> None:  # noqa: ANN401
    """Give every constant of single precision in double precision."""
    single = onnx.TensorProto.FLOAT
    tensors = list(model.graph.initializer)
    tensors += [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
    for tensor in tensors:
        if tensor.data_type == single:
            wide = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(wide, tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name in {"value_float", "value_floats"}:
                wide = np.asarray(onnx.helper.get_attribute_value(attribute), dtype=np.float64)
                attribute.CopyFrom(onnx.helper.make_attribute("value", onnx.numpy_helper.from_array(wide)))
        for attribute in node.attribute if node.op_type == "Cast" else ():
            if attribute.name == "to" and attribute.i == single:
                attribute.i = onnx.TensorProto.DOUBLE


def _leave_out_rounding(onnx: Any, model: Any) -> None:  # noqa: ANN401
    """Let Quant nodes of activations pass values on, and those without a sign cut negative ones off."""
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if all(name in constants for name in node.input if name):
            constants.update(node.output)
        elif node.op_type in _QUANTS:
            signed = next((attribute.i for attribute in node.attribute if attribute.name == "signed"), 1)
            plain = onnx.helper.make_node("Identity" if signed else "Relu", [node.input[0]], list(node.output))
            node.CopyFrom(plain)


def _operators() -> list[Any]:
    """Give the operators that the reference implementation has not, or has not as in evaluation mode."""
    op_run: Any = require("onnx.reference.op_run", USE).OpRun
    rounding: Mapping[str, Any] = {
        "ROUND": np.round,
        "HALF_EVEN": np.round,
        "CEIL": np.ceil,
        "FLOOR": np.floor,
        "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
        "DOWN": np.fix,
        "ROUND_TO_ZERO": np.fix,
        "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
        "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
    }

    def run(self: Any, x: Any, scale: Any, zero_point: Any, bits: Any, **_: Any) -> tuple[Any]:  # noqa: ANN401
        signed, narrow = (bool(getattr(self, name, default)) for name, default in (("signed", 1), ("narrow", 0)))
        n = float(np.ravel(bits)[0])
        integers = x / scale + zero_point
        if n == 1 and signed:
            integers = np.where(integers >= 0, 1.0, -1.0)
        else:
            low = -(2 ** (n - 1)) + bool(narrow) if signed else 0.0
            high = 2 ** (n - 1) - 1 if signed else 2**n - 1 - bool(narrow)
            integers = rounding[str(getattr(self, "rounding_mode", "ROUND")).upper()](
                np.minimum(np.maximum(integers, low), high)
            )
        return (np.asarray((integers - zero_point) * scale),)

    def normalize(_self: Any, x: Any, *numbers: Any, epsilon: Any = None, **_: Any) -> tuple[Any]:  # noqa: ANN401
        """Normalize by the trained numbers: that of onnx takes those of the batch before version 14."""
        gamma, beta, mean, variance = (array.reshape(-1, *(1,) * (x.ndim - 2)) for array in numbers)
        step = 1e-5 if epsilon is None else epsilon
        return ((x - mean) / np.sqrt(variance + step) * gamma + beta,)

    domains = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas", "brevitas.onnx")
    quants = [type(kind, (op_run,), {"op_domain": domain, "_run": run}) for kind in _QUANTS for domain in domains]
    return [*quants, type("BatchNormalization", (op_run,), {"op_domain": "", "_run": normalize})]


def main(file: Path, folder: Path) -> None:
    """Evaluate a file on the inputs in a folder."""
    answer(folder, lambda x, rounding: evaluate_onnx(file, x, rounding))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
