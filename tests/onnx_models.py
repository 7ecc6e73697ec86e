"""ONNX and QONNX files as PyTorch and Brevitas export them, of random layers, widths, shapes and options."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

QONNX = "qonnx.custom_op.general"


class OnnxModel:
    """Collects the nodes of a graph and saves it; channels come first, as in PyTorch."""

    def __init__(self, *, is_quantized: bool = False, seed: int = 0, opset: int = 13) -> None:
        self.opset = opset
        self.is_quantized, self.rng = is_quantized, np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any) -> str:  # noqa: ANN401
        from onnx import numpy_helper  # noqa: PLC0415

        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return f"c{len(self.constants) - 1}"

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401
        from onnx import helper  # noqa: PLC0415

        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [f"{name}_out"], name, domain=domain, **attributes))
        return f"{name}_out"

    def quant(self, x: str, scale: Any, bits: float, **attributes: Any) -> str:  # noqa: ANN401
        numbers = [self.constant(np.float32(value)) for value in (scale, attributes.pop("zero_point", 0), bits)]
        options = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
        return self.node("Quant", x, *numbers, domain=QONNX, **options)

    def weights(self, *shape: int, scale: Any = 2.0**-6, **quant: Any) -> str:  # noqa: ANN401
        values = self.constant(self.rng.uniform(-1, 1, shape))
        return self.quant(values, scale, 7, **{"narrow": 1, **quant}) if self.is_quantized else values

    def bias(self, n: int) -> str:
        values = self.constant(self.rng.uniform(-0.5, 0.5, n))
        return self.quant(values, 2.0**-8, 12) if self.is_quantized else values

    def activation(self, x: str, *, rectified: bool = True, bits: int = 7) -> str:
        if rectified:
            x = self.node("Relu", x)
        return self.quant(x, 2.0**-4, bits, signed=int(not rectified)) if self.is_quantized else x

    def dense(self, x: str, n_in: int, n_out: int) -> str:
        if self.rng.random() < 0.5:
            return self.node("Add", self.node("MatMul", x, self.weights(n_in, n_out)), self.bias(n_out))
        return self.node("Gemm", x, self.weights(n_out, n_in), self.bias(n_out), transB=1)

    def save(self, file: Path, output: str, shape: tuple[int, ...], out_shape: tuple[int, ...] | None = None) -> Path:
        """Save the model from "x" of this shape (with the batch, 0 for an open one) to an output."""
        import onnx  # noqa: PLC0415
        from onnx import TensorProto, helper  # noqa: PLC0415

        def value(name: str, extents: tuple[int, ...] | None) -> Any:  # noqa: ANN401
            known = None if extents is None else [extent or "N" for extent in extents]
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, known)

        graph = helper.make_graph(
            self.nodes, "g", [value("x", shape)], [value(output, out_shape)], initializer=self.constants
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(file))
        return file


def dense_model(file: Path, n: int = 12, *, is_quantized: bool, seed: int = 0, batch: int = 0) -> Path:
    """Save a dense autoencoder."""
    made = OnnxModel(is_quantized=is_quantized, seed=seed)
    x = made.quant("x", 2.0**-4, 9) if is_quantized else "x"
    widths = (n, *(int(made.rng.integers(3, 7)) for _ in range(int(made.rng.integers(1, 4)))), n)
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        is_last = index == len(widths) - 2
        x = made.dense(x, n_in, n_out)
        x = made.activation(x, rectified=not is_last, bits=9 if is_last else 7) if not is_last or is_quantized else x
    return made.save(file, x, (batch, n), (batch, n))


def image_model(file: Path, *, is_quantized: bool, seed: int = 0) -> Path:
    """Save an autoencoder of images (2, 6, 4): convolution, pooling, dense layers, and all of it back."""
    made = OnnxModel(is_quantized=is_quantized, seed=seed)
    x = made.quant("x", 2.0**-4, 9) if is_quantized else "x"
    pads, strides = made.rng.permutation([[1, 1, 1, 1], [0, 1, 2, 1]])[0].tolist(), [1, int(made.rng.integers(1, 3))]
    x = made.node("Conv", x, made.weights(3, 2, 3, 3), made.bias(3), pads=pads, strides=strides)
    if not is_quantized and made.rng.random() < 0.7:
        numbers = [made.constant(made.rng.uniform(0.5, 1.5, 3)) for _ in range(4)]
        x = made.node("BatchNormalization", x, *numbers, epsilon=1e-3)
    x = made.node("Relu", x)
    pooled = "MaxPool" if is_quantized else ("MaxPool", "AveragePool")[int(made.rng.integers(2))]
    x = made.node(pooled, x, kernel_shape=[2, 1], strides=[2, 1])
    x = made.quant(x, 2.0**-4, 7, signed=0) if is_quantized else x
    x = made.node("Flatten", x, axis=1)
    x = made.activation(made.dense(x, 9 * (4 // strides[1]), 4))
    if made.rng.random() < 0.5:
        x = made.dense(x, 4, 48)
        x = made.node("Reshape", x, made.constant([1, 2, 6, 4]))
    else:
        x = made.activation(made.dense(x, 4, 36))
        x = made.node("Reshape", x, made.constant([-1, 3, 6, 2]))
        resized = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        x = made.node("Resize", x, "", made.constant(np.array([1.0, 1.0, 1.0, 2.0])), **resized)
        x = made.node("Conv", x, made.weights(2, 3, 3, 3), made.bias(2), pads=[1, 1, 1, 1])
    x = made.activation(x, rectified=False, bits=9) if is_quantized else x
    return made.save(file, x, (1, 2, 6, 4), (1, 2, 6, 4))
