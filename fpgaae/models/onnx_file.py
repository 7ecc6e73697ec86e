"""An ONNX file to its description: an autoencoder of PyTorch, Brevitas or any other, as if Keras had saved it.

Quant nodes (QONNX) become the quantizers of QKeras layers; weights are those behind theirs. Channels come last, as
everywhere here, and the weights of dense layers are put in that order. What has no counterpart is named with its node
and attribute. `fpgaae.models.onnx_execution` evaluates the file itself, to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fpgaae.errors import InputError
from fpgaae.models import onnx_activations, onnx_images, onnx_sums
from fpgaae.models.onnx_graph import QUANT_KINDS, Node, read_graph
from fpgaae.models.onnx_reader import OnnxModel, Reader

ONNX_SUFFIXES = frozenset({".onnx", ".qonnx"})
_WORK: Mapping[str, Callable[[Reader, Node], None]] = {
    **dict.fromkeys(("Identity", "Dropout", "Cast"), onnx_activations.pass_on),
    **dict.fromkeys(onnx_activations.MOVES, onnx_activations.move),
    "Shape": onnx_activations.shape,
    **dict.fromkeys(QUANT_KINDS, onnx_activations.quantize),
    "Relu": onnx_activations.rectify,
    "Clip": onnx_activations.clip,
    **dict.fromkeys(
        (*onnx_activations.FUNCTIONS, "LeakyRelu", "PRelu", "Elu", "HardSigmoid"), onnx_activations.activate
    ),
    **dict.fromkeys(("MatMul", "Gemm"), onnx_sums.multiply),
    "Conv": onnx_sums.convolve,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), onnx_sums.calculate),
    "BatchNormalization": onnx_sums.normalize,
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"), onnx_images.pool),
    **dict.fromkeys(("Resize", "Upsample"), onnx_images.enlarge),
    "Pad": onnx_images.pad,
}


def read_onnx_file(file: Path) -> OnnxModel:
    """Read an ONNX file.

    Raises
    ------
    InputError
        If it is damaged, or an operation in it has no counterpart here.
    ToolMissing
        If the package `onnx` is not installed.
    """
    try:
        return Reader(read_graph(file), _WORK).read()
    except (ValueError, TypeError, IndexError, KeyError, ArithmeticError, MemoryError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(f"its graph does not fit together ({reason})") from None
