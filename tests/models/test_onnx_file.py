"""ONNX and QONNX files are read as what they compute, in every value and code, or refused with node and attribute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import QONNX, OnnxModel, dense_model, image_model
from qonnx_execution import differing_codes

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, nearest_codes
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.models import lint_import
from fpgaae.models.file_graph import Rounded
from fpgaae.models.model_file import read_model_file
from fpgaae.models.onnx_execution import evaluate_onnx
from fpgaae.models.onnx_file import read_onnx_file
from fpgaae.models.prepare import Prepared, prepare_network

pytestmark = [pytest.mark.usefixtures("onnx_package", "tensorflow"), pytest.mark.filterwarnings("ignore")]
_INPUTS = FixedPointType(9, 5, True, Rounding.HALF_EVEN, Overflow.SATURATE)
Evaluate = Callable[[Path, Any, Any], Any]


def evaluate(file: Path, x: Any, rounded: Any) -> Any:  # noqa: ANN401
    """Evaluate a file in this process, which saves the start of another."""
    from fpgaae.models.twin_check import in_our_order, onnx_inputs  # noqa: PLC0415

    model = read_onnx_file(file)
    return {mode: in_our_order(model, evaluate_onnx(file, onnx_inputs(model, x), mode)) for mode in rounded}


def check(file: Path, *, quantize: bool = False) -> tuple[Prepared, float]:
    """Compare what is made of a file with what it computes, and give the largest relative difference."""
    from fpgaae.models.twin_check import check_prepared, compare  # noqa: PLC0415

    given = read_model_file(file)
    prepared = prepare_network(given, _INPUTS, quantize=quantize)
    events = np.random.default_rng(5).normal(size=(6, int(np.prod(given.input_shape))))
    found = check_prepared(file, given, prepared, events, evaluate)
    if prepared.quantized is None:
        assert given[given.outputs[0]].of_file in found.layers or quantize
    elif prepared.inputs is None:
        x = events.reshape(-1, *given.input_shape)
        exact = compare(prepared.quantized, x, evaluate(file, x, [Rounded.ALL])[Rounded.ALL], "m")
        assert exact.largest == 0
        assert given[given.outputs[0]].of_file in exact.layers
    return prepared, found.largest / max(found.magnitude, 1)


_MODELS = [(make, is_quantized, seed) for make in (dense_model, image_model) for is_quantized in (False, True)
           for seed in range(3)]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "is_quantized", "seed"),
    _MODELS,
    ids=[f"{m.__name__}-{'quant' if q else 'float'}-{s}" for m, q, s in _MODELS],
)
def test_a_generated_model_is_what_its_file_computes(
    make: Callable[..., Path], is_quantized: bool, seed: int, tmp_path: Path
) -> None:
    file = make(tmp_path / "m.onnx", is_quantized=is_quantized, seed=seed)
    prepared, largest = check(file)
    assert largest < 1e-12
    assert (prepared.quantized is not None) == is_quantized
    assert not [f for f in lint_import(read_model_file(file), Conversion()) if f.severity.value == "error"]


def _golden(file: Path) -> IntegerNetwork:
    """Give the golden network of a file that is taken as it is."""
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    prepared = prepare_network(read_model_file(file), _INPUTS, quantize=False)
    assert prepared.quantized is not None
    return extract_network(rebuild(prepared.quantized))


@pytest.mark.parametrize("make", [dense_model, image_model], ids=["dense", "image"])
@pytest.mark.usefixtures("qonnx_package")
def test_the_codes_of_every_layer_equal_the_execution_of_qonnx(make: Callable[..., Path], tmp_path: Path) -> None:
    file = make(tmp_path / "m.onnx", is_quantized=True, seed=1)
    network = _golden(file)
    x = np.random.default_rng(2).normal(0, 4, (400, network.layers[0].size)).astype(np.float32)
    found = differing_codes(file, network, x)
    assert found == dict.fromkeys(found, 0)
    assert {network.layers[0].name, network.layers[-1].name} < found.keys()


def test_golden_codes_equal_the_reference_of_onnx(tmp_path: Path) -> None:
    file = dense_model(tmp_path / "m.onnx", is_quantized=True, seed=4)
    x = np.random.default_rng(2).normal(0, 4, (50, 12))
    outputs = evaluate_onnx(file, x, Rounded.ALL)
    network = _golden(file)
    golden = network.run(nearest_codes(x, network.layers[0].type))[network.layers[-1].name]
    np.testing.assert_array_equal(golden.codes, list(outputs.values())[-1] * 2**4)


def _image(nodes: Callable[[OnnxModel, str], str], shape: tuple[int, ...], file: Path, **options: Any) -> Path:  # noqa: ANN401
    made = OnnxModel(**options)
    return made.save(file, nodes(made, "x"), shape)


def _channels_last(made: OnnxModel, x: str) -> str:
    x = made.node("Transpose", x, perm=[0, 3, 1, 2])
    x = made.node("Conv", x, made.weights(3, 2, 2, 2), auto_pad="SAME_UPPER")
    x = made.node("Transpose", x, perm=[0, 2, 3, 1])
    return made.node("Gemm", made.node("Flatten", x), made.weights(36, 24), made.bias(24))


def _shape_of_batch(made: OnnxModel, x: str) -> str:
    x = made.node("Conv", x, made.weights(2, 1, 2, 2), made.bias(2))
    n = made.node("Gather", made.node("Shape", x), made.constant(0), axis=0)
    shape = made.node("Concat", made.node("Unsqueeze", n, made.constant([0])), made.constant([-1]), axis=0)
    return made.node("MatMul", made.node("Reshape", x, shape), made.weights(12, 12))


def _arithmetic(made: OnnxModel, x: str) -> str:
    x = made.node("Div", made.node("Sub", x, made.constant(0.5)), made.constant([2.0] * 5 + [4.0]))
    x = made.node("Mul", made.node("MatMul", x, made.weights(6, 4)), made.constant(1.5))
    x = made.node("Relu", made.node("Sub", made.constant([1.0, 0.0, 2.0, 1.0]), x))
    return made.node("MatMul", made.node("Identity", x), made.weights(4, 6))


def _one_dimension(made: OnnxModel, x: str) -> str:
    x = made.node("Relu", made.node("Conv", x, made.weights(3, 2, 3), made.bias(3), pads=[1, 1]))
    x = made.node("MaxPool", x, kernel_shape=[2], strides=[2])
    x = made.node("Pad", x, made.constant([0, 0, 1, 0, 0, 0]))
    x = made.node("Upsample", x, made.constant(np.array([1.0, 1.0, 2.0])), mode="nearest")
    return made.node("Gemm", made.node("Flatten", x), made.weights(24, 12))


def _average(made: OnnxModel, x: str) -> str:
    x = made.node("ReduceMean", made.node("Conv", x, made.weights(4, 1, 2, 2)), axes=[2, 3], keepdims=0)
    return made.node("Gemm", x, made.weights(4, 12), made.bias(12))


@pytest.mark.parametrize(
    ("nodes", "shape", "events"),
    [
        (_channels_last, (0, 4, 3, 2), (4, 3, 2)),
        (_shape_of_batch, (1, 1, 4, 3), (4, 3, 1)),
        (_arithmetic, (0, 6), (6,)),
        (_one_dimension, (0, 2, 6), (6, 2)),
        (_average, (0, 1, 4, 3), (4, 3, 1)),
    ],
)
def test_what_exporters_write_is_read(
    nodes: Callable[[OnnxModel, str], str], shape: tuple[int, ...], events: tuple[int, ...], tmp_path: Path
) -> None:
    file = _image(nodes, shape, tmp_path / "m.onnx")
    assert read_model_file(file).input_shape == events
    assert check(file)[1] < 1e-12


def _quantized(made: OnnxModel, x: str, **weights: Any) -> str:  # noqa: ANN401
    x = made.quant(x, 2.0**-4, 9)
    x = made.node("Add", made.node("MatMul", x, made.weights(6, 6, **weights)), made.bias(6))
    return made.quant(x, 2.0**-4, 9)


@pytest.mark.parametrize(
    "weights",
    [
        {"scale": 2.0 ** -np.array([[3, 4, 5, 6, 6, 8]])},
        {"scale": 2.0**-9},
        {"rounding_mode": "FLOOR", "signed": 0, "narrow": 0},
        {"scale": 0.5, "zero_point": 0},
    ],
    ids=["per-channel", "below-one", "floor", "coarse"],
)
def test_weights_of_any_power_of_two_are_exact(weights: dict[str, Any], tmp_path: Path) -> None:
    file = _image(lambda made, x: _quantized(made, x, **weights), (0, 6), tmp_path / "m.onnx", is_quantized=True)
    prepared, largest = check(file)
    assert prepared.quantized is not None
    assert largest < 1e-12


def test_other_scales_are_refused_by_name_and_quantized_anew(tmp_path: Path) -> None:
    file = _image(lambda made, x: _quantized(made, x, scale=0.013), (0, 6), tmp_path / "m.onnx", is_quantized=True)
    errors = [str(finding) for finding in lint_import(read_model_file(file), Conversion())]
    assert any("quant-node" in error and "MatMul" in error and "scale=0.01" in error for error in errors), errors
    assert not [
        f for f in lint_import(read_model_file(file), Conversion(), quantize=True) if f.severity.value == "error"
    ]
    assert check(file, quantize=True)[1] < 1e-7


def _with(kind: str, *, domain: str = "", **attributes: Any) -> Callable[[OnnxModel, str], str]:  # noqa: ANN401
    return lambda made, x: made.node(kind, x, domain=domain, **attributes)


def _conv(**attributes: Any) -> Callable[[OnnxModel, str], str]:  # noqa: ANN401
    return lambda made, x: made.node("Conv", x, made.weights(2, 2, 2, 2), **attributes)


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        (_with("Softmax"), "the node Softmax_0 is a Softmax, which is not read"),
        (_with("Evil", domain="mine"), r"the node Evil_0 is a mine\.Evil, which is not read"),
        (_with("Trunc", domain=QONNX), "the node Trunc_0 is a Trunc, which is not read"),
        (_conv(dilations=[2, 2]), r"the node Conv_0 \(Conv\) has dilations=\(2, 2\), which is not read"),
        (_conv(group=2), r"\(Conv\) has group=2, which is not read"),
        (_conv(strides=[0, 1]), r"\(Conv\) has strides=\(0, 1\)"),
        (_with("MaxPool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]), r"\(MaxPool\) has pads=.* pool without padding"),
        (_with("MaxPool", kernel_shape=[4, 4], strides=[4, 4], ceil_mode=1), r"\(MaxPool\) has ceil_mode=1"),
        (_with("Clip", max=6.0, min=0.5), r"\(Clip\) keeps values from 0\.5 to 6\.0, which is not read"),
        (lambda m, x: m.quant(x, -1.0, 8), r"the scale of the node Quant_0 \(Quant\) is not positive"),
        (lambda m, x: m.quant(x, 1.0, 80), r"the bit width of the node Quant_0 \(Quant\) is \[80\.0\]"),
        (lambda m, x: m.quant(x, 1.0, 8, rounding_mode="WILD"), "has rounding_mode=WILD, which is not known"),
        (lambda m, x: m.node("Quant", x, x, x, x, domain=QONNX), "the scale of the node Quant_0 .* is no constant"),
        (lambda m, x: m.node("MatMul", x, m.weights(4, 4)), "put a Flatten in front of it"),
        (lambda m, x: m.node("Transpose", x, perm=[1, 0, 2, 3]), "export the model with a batch of 1"),
        (lambda m, _: m.node("Relu", "nowhere"), "reads nowhere, which nothing puts out"),
        (lambda m, x: m.node("Reshape", x, m.constant([-1, 7])), "its graph does not fit together .*48 values"),
    ],
)
def test_what_has_no_counterpart_is_named(
    nodes: Callable[[OnnxModel, str], str], sentence: str, tmp_path: Path
) -> None:
    file = _image(nodes, (1, 2, 6, 4), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=sentence):
        read_model_file(file)


_HARMS = {
    "external": "its array c0 lies in another file",
    "huge": "its array c0 is damaged",
    "cut": "it is no ONNX model",
    "damaged": "it is no ONNX model",
    "batch": "fixed to batches of 32",
    "open": "has the shape",
}


@pytest.mark.parametrize("harm", list(_HARMS))
def test_a_hostile_file_is_one_sentence(harm: str, tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415

    file = dense_model(tmp_path / "m.onnx", is_quantized=False)
    model = onnx.load(str(file))
    if harm == "external":
        model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
        model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    elif harm == "huge":
        model.graph.initializer[0].dims[:] = [10**9, 10**6]
    elif harm in {"batch", "open"}:
        dimensions = model.graph.input[0].type.tensor_type.shape.dim
        dimensions[0 if harm == "batch" else 1].Clear()
        if harm == "batch":
            dimensions[0].dim_value = 32
    content = model.SerializeToString()
    file.write_bytes(content[: len(content) // 2] if harm == "cut" else b"\x08" * 99 if harm == "damaged" else content)
    sentence = _HARMS[harm]
    with pytest.raises(InputError, match=f"m.onnx holds no readable model: .*{sentence}"):
        read_model_file(file)


def test_a_process_of_its_own_gives_the_same(tmp_path: Path) -> None:
    from fpgaae.models.twin_check import evaluate_apart  # noqa: PLC0415

    file = image_model(tmp_path / "m.onnx", is_quantized=True)
    x = np.random.default_rng(1).normal(size=(3, 6, 4, 2))
    found, expected = (run(file, x, [Rounded.ALL, Rounded.NOTHING]) for run in (evaluate_apart, evaluate))
    for mode, arrays in expected.items():
        assert list(found[mode]) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[mode][name], array)
