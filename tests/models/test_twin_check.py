"""What is rebuilt from a model file is compared with Keras' own evaluation of it, and a twin that differs is caught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.cut import chosen_part
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.file_graph import Outputs, Rounded, evaluate_file, safe_config
from fpgaae.models.keras_layers import Role
from fpgaae.models.model_file import read_model_file
from fpgaae.models.prepare import Prepared, prepare_network
from fpgaae.runs.choices import ImportChoices

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]


INPUTS = FixedPointType(9, 5, True, Rounding.HALF_EVEN, Overflow.SATURATE)


class Case(NamedTuple):
    """A model file, what was made of it, and what Keras computes with it."""

    file: Path
    given: NetworkDescription
    prepared: Prepared
    x: NDArray[np.float64]
    outputs: Outputs

    @property
    def network(self) -> NetworkDescription:
        """What goes on from here: the quantized network where there is one."""
        return self.prepared.quantized or self.prepared.twin


def in_process(folder: Path) -> Callable[[Path, NDArray[np.floating], Sequence[Rounded]], dict[Rounded, Outputs]]:
    """Evaluate a file in this process, which saves a start of TensorFlow."""

    def evaluate(file: Path, x: NDArray[np.floating], rounded: Sequence[Rounded]) -> dict[Rounded, Outputs]:
        return {mode: evaluate_file(file, x, folder, mode) for mode in rounded}

    return evaluate


def _dense(keras: Any) -> Any:  # noqa: ANN401
    layers = keras.layers
    x = features = layers.Input((9,), name="features")
    x = layers.BatchNormalization(name="norm")(layers.Dense(6, activation="relu", name="wide")(x))
    x = layers.Dropout(0.3)(layers.Dense(4, name="latent")(x))
    x = layers.BatchNormalization(name="norm_2")(layers.Dense(6, use_bias=False, name="open")(x))
    return keras.Model(features, layers.Dense(9, name="back")(layers.Activation("relu", name="act")(x)))


def _image(keras: Any) -> Any:  # noqa: ANN401
    layers = keras.layers
    x = features = layers.Input((6, 3, 1), name="features")
    x = layers.Conv2D(3, (3, 2), padding="same", strides=(2, 1), name="conv")(layers.ZeroPadding2D(((1, 0), (0, 1)))(x))
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.Flatten(name="flat")(layers.BatchNormalization(axis=1, name="rows")(x))
    x = layers.Dense(18, name="open")(layers.Dense(3, activation="relu", name="latent")(x))
    return keras.Model(features, layers.Reshape((6, 3, 1), name="image")(x))


def _normalized(keras: Any) -> Any:  # noqa: ANN401
    layers = keras.layers
    x = features = layers.Input((9,), name="features")
    x = layers.Rescaling(0.25, offset=1.0, name="scale")(layers.Normalization(axis=-1, name="norm")(x))
    x = layers.Dense(9, name="back")(layers.Dense(4, activation="relu", name="latent")(x))
    return keras.Model(features, x)


def _nested(keras: Any) -> Any:  # noqa: ANN401
    layers = keras.layers
    encoder = keras.Sequential([layers.Input((9,)), layers.Dense(5, activation="relu", name="a"),
                                layers.Dense(3, name="b")], name="encoder")  # fmt: skip
    decoder = keras.Sequential([layers.Input((3,)), layers.Dense(9, name="c")], name="decoder")
    features = layers.Input((9,), name="features")
    return keras.Model(features, decoder(encoder(features)))


def _parts(keras: Any) -> Any:  # noqa: ANN401
    """Build an autoencoder of functional models, whose layers have the same names; one puts out a dict."""
    layers = keras.layers
    x = layers.Input((9,))
    hidden = layers.Dense(5, activation="relu", name="hidden")(x)
    ends = {"mean": layers.Dense(3, name="out")(hidden), "also": layers.Dense(2, name="unread")(hidden)}
    encoder = keras.Model(x, ends, name="encoder")
    z = layers.Input((3,))
    hidden = layers.Dense(5, activation="relu", name="hidden")(z)
    decoder = keras.Model(z, layers.Dense(9, name="out")(hidden), name="decoder")
    features = layers.Input((9,), name="features")
    return keras.Model(features, decoder(encoder(features)["mean"]))


def _quantized(_: Any) -> Any:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QDense  # noqa: PLC0415

    weights = "quantized_bits(6,1,0,alpha=1)"
    x = features = tf_keras.layers.Input((9,), name="features")
    x = QActivation("quantized_bits(9,4,0,alpha=1)", name="inputs")(x)
    x = QDense(5, kernel_quantizer=weights, bias_quantizer=weights, activation="quantized_relu(7,3)", name="a")(x)
    x = QDense(9, kernel_quantizer=weights, bias_quantizer=weights, name="b")(x)
    return tf_keras.Model(features, QActivation("quantized_bits(9,4,0,alpha=1)", name="b_out")(x))


def _library(version: str) -> Any:  # noqa: ANN401
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    return tf_keras if version == "2" else keras


MODELS = {
    f"{build.__name__[1:]}-{version}{ending}": (build, version, ending)
    for build, version, ending in (
        (_dense, "3", ".keras"), (_dense, "2", ".h5"), (_dense, "3", ".h5"), (_image, "2", ".keras"),
        (_image, "3", ".keras"), (_nested, "3", ".keras"), (_nested, "2", ".h5"), (_quantized, "2", ".h5"),
        (_quantized, "2", ".keras"), (_normalized, "3", ".keras"), (_normalized, "2", ".h5"),
        (_parts, "3", ".keras"), (_parts, "2", ".h5"),
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def case(tensorflow: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Give a function that saves a model with random weights and evaluates it."""
    made: dict[str, Case] = {}

    def make(name: str) -> Case:
        if name in made:
            return made[name]
        from fpgaae.models.twin_check import stimulus  # noqa: PLC0415

        build, version, ending = MODELS[name]
        folder, rng = tmp_path_factory.mktemp("twin"), np.random.default_rng(3)
        model = build(_library(version))
        model.set_weights([rng.uniform(0.3, 1.2, w.shape) * rng.choice([1, 1, -1], w.shape) ** (w.ndim > 1)
                           for w in model.get_weights()])  # fmt: skip
        for layer in model.layers:
            if hasattr(layer, "finalize_state"):  # a Normalization takes its weights over
                layer.finalize_state()
        file = folder / f"model{ending}"
        model.save(file)
        given = chosen_part(read_model_file(file), ImportChoices())
        x = stimulus(rng.normal(size=(32, int(np.prod(given.input_shape))))).reshape(-1, *given.input_shape)
        outputs = evaluate_file(file, x, folder, Rounded.ALL)
        np.testing.assert_allclose(
            list(outputs.values())[-1][:4], model(x[:4].astype(np.float32)), rtol=1e-3, atol=1e-3
        )
        made[name] = Case(file, given, prepare_network(given, INPUTS, quantize=False), x, outputs)
        return made[name]

    return make


