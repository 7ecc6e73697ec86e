"""The JSON of Keras 2 and Keras 3 is read as what it says: what is read by a call, which output of it, and how."""

from __future__ import annotations

from typing import Any

import pytest

from fpgaae.models.architecture import read_architecture
from fpgaae.models.cut import chosen_part, cut_behind
from fpgaae.models.description import NetworkDescription
from fpgaae.models.keras_layers import refused_settings
from fpgaae.models.shapes import shapes_of_layers
from fpgaae.runs.choices import ImportChoices

Spec = dict[str, Any]


def _layer(kind: str, name: str, *nodes: Any, **settings: Any) -> Spec:  # noqa: ANN401
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": list(nodes)}


def _input(name: str, *shape: int | None) -> Spec:
    return _layer("InputLayer", name, batch_input_shape=[None, *shape])


def _dense(name: str, units: int, node: Any, **settings: Any) -> Spec:  # noqa: ANN401
    return _layer("Dense", name, node, units=units, **settings)


def _reads(name: str, index: int = 0, **options: Any) -> list[Any]:  # noqa: ANN401
    return [[name, 0, index, options]]


def _model(name: str, layers: list[Spec], inputs: Any, outputs: Any, *nodes: Any) -> Spec:  # noqa: ANN401
    config = {"name": name, "layers": layers, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Functional", "name": name, "config": config, "inbound_nodes": list(nodes)}


def _read(layers: list[Spec], output: str) -> NetworkDescription:
    return read_architecture(_model("model", layers, [["x", 0, 0]], [[output, 0, 0]])).network


def _encoder(outputs: Any, *nodes: Any) -> Spec:  # noqa: ANN401
    """Give an encoder with two layers that both read its input."""
    layers = [_input("e", 6), _dense("z_mean", 3, _reads("e")), _dense("z_log_var", 2, _reads("e"))]
    return _model("encoder", layers, [["e", 0, 0]], outputs, *nodes)


_MEAN, _LOG = ["z_mean", 0, 0], ["z_log_var", 0, 0]


@pytest.mark.parametrize(
    ("outputs", "index", "read"),
    [
        ([_MEAN, _LOG], 1, "z_log_var"),
        ([_MEAN, _MEAN, _LOG], 2, "z_log_var"),
        ([_MEAN, _MEAN, _LOG], 1, "z_mean"),
        ({"z_mean": _MEAN, "z_log_var": _LOG}, 0, "z_log_var"),  # a dict is counted in the order of its keys
        ({"z_mean": _MEAN, "z_log_var": _LOG}, 1, "z_mean"),
        ({"a": {"b": _LOG}, "c": [_MEAN]}, 1, "z_mean"),
    ],
)
def test_which_output_of_a_nested_model_is_read(outputs: Any, index: int, read: str) -> None:  # noqa: ANN401
    encoder = _encoder(outputs, _reads("x"))
    network = _read([_input("x", 6), encoder, _dense("back", 6, _reads("encoder", index))], "back")
    assert network["back"].inputs == (read,)


def test_what_no_output_needs_is_left_out_unless_it_is_asked_for() -> None:
    network = _read(
        [_input("x", 6), _encoder([_MEAN, _LOG], _reads("x")), _dense("back", 6, _reads("encoder"))], "back"
    )
    assert [layer.name for layer in chosen_part(network, ImportChoices()).layers] == ["x", "z_mean", "back"]
    assert chosen_part(network, ImportChoices(outputs=("z_log_var",))).outputs == ("z_log_var",)
    assert chosen_part(network, ImportChoices(encoder=True)).outputs == ("z_mean",)
    lonely = network.layers[0].changed(name="y")
    two = NetworkDescription((network.layers[0], lonely, *network.layers[1:]), network.outputs)
    assert "y" in [layer.name for layer in chosen_part(two, ImportChoices()).layers], "Keras wants all of its inputs"


def test_outputs_and_inputs_may_be_dicts() -> None:
    layers = [_input("x", 6), _dense("a", 3, _reads("x")), _dense("b", 2, _reads("x"))]
    named = _model("model", layers, {"x": ["x", 0, 0]}, {"mean": ["b", 0, 0], "also": ["a", 0, 0]})
    assert read_architecture(named).network.outputs == ("a", "b")
    decoder = _model(
        "decoder", [_input("z", 3), _dense("back", 6, _reads("z"))], {"z": ["z", 0, 0]}, ["back", 0, 0],
        [{"z": ["a", 0, 0, {}]}],
    )  # fmt: skip
    assert _read([*layers, decoder], "decoder")["back"].inputs == ("a",)


def test_a_layer_of_the_model_itself_keeps_its_name_beside_nested_ones() -> None:
    def nested(name: str, source: str) -> Spec:
        return _model(name, [_input("e", 6), _dense("dense", 6, _reads("e"))], [["e", 0, 0]], [["dense", 0, 0]],
                      _reads(source))  # fmt: skip

    layers = [
        _input("x", 6),
        nested("encoder", "x"),
        nested("decoder", "encoder"),
        _dense("dense", 6, _reads("decoder")),
    ]
    network = _read(layers, "dense")
    assert [layer.name for layer in network.layers] == ["x", "encoder_dense", "decoder_dense", "dense"]
    assert [layer.of_file for layer in network.layers[1:]] == ["encoder", "decoder", "dense"]
    assert cut_behind(network, ("dense",)).outputs == ("dense",)
    twice = _read([*layers[:-1], _dense("encoder_dense", 6, _reads("decoder"))], "encoder_dense")
    assert [layer.name for layer in twice.layers][-1] == "encoder_dense"
    assert len({layer.name for layer in twice.layers}) == 4


def _keras_3(source: str, **options: Any) -> Spec:  # noqa: ANN401
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}}
    return {"args": [tensor], "kwargs": options}


