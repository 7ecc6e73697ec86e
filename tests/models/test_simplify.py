"""A simplified network computes what Keras computes, and its quantizers stand where they must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.models.calibrate import Site, quantizer_sites
from fpgaae.models.description import NetworkDescription
from fpgaae.models.model_file import read_model_file
from fpgaae.models.quantizers import qkeras_text, quantizer_type
from fpgaae.models.simplify import fold_normalization, simplify, without_quantizers

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]


def _chain(*kinds: Callable[[Any], Any]) -> Callable[[], Any]:
    """Describe a model of layers behind an image of 8 x 6 pixels and two channels."""

    def build() -> Any:  # noqa: ANN401
        import keras  # noqa: PLC0415

        x = features = keras.Input((8, 6, 2), name="features")
        for kind in kinds:
            x = kind(keras.layers)(x)
        return keras.Model(features, x)

    return build


def _read(build: Callable[[], Any], folder: Path) -> tuple[Any, NetworkDescription]:
    model, rng = build(), np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # a Normalization takes its weights over
            layer.finalize_state()
    model.save(folder / "model.keras")
    return model, simplify(read_model_file(folder / "model.keras"))


FOLDABLE = {
    "behind": _chain(lambda k: k.Conv2D(3, 3), lambda k: k.BatchNormalization(), lambda k: k.ReLU()),
    "before_conv": _chain(lambda k: k.Conv2D(3, 3, activation="relu"), lambda k: k.BatchNormalization(),
                          lambda k: k.Conv2D(2, (2, 1))),
    "before_dense": _chain(lambda k: k.Conv2D(3, 3, activation="relu"), lambda k: k.BatchNormalization(),
                           lambda k: k.AveragePooling2D((2, 1)), lambda k: k.Dropout(0.5), lambda k: k.Flatten(),
                           lambda k: k.Dense(4)),
    "before_maximum": _chain(lambda k: k.Conv2D(3, 3, activation="relu"), lambda k: k.BatchNormalization(scale=False),
                             lambda k: k.MaxPooling2D(), lambda k: k.Flatten(), lambda k: k.Dense(4)),
    "other_axis": _chain(lambda k: k.BatchNormalization(axis=1), lambda k: k.Dropout(0.5), lambda k: k.Flatten(),
                         lambda k: k.Dense(4)),
    "axis_from_the_end": _chain(lambda k: k.Conv2D(3, 3, activation="relu"), lambda k: k.BatchNormalization(axis=-2),
                                lambda k: k.Flatten(), lambda k: k.Dense(4)),
    "last_axis_by_number": _chain(lambda k: k.Conv2D(3, 3), lambda k: k.BatchNormalization(axis=3)),
    "rescaled": _chain(lambda k: k.Rescaling(1 / 64, offset=-0.5), lambda k: k.Conv2D(3, 3)),
    "rescaled_channels": _chain(lambda k: k.Rescaling([0.5, 2.0], offset=[1.0, 0.0]), lambda k: k.Flatten(),
                                lambda k: k.Dense(4)),
    "normalized": _chain(lambda k: k.Normalization(axis=-1), lambda k: k.Flatten(), lambda k: k.Dense(4)),
    "normalized_as_one": _chain(lambda k: k.Normalization(axis=None), lambda k: k.Conv2D(3, 3)),
    "normalized_by_numbers": _chain(lambda k: k.Normalization(axis=-1, mean=[1.0, 2.0], variance=[4.0, 0.3]),
                                    lambda k: k.Conv2D(3, 3)),
    "two": _chain(lambda k: k.Flatten(), lambda k: k.Dense(4, use_bias=False), lambda k: k.BatchNormalization(),
                  lambda k: k.BatchNormalization(center=False), lambda k: k.Dense(3, activation="relu")),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("build", FOLDABLE.values(), ids=list(FOLDABLE))
def test_batch_normalization_is_folded(build: Callable[[], Any], tmp_path: Path) -> None:
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    model, network = _read(build, tmp_path)
    folded = fold_normalization(network)
    assert not any(layer.kind in {"BatchNormalization", "Normalization", "Rescaling"} for layer in folded.layers)
    x = np.random.default_rng(2).normal(size=(10, 8, 6, 2)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(rebuild(folded).predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_what_can_not_be_folded_is_named(tmp_path: Path) -> None:
    padded = _chain(
        lambda k: k.Conv2D(3, 3, activation="relu"), lambda k: k.BatchNormalization(name="norm"),
        lambda k: k.Conv2D(2, 3, padding="same"),
    )  # fmt: skip
    with pytest.raises(InputError, match="the layer norm can't be folded away"):
        fold_normalization(_read(padded, tmp_path)[1])


@pytest.mark.parametrize("axis", [1, 2, -3])
def test_a_normalization_along_an_image_is_not_folded_into_a_convolution(axis: int, tmp_path: Path) -> None:
    build = _chain(lambda k: k.Conv2D(3, 3), lambda k: k.BatchNormalization(axis=axis, name="norm"), lambda k: k.ReLU())
    with pytest.raises(InputError, match=f"norm can't be folded away: it normalizes along the axis {axis} of"):
        fold_normalization(_read(build, tmp_path)[1])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            lambda k: k.Dense(3, activation="gelu", name="a"),
            "a has the activation 'gelu'.*use relu, linear, or one that",
        ),
        (lambda k: k.ReLU(threshold=1, name="a"), "the layer a is a ReLU with threshold"),
    ],
)
def test_an_activation_without_exact_firmware_is_refused(
    kind: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        _read(_chain(kind), tmp_path)


def test_quantizers_stand_behind_what_computes(tmp_path: Path) -> None:
    build = _chain(
        lambda k: k.Conv2D(3, 3, activation="relu", name="conv"), lambda k: k.AveragePooling2D((3, 1), name="pool"),
        lambda k: k.Flatten(name="flat"), lambda k: k.Dense(2, name="mu"),
    )  # fmt: skip
    network = _read(build, tmp_path)[1]
    assert quantizer_sites(network) == (
        Site("conv", "conv_relu", "conv_relu", False),
        Site("pool", "pool", "pool_quantized", False),  # a mean of what is never negative
        Site("mu", "mu", "mu_quantized", True),
    )


@pytest.mark.slow
def test_the_float_twin_of_a_qkeras_model(tmp_path: Path) -> None:
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QDense  # noqa: PLC0415

    weights = "quantized_bits(16,4,0,alpha=1)"
    x = features = tf_keras.layers.Input((5,), name="features")
    x = QActivation("quantized_bits(16,6,0,alpha=1)", name="inputs")(x)
    x = QDense(4, kernel_quantizer=weights, bias_quantizer=weights, activation="quantized_relu(16,6)", name="a")(x)
    x = QDense(3, kernel_quantizer=weights, use_bias=False, name="b")(x)
    model = tf_keras.Model(features, QActivation("quantized_bits(16,6,0,alpha=1)", name="b_out")(x))
    model.save(tmp_path / "model.h5")
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    network = simplify(read_model_file(tmp_path / "model.h5"))
    twin, tensors = without_quantizers(network)
    assert tensors == {"inputs": "features", "a_relu": "a_relu", "b_out": "b"}
    events = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    np.testing.assert_array_equal(rebuild(network).predict(events, verbose=0), model.predict(events, verbose=0))
    found = rebuild(twin).predict(events, verbose=0)
    assert 0 < np.abs(found - model.predict(events, verbose=0)).max() < 0.05  # off by roundings only


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("quantized_bits(8,3,0,alpha=1)", "quantized_bits(8,3,0,alpha=1)"),
        ("quantized_bits(bits=6, integer=2, symmetric=1, alpha=1.0)", "quantized_bits(6,2,1,alpha=1)"),
        ({"class_name": "quantized_relu", "config": {"bits": 8, "integer": 3, "relu_upper_bound": None}},
         "quantized_relu(8,3)"),
        ("quantized_bits(8,3)", None),
        ("quantized_bits(8,3,0,alpha='auto')", None),
        ("quantized_relu(8,3,negative_slope=0.25)", None),
        ("quantized_po2(4)", None),
        ("__import__('os').system('true')", None),
        ("quantized_bits(8", None),
    ],
)  # fmt: skip
def test_a_quantizer_is_written_as_an_exact_one_or_refused(given: Any, expected: str | None) -> None:  # noqa: ANN401
    if expected is None:
        with pytest.raises(InputError, match="of the layer here has no exact fixed-point form; use quantized_bits"):
            quantizer_type(given, "here")
    else:
        assert qkeras_text(quantizer_type(given, "here")) == expected