@pytest.mark.parametrize("name", list(MODELS))
def test_a_rebuilt_network_is_its_file(case: Callable[[str], Case], name: str) -> None:
    from fpgaae.models.twin_check import compare  # noqa: PLC0415

    one = case(name)
    found = compare(one.network, one.x, one.outputs, "model")
    assert found.largest <= 1e-9 * found.magnitude
    assert found.magnitude > 1
    expected = {"dense": {"norm_2", "act", "back"}, "image": {"relu", "latent", "image"}, "nested": {"decoder"},
                "normalized": {"latent", "back"}, "parts": {"decoder"},
                "quantized": {"a", "b_out"}}  # fmt: skip
    assert expected[name.partition("-")[0]] <= set(found.layers)


def test_the_float_twin_of_a_qkeras_model_is_compared_too(case: Callable[[str], Case], tmp_path: Path) -> None:
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    one = case("quantized-2.h5")
    asked: list[Rounded] = []

    def evaluate(file: Path, x: NDArray[np.floating], rounded: Sequence[Rounded]) -> dict[Rounded, Outputs]:
        asked.extend(rounded)
        return in_process(tmp_path)(file, x, rounded)

    events = one.x.reshape(len(one.x), -1)[:20]
    check_prepared(one.file, one.given, one.prepared, events, evaluate)
    assert asked == [Rounded.ALL, Rounded.NOTHING]
    wrong = one.prepared._replace(twin=_with(one.prepared.twin, _weight(one.prepared.twin["b"], 1)))
    with pytest.raises(InputError, match="the layer b of model"):
        check_prepared(one.file, one.given, wrong, events, evaluate)


def _with(network: NetworkDescription, changed: LayerDescription) -> NetworkDescription:
    return NetworkDescription(
        tuple(changed if layer.name == changed.name else layer for layer in network.layers), network.outputs
    )


def _weight(layer: LayerDescription, index: int) -> LayerDescription:
    """Change one weight by two parts in a thousand of the largest, or by a step of its quantizer."""
    kernel = layer.weights["kernel"].copy()
    step = 1 / 16 if layer.is_quantized_sum else 2e-3 * np.abs(kernel).max()
    kernel.reshape(-1)[index] -= step * np.sign(kernel.reshape(-1)[index])
    return layer.changed(weights={**layer.weights, "kernel": kernel})


