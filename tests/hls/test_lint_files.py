"""Model files are read as data: without TensorFlow, without executing what they hold, and garbage is one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from lint_models import dense, encoder, quantizer
from test_imports import HEAVY

from fpgaae.errors import InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.models import lint_model
from fpgaae.models.architecture import describe_model
from fpgaae.models.model_file import read_model_file


def _save(model: Any, file: Path) -> Path:  # noqa: ANN401
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras 2 advises against HDF5
        model.save(file, **({"save_format": "h5"} if file.suffix == ".h5" else {}))
    return file


def _rules(file: Path) -> list[str]:
    return [finding.rule for finding in lint_model(read_model_file(file), Conversion())]


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_an_h5_file_says_the_same_as_the_model(tmp_path: Path) -> None:
    for model in (encoder(), encoder(encoder_1=dense("encoder_1", kernel_quantizer="quantized_bits(16,2)"))):
        described, read = describe_model(model), read_model_file(_save(model, tmp_path / "model.h5"))
        assert [(a.name, a.kind, a.inputs) for a in described.layers] == [
            (b.name, b.kind, b.inputs) for b in read.layers
        ]
        for a, b in zip(described.layers, read.layers, strict=True):
            assert a.quantizers == b.quantizers
            assert a.weights.keys() == b.weights.keys()
            assert all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights)
        assert lint_model(described, Conversion()) == lint_model(read, Conversion())


@pytest.mark.usefixtures("tensorflow")
def test_a_keras_archive_of_keras_2_is_read(tmp_path: Path) -> None:
    file = _save(encoder(mu_quantized=quantizer("mu_quantized", "quantized_bits(4,3,0,alpha=1)")), tmp_path / "m.keras")
    assert zipfile.is_zipfile(file)
    assert _rules(file) == ["no-fraction-bits"]


@pytest.mark.usefixtures("tensorflow")
def test_a_model_of_keras_3_is_read(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415

    x = features = keras.layers.Input((6,), name="features")
    x = keras.layers.Dense(3, name="one", activation="relu")(x)
    both = keras.layers.Concatenate(name="both")([x, features])
    file = tmp_path / "float.keras"
    keras.Model(features, keras.layers.Dense(2, name="two")(both)).save(file)
    model = read_model_file(file)
    assert {one.name: one.inputs for one in model.layers} == {
        "features": (), "one": ("features",), "both": ("one", "features"), "two": ("both",),
    }  # fmt: skip
    assert model.outputs == ("two",)
    assert {"layer-not-quantized", "input-not-quantized", "merged-branches"} == set(_rules(file))


@pytest.mark.usefixtures("tensorflow")
def test_a_lambda_is_a_finding_and_is_never_run(tmp_path: Path) -> None:
    import tf_keras  # noqa: PLC0415

    flag = tmp_path / "ran"
    place = str(flag)  # Keras saves what a function closes over

    def attack(x: Any) -> Any:  # noqa: ANN401
        Path(place).touch()
        return x

    file = _save(encoder(mu_quantized=[quantizer("mu_quantized"), tf_keras.layers.Lambda(attack)]), tmp_path / "m.h5")
    flag.unlink()  # building the model ran it
    assert "lambda-layer" in _rules(file)
    assert not flag.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_reading_a_model_needs_no_tensorflow(tmp_path: Path) -> None:
    file = _save(encoder(), tmp_path / "model.h5")
    program = (
        "import sys; from pathlib import Path; from fpgaae.cli.commands import app\n"
        f"try: app(['lint', {str(file)!r}])\nexcept SystemExit as end: print('code', end.code)\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert "clean\ncode 0\n" in done.stdout.replace("code None", "code 0")
    assert set(done.stdout.splitlines()[-1].split()).isdisjoint(HEAVY)


def _archive(file: Path, **members: str | bytes) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)


def _hdf5(file: Path, config: str | None) -> None:
    with h5py.File(file, "w") as content:
        if config is not None:
            content.attrs["model_config"] = config


def _deep(n: int) -> str:
    return '{"config": ' * n + "1" + "}" * n


@pytest.mark.parametrize(
    "write",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\x80\x04\x95 pickled"),
        lambda file: file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
        lambda file: file.write_bytes(b"PK\x03\x04" + bytes(100)),
        lambda file: _archive(file, model="no config"),
        lambda file: _archive(file, config_json="{"),
        lambda file: _archive(file, config_json=b"\xff\xfe"),
        lambda file: _archive(file, config_json="[1, 2]"),
        lambda file: _archive(file, config_json=_deep(100_000)),
        lambda file: _archive(file, config_json=b" " * (2**26 + 1)),
        lambda file: _hdf5(file, None),
        lambda file: _hdf5(file, "null"),
        lambda file: _hdf5(file, "{}"),
        lambda file: _hdf5(file, json.dumps({"config": {"layers": [{"class_name": "X"}]}})),
    ],
    ids=[
        "empty", "pickle", "hdf5", "zip", "no-config", "half-json", "no-text", "list", "deep", "bomb", "weights-only",
        "null", "nothing", "half-a-layer",
    ],
)  # fmt: skip
def test_garbage_is_the_users_error(write: Any, tmp_path: Path) -> None:  # noqa: ANN401
    file = tmp_path / "model.h5"
    write(file)
    with pytest.raises(InputError, match=r"model\.h5 (holds no readable|is a damaged)"):
        read_model_file(file)


def _tiny(kernel_quantizer: object) -> str:
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 2]}, "inbound_nodes": []},
        {
            "class_name": "QDense",
            "config": {"name": "d", "units": 1, "kernel_quantizer": kernel_quantizer, "bias_quantizer": 3},
            "inbound_nodes": [[["x", 0, 0, {}]]],
        },
    ]
    return json.dumps({"class_name": "Functional", "config": {"layers": layers, "output_layers": [["d", 0, 0]]}})


@pytest.mark.parametrize("value", [3, [], {}, {"class_name": "quantized_bits", "config": {"bits": "x"}}, "f(", True])
def test_a_quantizer_that_makes_no_sense_is_a_finding(value: object, tmp_path: Path) -> None:
    _hdf5(tmp_path / "model.h5", _tiny(value))
    assert "quantizer-unsupported" in _rules(tmp_path / "model.h5")


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["kernel:0"] = np.ones((2, 1))
    file = tmp_path / "model.h5"
    _hdf5(file, _tiny("quantized_bits(8,0,0,alpha=1)"))
    with h5py.File(file, "a") as content:
        group = content.create_group("model_weights/d/d")
        group["kernel:0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/kernel:0")
        group["bias:0"] = np.zeros(1)
    assert read_model_file(file)["d"].weights.keys() == {"bias"}


def test_weights_that_are_no_numbers_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    _hdf5(file, _tiny("quantized_bits(8,0,0,alpha=1)"))
    with h5py.File(file, "a") as content:
        content["model_weights/d/d/kernel:0"] = np.array([[np.nan], [np.inf]])
        content["model_weights/d/d/bias:0"] = np.zeros((3, 3))
    assert "quantizer-unsupported" in _rules(file)


def test_a_missing_file_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there; give the path"):
        read_model_file(tmp_path / "model.h5")