@pytest.mark.parametrize("kind", ["Dropout", "GaussianNoise", "AlphaDropout", "BatchNormalization"])
@pytest.mark.parametrize("reads", [_reads, _keras_3], ids=["keras_2", "keras_3"])
def test_a_layer_that_is_called_as_in_training_is_refused(kind: str, reads: Any) -> None:  # noqa: ANN401
    def said(**options: Any) -> list[str]:  # noqa: ANN401
        network = _read([_input("x", 6), _layer(kind, "it", reads("x", **options))], "it")
        return [str(one) for one in refused_settings(kind, network["it"].settings)]

    assert said(training=True) == ["training=True"]
    assert said(training=False) == said(training=None) == said(mask=None) == said() == []


@pytest.mark.parametrize(("inner", "is_refused"), [({}, True), ({"training": False}, False)])
def test_what_is_said_of_a_nested_model_holds_for_its_layers(inner: Spec, is_refused: bool) -> None:
    layers = [_input("e", 6), _layer("Dropout", "drop", _reads("e", **inner)), _dense("d", 6, _reads("drop"))]
    nested = _model("nested", layers, [["e", 0, 0]], [["d", 0, 0]], _reads("x", training=True))
    network = _read([_input("x", 6), nested, _layer("Dropout", "after", _reads("nested"))], "after")
    assert ("training" in network["drop"].settings) is is_refused
    assert "training" not in network["d"].settings
    assert "training" not in network["after"].settings


def test_a_layer_as_an_activation_stands_behind_the_layer_that_holds_it() -> None:
    inside = {"class_name": "LeakyReLU", "module": "keras.layers", "config": {"name": "leaky", "negative_slope": 0.1}}
    network = _read([_input("x", 6), _dense("a", 4, _reads("x"), activation=inside), _dense("b", 6, _reads("a"))], "b")
    assert [(one.name, one.kind, one.inputs) for one in network.layers[1:]] == [
        ("a", "Dense", ("x",)), ("a_leaky", "LeakyReLU", ("a",)), ("b", "Dense", ("a_leaky",)),
    ]  # fmt: skip
    assert network["a"].activation is None
    assert network["a_leaky"].settings["negative_slope"] == 0.1
    assert (network["a"].of_file, network["a_leaky"].of_file) == (None, "a")


def test_a_constant_as_the_first_argument_is_no_layer() -> None:
    half = _layer("TFOpLambda", "half", [["_CONSTANT_VALUE", -1, 0.5, {"y": ["a", 0, 0], "name": None}]])
    network = _read([_input("x", 6), _dense("a", 3, _reads("x")), half], "half")
    assert network["half"].inputs == ("a",)
    assert cut_behind(network, ("a",)).outputs == ("a",)


@pytest.mark.parametrize(
    ("target", "shape"), [([-1], (12,)), ([2, -1], (2, 6)), ([-1, 5], None), ([-1, -1], None), ([3, 4], (3, 4))]
)
def test_an_open_extent_of_a_reshape_is_counted(target: list[int], shape: tuple[int, ...] | None) -> None:
    network = _read([_input("x", 4, 3), _layer("Reshape", "it", _reads("x"), target_shape=target)], "it")
    assert shapes_of_layers(network)["it"] == shape