def _axis(layer: LayerDescription) -> LayerDescription:
    """Let the weights run along another axis."""
    kernel = layer.weights["kernel"]
    flipped = np.flip(kernel, axis=0) if kernel.shape[0] > 1 else np.flip(kernel, axis=-1)
    return layer.changed(weights={**layer.weights, "kernel": np.ascontiguousarray(flipped)})


def _mutants(network: NetworkDescription) -> list[tuple[str, NetworkDescription]]:
    """Give networks with one weight, one axis or one activation changed."""
    found = []
    for layer in network.layers:
        if layer.has_weights:
            found += [(f"{layer.name} weight", _with(network, _weight(layer, index))) for index in (0, -1)]
            found.append((f"{layer.name} axis", _with(network, _axis(layer))))
            bias = layer.weights["bias"] + np.eye(1, len(layer.weights["bias"]))[0] / 8
            found.append((f"{layer.name} bias", _with(network, layer.changed(weights={**layer.weights, "bias": bias}))))
        elif layer.role is Role.RECTIFY:
            leaky = layer.changed(kind="LeakyReLU", settings={"alpha": 0.125})
            found.append((f"{layer.name} activation", _with(network, leaky)))
    return found


def _is_caught(case: Case, mutant: NetworkDescription) -> bool:
    from fpgaae.models.twin_check import compare  # noqa: PLC0415

    try:
        compare(mutant, case.x, case.outputs, "model")
    except InputError as error:
        return "differs by up to" in str(error)
    return False


def test_every_mutated_twin_is_caught(case: Callable[[str], Case]) -> None:
    n_mutants, missed = 0, []
    for name in ("dense-3.keras", "image-2.keras", "nested-2.h5", "quantized-2.h5"):
        one = case(name)
        for what, mutant in _mutants(one.network):
            n_mutants += 1
            if not _is_caught(one, mutant):
                missed.append((name, what))
    assert n_mutants >= 30
    assert missed == []


def test_the_first_layer_that_differs_is_named(case: Callable[[str], Case]) -> None:
    from fpgaae.models.twin_check import compare  # noqa: PLC0415

    one = case("dense-3.keras")
    with pytest.raises(InputError, match=r"what was made of the layer latent of model differs by up to"):
        compare(_with(one.network, _weight(one.network["latent"], 3)), one.x, one.outputs, "model")


def test_a_twin_that_is_not_a_number_is_caught(case: Callable[[str], Case]) -> None:
    from fpgaae.models.twin_check import compare  # noqa: PLC0415

    one = case("dense-3.keras")
    back = one.network["back"]
    broken = back.changed(weights={**back.weights, "bias": np.full(9, np.nan)})
    with pytest.raises(InputError, match="the layer back of model differs by up to nan"):
        compare(_with(one.network, broken), one.x, one.outputs, "model")


def test_a_process_of_its_own_gives_the_same(case: Callable[[str], Case], tmp_path: Path) -> None:
    from fpgaae.models.twin_check import evaluate_apart  # noqa: PLC0415

    one = case("quantized-2.h5")
    found = evaluate_apart(one.file, one.x, [Rounded.ALL, Rounded.NOTHING])
    for name, array in found[Rounded.ALL].items():
        np.testing.assert_array_equal(array, one.outputs[name])
    (tmp_path / "broken.h5").write_bytes(one.file.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"Keras can't evaluate .*broken\.h5 \(OSError"):
        evaluate_apart(tmp_path / "broken.h5", one.x, [Rounded.ALL])


@pytest.mark.parametrize(
    "spec",
    [
        {"class_name": "Lambda", "config": {}},
        {"class_name": "get_file", "module": "keras.utils", "config": {}},
        {"class_name": "Dense", "module": "os", "config": {}},
        {"class_name": "function", "module": "builtins", "config": "exec"},
        {"class_name": "mine>Dense", "module": "mine", "config": {}},
        {"class_name": "QDense", "config": {"kernel_quantizer": "open('x')"}},
        {"class_name": "Dense", "config": {"activation": "exec"}},
    ],
)
def test_only_listed_classes_are_looked_up(spec: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="is not one that a comparison loads"):
        safe_config({"class_name": "Functional", "config": {"layers": [spec]}})


def test_what_has_no_effect_is_left_out() -> None:
    spec = {
        "class_name": "Dense",
        "config": {"units": 2, "dtype": "float32", "kernel_initializer": {"class_name": "Evil", "config": {}}},
        "build_config": {"input_shape": [None, 3]},
    }
    assert safe_config(spec) == {"class_name": "Dense", "config": {"units": 2, "dtype": "float64"}}
