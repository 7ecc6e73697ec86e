"""Model files for `benchmarks.fuzz`: changed architectures, weights and bytes, and code that must never run."""

from __future__ import annotations

import io
import json
import marshal
import zipfile
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.fuzz_mutations import CANARY, mutate_bytes, mutate_tree

_KERNELS = {"first": (3, 4), "second": (4, 3)}
_CODE = compile(f"open({CANARY!r}, 'w').close()", "lambda", "exec")


def _layer(kind: str, name: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"class_name": kind, "config": {"name": name, **settings}}


def _quantizer(bits: int) -> dict[str, Any]:
    settings = {
        "bits": bits,
        "integer": 0,
        "symmetric": 0,
        "keep_negative": 1,
        "alpha": 1,
        "use_stochastic_rounding": False,
    }
    return {"class_name": "quantized_bits", "config": settings}


def _architecture() -> dict[str, Any]:
    relu = {
        "class_name": "quantized_relu",
        "config": {"bits": 6, "integer": 2, "use_sigmoid": 0, "negative_slope": 0.0},
    }
    dense = {"use_bias": True, "activation": "linear", "kernel_initializer": {"class_name": "Zeros", "config": {}}}
    quantized = {"kernel_quantizer": _quantizer(6), "bias_quantizer": _quantizer(6)}
    layers = [
        _layer("InputLayer", "features", batch_shape=[None, 3], dtype="float32"),
        _layer("QActivation", "in", activation="quantized_bits(8,3,1,alpha=1)"),
        _layer("QDense", "first", units=4, **dense, **quantized),
        _layer("QActivation", "relu", activation=relu),
        _layer("Dropout", "drop", rate=0.1),
        _layer("Dense", "second", units=3, **dense),
    ]
    return {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}


def _attack(rng: np.random.Generator) -> dict[str, Any]:
    """Give a layer that would run code if it was built by its name."""
    code = b64encode(marshal.dumps(_CODE)).decode()
    function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
    layers = (
        _layer("Lambda", "x", function=[code, None, None], function_type="lambda"),
        _layer("Lambda", "x", function=function),
        {"module": "os", "class_name": "system", "config": f"touch {CANARY}", "registered_name": "system"},
        _layer("QActivation", "x", activation=f"quantized_bits(8, __import__('os').system('touch {CANARY}'))"),
        _layer("Activation", "x", activation=f"__import__('os').system('touch {CANARY}')"),
        _layer("TFOpLambda", "x", function="os.system"),
    )
    return layers[rng.integers(len(layers))]


def _weights(rng: np.random.Generator) -> dict[str, Any]:
    """Give kernels and biases; now and then one that no layer can have."""
    arrays: dict[str, Any] = {}
    for name, shape in _KERNELS.items():
        arrays[f"{name}/kernel"] = np.full(shape, 0.25, np.float32)
        arrays[f"{name}/bias"] = np.zeros(shape[1], np.float32)
    if rng.random() < 0.3:
        odd = rng.choice([np.nan, np.inf, 3e38, -1e30, 1e-40])
        odd_shape = tuple(int(n) for n in rng.choice([0, 1, 3, 4, 7], size=rng.integers(0, 4)))
        arrays[list(arrays)[rng.integers(4)]] = (
            np.full(odd_shape, odd, str(rng.choice(["f2", "f4", "f8", "i4", "S3"])))
            if (rng.random() < 0.8)
            else h5py.Empty("f4")
        )
    return arrays


def _write(file: Path | io.BytesIO, architecture: Any, arrays: dict[str, Any], ending: str) -> None:  # noqa: ANN401
    text = architecture if isinstance(architecture, str) else json.dumps(architecture)
    if ending == ".h5":
        with h5py.File(file, "w") as hdf5:
            hdf5.attrs["model_config"] = text
            for name, array in arrays.items():
                layer, kind = name.split("/")
                hdf5[f"model_weights/{layer}/{layer}/{kind}:0"] = array
        return
    content = io.BytesIO()
    with h5py.File(content, "w") as hdf5:
        for index, array in enumerate(arrays.values()):
            hdf5[f"layers/{'q_dense' if index < 2 else 'dense'}/vars/{index % 2}"] = array
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", text)
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", content.getvalue())


@cache
def _sound(ending: str) -> bytes:
    content = io.BytesIO()
    _write(content, _architecture(), _weights(np.random.default_rng(3)), ending)
    return content.getvalue()


def model_file(rng: np.random.Generator, folder: Path) -> Path:
    """Write a changed model file into a folder."""
    ending = str(rng.choice([".h5", ".keras"]))
    file = folder / f"model{ending}"
    if rng.random() < 0.3:
        file.write_bytes(mutate_bytes(rng, _sound(ending)))
        return file
    architecture: Any = _architecture()
    if rng.random() < 0.3:
        layers = architecture["config"]["layers"]
        layers.insert(int(rng.integers(1, len(layers) + 1)), _attack(rng))
    for _ in range(rng.integers(0, 4)):
        architecture = mutate_tree(rng, architecture)
    if rng.random() < 0.1:
        architecture = mutate_bytes(rng, json.dumps(architecture).encode()).decode("utf-8", "replace").replace("\0", "")
    _write(file, architecture, _weights(rng), ending)
    return file
