"""Operations as exporters of ONNX write them in one version or another: each is read as what it computes, or named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx_models import OnnxModel
from test_onnx_file import check

from fpgaae.errors import InputError
from fpgaae.models.model_file import read_model_file

pytestmark = [pytest.mark.usefixtures("onnx_package"), pytest.mark.filterwarnings("ignore")]
Nodes = Callable[[OnnxModel, str], str]
_INT32, _HALF, _BOOL = 6, 10, 9  # of TensorProto
_REPEATED = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def _dense(made: OnnxModel, x: str) -> str:
    return made.node("Gemm", x, made.weights(6, 6), made.bias(6))


def _between(kind: str, *constants: object, **attributes: object) -> Nodes:
    """Put an operation with constants between two dense layers."""

    def nodes(made: OnnxModel, x: str) -> str:
        numbers = [made.constant(value) for value in constants]
        return _dense(made, made.node(kind, _dense(made, x), *numbers, **attributes))

    return nodes


def _in_front(kind: str, *constants: object, **attributes: object) -> Nodes:
    """Put an operation on an image in front of a convolution."""

    def nodes(made: OnnxModel, x: str) -> str:
        numbers = ["" if value is None else made.constant(value) for value in constants]
        return made.node("Conv", made.node(kind, x, *numbers, **attributes), made.weights(1, 1, 3, 3), pads=[1] * 4)

    return nodes


def _plain_constants(made: OnnxModel, x: str) -> str:
    x = made.node("Add", made.node("MatMul", x, made.weights(6, 6)), made.node("Constant", value_floats=[0.1] * 6))
    return made.node("Mul", x, made.node("Constant", value_float=0.3))


_EMPTY = np.empty(0)
_VALUES: dict[str, tuple[Nodes, tuple[int, ...]]] = {
    "relu6": (_between("Clip", 0.0, 6.0), (1, 6)),
    "hardtanh": (_between("Clip", -1.0, 1.0), (1, 6)),
    "clip-unbounded": (_between("Clip", 0.0, np.finfo(np.float32).max), (1, 6)),
    "prelu": (_between("PRelu", [0.3]), (1, 6)),
    "softsign": (_between("Softsign"), (1, 6)),
    "hardsigmoid-of-pytorch": (_between("HardSigmoid", alpha=1 / 6), (1, 6)),
    "dropout-in-evaluation": (_between("Dropout", 0.5, 0), (1, 6)),
    "plain-constants": (_plain_constants, (1, 6)),
    "resize-by-sizes": (_in_front("Resize", _EMPTY, _EMPTY, [1, 1, 8, 4], **_REPEATED), (1, 1, 4, 4)),
    "resize-of-axes": (_in_front("Resize", None, [2.0, 3.0], axes=[2, 3], **_REPEATED), (1, 1, 4, 4)),
    "pad-of-axes": (_in_front("Pad", [1, 0, 0, 2], None, [2, 3]), (1, 1, 4, 4)),
}


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", _VALUES)
def test_what_an_exporter_writes_is_what_it_computes(name: str, tmp_path: Path) -> None:
    nodes, shape = _VALUES[name]
    made = OnnxModel(opset=18)
    assert check(made.save(tmp_path / "m.onnx", nodes(made, "x"), shape))[1] < 2e-8


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        (_between("Cast", to=_INT32), r"\(Cast\) has to=6, which is not read; export the model in single precision"),
        (_between("Cast", to=_HALF), r"\(Cast\) has to=10, which is not read"),
        (_between("Cast", to=_BOOL), r"\(Cast\) has to=9, which is not read"),
        (_between("Dropout", 0.5, 1), "drops values as in training; export the model in evaluation mode"),
        (_between("Dropout", is_test=0), "drops values as in training; export the model in evaluation mode"),
        (_between("PRelu", [0.3] * 5 + [0.1]), r"\(PRelu\) has a slope for each channel, which is not read"),
        (_between("Clip", -2.0, 2.0), r"\(Clip\) keeps values from -2\.0 to 2\.0, .* or from -1 to 1"),
        (_between("HardSigmoid", alpha=0.5), r"\(HardSigmoid\) has alpha=0\.5"),
        (_between("HardSigmoid", beta=0.25), r"\(HardSigmoid\) has beta=0\.25"),
    ],
)
def test_what_is_not_taken_says_why(nodes: Nodes, sentence: str, tmp_path: Path) -> None:
    made = OnnxModel()
    file = made.save(tmp_path / "m.onnx", nodes(made, "x"), (1, 6))
    with pytest.raises(InputError, match=sentence):
        read_model_file(file)


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        (
            _in_front("Resize", [1.0, 1.0, 2.0, 2.0], mode="nearest"),
            "before opset 11, .* export the model with opset 11",
        ),
        (
            _in_front("Resize", None, [1.0, 1.0, 2.0, 2.0], **{**_REPEATED, "nearest_mode": "ceil"}),
            r"has nearest_mode='ceil', which is not read; use asymmetric with nearest_mode floor",
        ),
        (
            _in_front("Resize", None, None, [1, 1, 8, 8], keep_aspect_ratio_policy="not_larger", **_REPEATED),
            "has keep_aspect_ratio_policy='not_larger'",
        ),
    ],
)
def test_what_is_not_taken_of_images_says_why(nodes: Nodes, sentence: str, tmp_path: Path) -> None:
    made = OnnxModel()
    file = made.save(tmp_path / "m.onnx", nodes(made, "x"), (1, 1, 4, 4))
    with pytest.raises(InputError, match=sentence):
        read_model_file(file)


def test_constants_are_cut_where_a_cast_says_so(tmp_path: Path) -> None:
    made = OnnxModel()
    x = made.node("Reshape", _dense(made, "x"), made.node("Cast", made.constant([1.9, 6.2]), to=7))
    assert read_model_file(made.save(tmp_path / "m.onnx", x, (1, 6))).outputs == ("Gemm_0",)
