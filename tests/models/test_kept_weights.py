"""Where a model is compared up to a layer that nobody loads, what is left of it keeps the weights that it had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fpgaae.models.kept_weights import keep_counted, keep_named

Spec = dict[str, Any]


def _model(*layers: Spec, name: str = "model") -> Spec:
    return {"class_name": "Functional", "name": name, "config": {"name": name, "layers": list(layers)}}


def _layer(kind: str, name: str) -> Spec:
    return {"class_name": kind, "name": name, "config": {"name": name}}


_DENSE = {name: _layer("Dense", name) for name in ("gone", "a", "b")}
_FULL = _model(_layer("Lambda", "lam"), *_DENSE.values(), _model(_DENSE["gone"], _DENSE["a"], name="inner"))
_KEPT = _model(_DENSE["a"], _DENSE["b"], _model(_DENSE["a"], name="inner"))


def test_layers_are_counted_anew(tmp_path: Path) -> None:
    places = {"dense": 0, "dense_1": 1, "dense_2": 2, "functional/layers/dense": 3, "functional/layers/dense_1": 4}
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for place, value in places.items():
            file[f"layers/{place}/vars/0"] = value
        file["layers/dense_1/seed_generator/vars/0"] = 7
        file["vars/0"] = 8
    keep_counted(tmp_path / "w.h5", _FULL, _KEPT)
    with h5py.File(tmp_path / "w.h5") as file:
        found: dict[str, int] = {}
        file.visititems(lambda name, item: found.update({name: int(item[()])}) if hasattr(item, "dtype") else None)
    assert found == {
        "vars/0": 8,
        "layers/dense/vars/0": 1, "layers/dense/seed_generator/vars/0": 7, "layers/dense_1/vars/0": 2,
        "layers/functional/layers/dense/vars/0": 4,
    }  # fmt: skip


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_nested_model_lists_what_it_has_left(is_whole: bool, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        groups = file.create_group("model_weights") if is_whole else file
        for name, listed in {"inner": ["gone/kernel:0", "a/kernel:0", "x/gone/bias:0"], "a": ["a/kernel:0"]}.items():
            groups.create_group(name).attrs["weight_names"] = [text.encode() for text in listed]
    keep_named(tmp_path / "w.h5", _FULL, _KEPT)
    with h5py.File(tmp_path / "w.h5") as file:
        groups = file["model_weights"] if is_whole else file
        assert {name: list(map(str, group.attrs["weight_names"])) for name, group in groups.items()} == {
            "inner": ["a/kernel:0"], "a": ["a/kernel:0"],
        }  # fmt: skip


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_a_branch_behind_a_lambda_takes_no_weights_with_it(ending: str, tmp_path: Path) -> None:
    import keras  # noqa: PLC0415

    from fpgaae.models.file_graph import Rounded, evaluate_file  # noqa: PLC0415

    layers = keras.layers
    x = layers.Input((6,))
    drawn = layers.Dense(3, name="drawn")(layers.Lambda(lambda x: x, output_shape=(6,), name="lam")(x))
    z = layers.Dense(3, name="z")(layers.Dropout(0.1)(layers.Dense(4, name="h")(x)))
    encoder = keras.Model(x, [drawn, z], name="encoder")
    features = layers.Input((6,))
    file = tmp_path / f"model{ending}"
    keras.Model(features, encoder(features)).save(file)
    events = np.random.default_rng(0).normal(size=(5, 6))
    found = evaluate_file(file, events, tmp_path, Rounded.ALL)
    kernels = [np.asarray(encoder.get_layer(name).get_weights()[0], dtype=np.float64) for name in ("h", "z")]
    np.testing.assert_allclose(found["encoder/z"], events @ kernels[0] @ kernels[1], atol=1e-6)
