"""Model files are read as data: what could execute code is refused, and weights arrive at the layers they belong to."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.models import lint_import
from fpgaae.hls.lint.run import refuse_errors
from fpgaae.models.architecture import read_architecture
from fpgaae.models.model_file import read_model_file

_RNG = np.random.default_rng(0)
KERNEL, BIAS = _RNG.normal(size=(3, 2)).astype(np.float32), _RNG.normal(size=2).astype(np.float32)


def _layer(kind: str, name: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"class_name": kind, "config": {"name": name, **settings}}


def _sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    inputs = _layer("InputLayer", "features", batch_shape=[None, 3])
    return {"class_name": "Sequential", "config": {"name": "model", "layers": [inputs, *layers]}}


DENSE = _layer("Dense", "mu", units=2, activation="linear", use_bias=True)


def _write_keras(file: Path, architecture: Any, weights: dict[str, np.ndarray] | None = None) -> Path:  # noqa: ANN401
    if weights is None:
        weights = {"layers/dense/vars/0": KERNEL, "layers/dense/vars/1": BIAS}
    content = io.BytesIO()
    with h5py.File(content, "w") as hdf5:
        for path, array in weights.items():
            hdf5[path] = array
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps(architecture))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", content.getvalue())
    return file


def _write_h5(file: Path, architecture: Any) -> Path:  # noqa: ANN401
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["model_config"] = json.dumps(architecture)
        hdf5["model_weights/mu/mu/kernel:0"] = KERNEL
        hdf5["model_weights/mu/mu/bias:0"] = BIAS
    return file


def _read_for_import(file: Path) -> None:
    """Read a model and refuse it, as `fpgaae import` does."""
    refuse_errors(str(file), lint_import(read_model_file(file), Conversion()), InputError)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_file_by_hand(tmp_path: Path, ending: str) -> None:
    write = _write_keras if ending == "keras" else _write_h5
    network = read_model_file(write(tmp_path / f"model.{ending}", _sequential(DENSE)))
    assert network.input_shape == (3,)
    assert network.outputs == ("mu",)
    np.testing.assert_array_equal(network["mu"].weights["kernel"], KERNEL)
    np.testing.assert_array_equal(network["mu"].weights["bias"], BIAS)


def test_names_with_slashes_are_found_in_an_h5_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "model.h5", "w") as hdf5:
        hdf5.attrs["model_config"] = json.dumps(
            _sequential(
                _layer("Dense", "a", units=3, use_bias=False),
                _layer("Dense", "a/b", units=3, use_bias=False),
                {"class_name": "Sequential", "config": {"name": "n", "layers": [_layer("Dense", "c/d", units=3)]}},
            )
        )
        for value, path in enumerate(("a/a/kernel:0", "a/b/a/b/kernel:0", "n/c/d/kernel:0", "n/d/kernel:0")):
            hdf5[f"model_weights/{path}"] = np.full((3, 3), value, dtype="f4")
    network = read_model_file(tmp_path / "model.h5")
    found = {layer.name: layer.weights["kernel"][0, 0] for layer in network.layers[1:]}
    assert found == {"a": 0, "a/b": 1, "c/d": 2}


# Nothing is executed


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (_layer("Lambda", "odd", function={"class_name": "__lambda__"}), "lambda-layer in odd (Lambda): a Lambda is"),
        (_layer("Mine", "own"), "unsupported-layer in own (Mine): the layer has no exact integer form here"),
        ({**_layer("Dense", "mu", units=2), "module": "evil.layers"}, "unsupported-layer in mu (evil>Dense)"),
        ({**_layer("Dense", "mu", units=2), "registered_name": "evil>Dense"}, "unsupported-layer in mu (evil>Dense)"),
        (_layer("Dense", "mu", units={"class_name": "x"}), "layer-setting in mu (units={'class_name': 'x'})"),
        (_layer("PruneLowMagnitude", "prune", layer=DENSE), "strip_pruning before saving"),
        (_layer("Dense", "mu\n$(x)", units=[{}]), "layer-setting in mu_$(x) (units=({},))"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_is_not_in_the_allow_list_is_refused(
    tmp_path: Path, layer: dict[str, Any], message: str, ending: str
) -> None:
    write = _write_keras if ending == "keras" else _write_h5
    with pytest.raises(InputError) as caught:
        _read_for_import(write(tmp_path / f"model.{ending}", _sequential(layer)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f"model.{ending}" in str(caught.value)


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path) -> None:
    file, marker = tmp_path / "model.keras", tmp_path / "executed"
    file.write_bytes(pickle.dumps(_Bomb(marker)))
    with pytest.raises(InputError, match=r"none of a \.keras, \.h5, \.onnx and \.json file"):
        read_model_file(file)
    assert not marker.exists()
    pickle.loads(file.read_bytes())
    assert marker.exists()  # it would have


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "model.tflite",
            b"\x1c\x00\x00\x00TFL3....",
            "a TFLite model, .* give the Keras model that it was converted from",
        ),
        ("model.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 ", "a PyTorch file, which is a pickle"),
        (
            "model.json",
            b'{"class_name": "Functional"}',
            "an architecture in JSON, without weights; give",
        ),
    ],
)
def test_another_format_is_named_with_the_way(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_model_file(tmp_path / name)


def test_archives_and_folders_of_others_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", b"")
    with pytest.raises(InputError, match="it is a PyTorch file, which is a pickle"):
        read_model_file(tmp_path / "model.pt")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(
        InputError,
        match=r"saved holds no readable model: its saved_model\.pb has no signature serving_default; give the Keras",
    ):
        read_model_file(tmp_path / "saved")
    with pytest.raises(InputError, match="is a folder, but none of a SavedModel"):
        read_model_file(tmp_path)
    with pytest.raises(InputError, match=r"is no architecture in JSON, which `--weights` is for"):
        read_model_file(tmp_path / "model.pt", tmp_path / "model.pt")


@pytest.mark.usefixtures("tensorflow")
def test_a_real_lambda_is_refused(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415

    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1), keras.layers.Dense(2)])
    for file in (tmp_path / "model.keras", tmp_path / "model.h5"):
        model.save(file)
        with pytest.raises(InputError, match=r"lambda-layer in lambda \(Lambda\): a Lambda is code in a file"):
            _read_for_import(file)


def test_an_array_in_another_file_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as hdf5:
        hdf5["kernel"] = KERNEL
    file = _write_h5(tmp_path / "model.h5", _sequential(DENSE))
    with h5py.File(file, "a") as hdf5:
        del hdf5["model_weights/mu/mu/kernel:0"]
        hdf5["model_weights/mu/mu/kernel:0"] = h5py.ExternalLink(str(secret), "/kernel")
    with pytest.raises(InputError, match="it lacks the kernel of the layer mu"):
        _read_for_import(file)


# Damage


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "no_weights", "nan", "architecture"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, ending: str, damage: str) -> None:
    file = tmp_path / f"model.{ending}"
    write: Callable[[Path, Any], Path] = _write_keras if ending == "keras" else _write_h5
    write(file, {"class_name": "Sequential"} if damage == "architecture" else _sequential(DENSE))
    if damage == "missing":
        file.unlink()
    elif damage in {"empty", "text"}:
        file.write_bytes(b"" if damage == "empty" else b"no model")
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage in {"no_weights", "nan"}:
        kernel = np.full((3, 2), np.nan, dtype=np.float32)
        if ending == "keras":
            weights = {} if damage == "no_weights" else {"layers/dense/vars/0": kernel, "layers/dense/vars/1": BIAS}
            _write_keras(file, _sequential(DENSE), weights)
        else:
            with h5py.File(file, "a") as hdf5:
                del hdf5["model_weights/mu/mu/kernel:0"]
                if damage == "nan":
                    hdf5["model_weights/mu/mu/kernel:0"] = kernel
    with pytest.raises(InputError) as caught:
        _read_for_import(file)
    assert f"model.{ending}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    file = _write_h5(tmp_path / "model.h5", _sequential(DENSE))
    with h5py.File(file, "a") as hdf5:
        del hdf5.attrs["model_config"]
    with pytest.raises(InputError, match=r"it holds weights only; .* this file as --weights"):
        read_model_file(file)
    (tmp_path / "model.json").write_text(json.dumps(_sequential(DENSE)), encoding="utf-8")
    network = read_model_file(tmp_path / "model.json", file)
    np.testing.assert_array_equal(network["mu"].weights["kernel"], KERNEL)
    with h5py.File(file, "a") as hdf5:
        del hdf5["model_weights"]
    with pytest.raises(InputError, match=r"model\.h5 holds no readable model: it holds no weights of Keras"):
        read_model_file(tmp_path / "model.json", file)
    with pytest.raises(InputError, match="gone is not there; give the path"):
        read_model_file(tmp_path / "model.json", tmp_path / "gone")


@pytest.mark.parametrize(
    "content", [None, [], {"class_name": "Sequential", "config": []}, {"class_name": "Functional", "config": {}},
                {"class_name": "Mine", "config": {}}, _sequential({"class_name": "Dense"}),
                {"class_name": "Functional", "config": {"layers": [], "input_layers": [], "output_layers": []}}]
)  # fmt: skip
def test_a_damaged_architecture_is_the_users_error(content: Any) -> None:  # noqa: ANN401
    with pytest.raises(InputError):
        read_architecture(content)


# Files that Keras 2 and Keras 3 write


def _by_keras_3() -> Any:  # noqa: ANN401
    import keras  # noqa: PLC0415
    from keras import layers  # noqa: PLC0415

    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="relu"), layers.Dense(2)], name="encoder")
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(6)])
    features = keras.Input((6,), name="features")
    return keras.Model(features, decoder(encoder(features)))


def _by_keras_2() -> Any:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415
    from tf_keras import layers  # noqa: PLC0415

    encoder = tf_keras.Sequential([layers.Dense(4, activation="relu", input_shape=(6,)), layers.Dense(2)])
    decoder = tf_keras.Sequential([layers.Dense(4, input_shape=(2,)), layers.BatchNormalization(), layers.Dense(6)])
    features = layers.Input((6,), name="features")
    return tf_keras.Model(features, decoder(encoder(features)))


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("build", [_by_keras_2, _by_keras_3], ids=["keras_2", "keras_3"])
def test_a_nested_model_is_what_keras_computes(tmp_path: Path, build: Callable[[], Any], ending: str) -> None:
    """The folded network, built anew, gives Keras' own prediction: every weight is where it belongs."""
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415
    from fpgaae.models.simplify import fold_normalization, simplify  # noqa: PLC0415

    model, rng = build(), np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    file = tmp_path / f"model.{ending}"
    model.save(file)
    network = fold_normalization(simplify(read_model_file(file)))
    assert not any(layer.kind == "BatchNormalization" for layer in network.layers)
    x = rng.normal(size=(20, 6)).astype(np.float32)
    np.testing.assert_allclose(
        rebuild(network).predict(x, verbose=0), model.predict(x, verbose=0), rtol=2e-5, atol=1e-5
    )


