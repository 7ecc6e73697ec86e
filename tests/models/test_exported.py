"""Folders that `model.export` writes are read as what they compute, operation by operation, or refused by operation."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.models.model_file import ModelFiles
from fpgaae.models.prepare import prepare_network

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]
Make = Callable[[Any], list[Any]]

_MODELS: Mapping[str, tuple[int, tuple[int, ...], Make]] = {
    "dense": (3, (9,), lambda layers: [
        layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dense(5, activation="tanh"),
        layers.Dropout(0.2), layers.Dense(4, use_bias=False, activation="leaky_relu"), layers.LeakyReLU(0.3),
        layers.Dense(4, activation="elu"), layers.Dense(4, activation="softplus"), layers.Dense(4, activation="selu"),
        layers.Dense(4, activation="hard_sigmoid"), layers.Dense(4, activation="relu6"),
        layers.Dense(4, activation="softsign"), layers.Dense(9, activation="sigmoid"),
    ]),
    "image": (3, (8, 6, 2), lambda layers: [
        layers.Conv2D(3, 3, strides=2, padding="same"), layers.BatchNormalization(), layers.ReLU(),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"), layers.MaxPooling2D((2, 1)),
        layers.UpSampling2D((2, 3)), layers.Cropping2D(((1, 0), (2, 1))), layers.ZeroPadding2D(((0, 1), (2, 0))),
        layers.DepthwiseConv2D((3, 2), depth_multiplier=2, padding="same"), layers.AveragePooling2D(2),
        layers.SeparableConv2D(3, 3), layers.Flatten(), layers.Dense(12), layers.Reshape((3, 2, 2)),
        layers.Conv2DTranspose(2, (3, 2)), layers.GlobalAveragePooling2D(), layers.Dense(3),
    ]),
    "row": (3, (12, 2), lambda layers: [
        layers.Conv1D(3, 3, padding="same", activation="relu"), layers.MaxPooling1D(2), layers.UpSampling1D(2),
        layers.Conv1DTranspose(2, 3, strides=2), layers.ZeroPadding1D((1, 2)), layers.Cropping1D((2, 1)),
        layers.Conv1D(2, 4, strides=3), layers.AveragePooling1D(2), layers.DepthwiseConv1D(2),
    ]),
    "keras-2": (2, (8, 6, 1), lambda layers: [
        layers.Conv2D(3, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(6), layers.UpSampling2D((1, 2)),
        layers.Conv2DTranspose(2, 2, strides=2, activation="relu"), layers.Flatten(), layers.Dense(4),
        layers.BatchNormalization(),
    ]),
}  # fmt: skip


def _model(version: int, shape: tuple[int, ...], make: Make) -> Any:  # noqa: ANN401
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    library = keras if version == 3 else tf_keras
    x = features = library.layers.Input(shape, name="features")
    for layer in make(library.layers):
        x = layer(x)
    model, rng = library.Model(features, x), np.random.default_rng(0)
    model.set_weights([rng.uniform(0.2, 1.3, w.shape) * rng.choice([-1, 1], w.shape) ** (w.ndim > 1)
                       for w in model.get_weights()])  # fmt: skip
    return model


def _export(model: Any, folder: Path) -> Path:  # noqa: ANN401
    options = {"verbose": False} if type(model).__module__.startswith("keras.") else {}
    model.export(str(folder), **options)
    return folder


@pytest.mark.parametrize("name", _MODELS)
def test_an_export_is_what_its_model_computes(name: str, tmp_path: Path) -> None:
    from fpgaae.models.file_graph import evaluate_file  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    model = _model(*_MODELS[name])
    folder = _export(model, tmp_path / "exported")
    given = ModelFiles(folder).read()
    assert given.input_shape == model.input_shape[1:]
    outputs: dict[str, Any] = {}

    def evaluate(file: Path, x: Any, rounded: Any) -> Any:  # noqa: ANN401
        outputs.update(evaluate_file(file, x, tmp_path, rounded[0]))
        by_keras, found = model.predict_on_batch(x), outputs[given[given.outputs[0]].of_file or ""]
        assert np.abs(found - by_keras).max() < 1e-5 * np.abs(by_keras).max(), "the weights are those of the model"
        return dict.fromkeys(rounded, outputs)

    events = np.random.default_rng(1).normal(size=(5, int(np.prod(given.input_shape))))
    found = check_prepared(folder, given, prepare_network(given, None, quantize=False), events, evaluate)
    assert found.largest <= 1e-13 * found.magnitude
    assert len(found.layers) > len(model.layers) / 3


def _changed(folder: Path, change: Callable[[Any], None]) -> Path:
    """Change the graph of an export."""
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415

    content = saved_model_pb2.SavedModel()
    content.ParseFromString((folder / "saved_model.pb").read_bytes())
    change(content.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())
    return folder


def _function(graph: Any, ending: str) -> Any:  # noqa: ANN401
    """Give the function that has a node whose name ends so."""
    functions = graph.graph_def.library.function
    return next(one for one in functions if any(node.name.endswith(ending) for node in one.node_def))


def _node(graph: Any, ending: str) -> Any:  # noqa: ANN401
    return next(node for node in _function(graph, ending).node_def if node.name.endswith(ending))


def _other_kind(graph: Any) -> None:  # noqa: ANN401
    _node(graph, "/MatMul").op = "WriteFile"


def _other_attribute(graph: Any) -> None:  # noqa: ANN401
    _node(graph, "/MatMul").attr["transpose_a"].b = True


def _circle(graph: Any) -> None:  # noqa: ANN401
    _node(graph, "/MatMul").input[0] = f"{_node(graph, '/Relu').name}:activations:0"


def _recursion(graph: Any) -> None:  # noqa: ANN401
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "StatefulPartitionedCall":
                node.attr["f"].func.name = function.signature.name


def _not_there(graph: Any) -> None:  # noqa: ANN401
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "StatefulPartitionedCall":
                node.attr["f"].func.name = "nothing"


def _other_variables(graph: Any) -> None:  # noqa: ANN401
    for function in graph.object_graph_def.concrete_functions.values():
        function.bound_inputs[0] = 0


def _fewer_variables(graph: Any) -> None:  # noqa: ANN401
    for function in graph.object_graph_def.concrete_functions.values():
        del function.bound_inputs[0]


def _swapped_variables(graph: Any) -> None:  # noqa: ANN401
    for function in graph.object_graph_def.concrete_functions.values():
        first, second = function.bound_inputs[:2]
        function.bound_inputs[0], function.bound_inputs[1] = second, first


def _no_signature(graph: Any) -> None:  # noqa: ANN401
    del graph.signature_def["serving_default"]


def _two_inputs(graph: Any) -> None:  # noqa: ANN401
    inputs = graph.signature_def["serving_default"].inputs
    inputs["more"].CopyFrom(inputs["features"])


def _open_extent(graph: Any) -> None:  # noqa: ANN401
    graph.signature_def["serving_default"].inputs["features"].tensor_shape.dim[1].size = -1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_kind, r"the operation \S+/MatMul is a WriteFile, which is not read from an export; give the Keras mod"),
        (
            _other_attribute,
            r"the operation \S+/MatMul \(MatMul\) has transpose_a; give the Keras model itself, saved wi",
        ),
        (_circle, "its graph goes round in a circle at "),
        (_recursion, "is called with other arguments than it has, or by itself"),
        (_not_there, "its graph calls the function nothing, which it does not hold"),
        (_other_variables, "its serving function reads an object that is no variable of the checkpoint"),
        (_fewer_variables, "its serving function has 5 arguments for 3 variables"),
        (_swapped_variables, r"multiplies a tensor of shape \(6,\) by weights of shape \(3,\)"),
        (_no_signature, r"its saved_model\.pb has no signature serving_default"),
        (_two_inputs, "it has 2 inputs; export a model with one"),
        (_open_extent, "its input features has the shape"),
        (lambda graph: graph.Clear(), "no signature serving_default"),
    ],
)
def test_a_damaged_export_is_one_sentence(
    change: Callable[[Any], None], said: str, small: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(small, tmp_path / "changed")
    with pytest.raises(InputError, match=rf"^\S+changed holds no readable model: .*{said}"):
        ModelFiles(_changed(folder, change)).read()


@pytest.fixture(scope="module")
def small(tensorflow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the export of a small autoencoder."""
    model = _model(3, (6,), lambda layers: [layers.Dense(3, activation="relu"), layers.Dense(6)])
    return _export(model, tmp_path_factory.mktemp("small") / "exported")


def test_what_is_left_of_a_file_is_one_sentence(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "changed")
    content = (folder / "saved_model.pb").read_bytes()
    for damaged in (content[:2000], b"nonsense", b""):
        (folder / "saved_model.pb").write_bytes(damaged)
        with pytest.raises(
            InputError, match=r"changed holds no readable model: its (SavedModel is damaged|saved_model)"
        ):
            ModelFiles(folder).read()
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "variables" / "variables.index").unlink()
    with pytest.raises(InputError, match="changed holds no readable model: its checkpoint can't be read"):
        ModelFiles(folder).read()