def _too_many_units(file: Path) -> Path:
    return _write_h5(file, _sequential(_layer("Dense", "mu", units=10**9, use_bias=True)))


def _enlarged(file: Path) -> Path:
    inputs = _layer("InputLayer", "features", batch_shape=[None, 4, 4, 1])
    enlarge = _layer("UpSampling2D", "large", size=[10**5, 10**5])
    return _write_h5(file, {"class_name": "Sequential", "config": {"name": "m", "layers": [inputs, enlarge]}})


def _too_many_layers(file: Path) -> Path:
    return _write_h5(file, _sequential(*(_layer("ReLU", f"r{index}") for index in range(1001))))


def _config_is_an_array(file: Path) -> Path:
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["model_config"] = np.arange(3)
    return file


def _deep_json(file: Path) -> Path:
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["model_config"] = "[" * 20_000
    return file


def _huge_array(file: Path) -> Path:
    """Announced, and never written: the file has some kB."""
    _write_h5(file, _sequential(DENSE))
    with h5py.File(file, "a") as hdf5:
        hdf5.create_dataset("model_weights/more", (2**30,), np.float32, chunks=(2**20,))
    return file


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(_too_many_units, "its layer mu puts out 1,000,000,000 values", id="units"),
        pytest.param(_enlarged, "its layer large puts out 160,000,000,000 values", id="up-sampling"),
        pytest.param(_too_many_layers, "it has 1,002 layers, more than 1,000", id="layers"),
        pytest.param(_config_is_an_array, "its model_config is no text", id="config-is-an-array"),
        pytest.param(_deep_json, "RecursionError", id="deep-json"),
        pytest.param(_huge_array, "its weights have more than 256 MiB", id="array"),
    ],
)
def test_what_is_larger_than_any_firmware_is_refused_before_it_is_built(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_model_file(make(tmp_path / "model.h5"))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        pytest.param(np.full((3, 2), 3e38, np.float32), "the kernel of the layer mu has values up to 3e+38", id="huge"),
        pytest.param(None, "it lacks the kernel of the layer mu", id="empty"),
        pytest.param(np.zeros((3, 8), np.float32), "has the shape (3, 8) instead of (3, 2)", id="shape"),
    ],
)
def test_weights_that_no_layer_can_have_are_refused(tmp_path: Path, kernel: Any, words: str) -> None:  # noqa: ANN401
    file = _write_h5(tmp_path / "model.h5", _sequential(DENSE))
    with h5py.File(file, "a") as hdf5:
        del hdf5["model_weights/mu/mu/kernel:0"]
        hdf5["model_weights/mu/mu/kernel:0"] = h5py.Empty("f4") if kernel is None else kernel
    with pytest.raises(InputError) as caught:
        _read_for_import(file)
    assert words in str(caught.value)
