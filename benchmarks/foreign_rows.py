"""Models by hand, each of a kind that somebody published: small, with random weights, in the format of the original.

Keras is imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.foreign_file import ENCODER, Saved
from tests.onnx_models import dense_model, image_model

_BITS = "quantized_bits(6,0,0,alpha=1)"
_IN, _OUT, _RELU = "quantized_bits(9,4,0,alpha=1)", "quantized_bits(9,4,0,alpha=1)", "quantized_relu(7,3)"
_QUANTIZED = {"kernel_quantizer": _BITS, "bias_quantizer": _BITS}


def _keras(version: int) -> Any:  # noqa: ANN401
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    library = keras if version == 3 else tf_keras
    library.utils.set_random_seed(1)
    return library


def _chain(version: int, shape: tuple[int, ...], *make: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """Build a model of layers one behind the other; each function gets the module of layers."""
    library = _keras(version)
    layers = [one(library.layers) for one in make]
    x = features = library.layers.Input(shape, name="features")
    for layer in layers:
        x = layer(x)
    return library.Model(features, x)


def _save(model: Any, file: Path) -> Path:  # noqa: ANN401
    model.save(file)
    return file


def _dense(units: int, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return lambda layers: layers.Dense(units, **options)


def _layer(kind: str, *values: Any, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return lambda layers: getattr(layers, kind)(*values, **options)


def _q(kind: str, *values: Any, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    """Give a layer of QKeras."""

    def make(_: Any) -> Any:  # noqa: ANN401
        import qkeras  # noqa: PLC0415

        return getattr(qkeras, kind)(*values, **options)

    return make


def _normalized(units: int) -> list[Callable[[Any], Any]]:
    return [_dense(units), _layer("BatchNormalization"), _layer("ReLU")]


def toy_anomaly_detector(folder: Path) -> Saved:
    """Save dense, BatchNormalization, ReLU, five times over, as a benchmark of machine sounds has it."""
    hidden = [one for units in (12, 12, 4, 12, 12) for one in _normalized(units)]
    return Saved(_save(_chain(2, (32,), *hidden, _dense(32)), folder / "ad.h5"), (32,))


def _econ(*front: Callable[[Any], Any], shape: tuple[int, ...] = (8, 8, 1)) -> Any:  # noqa: ANN401
    return _chain(
        2, shape, *front, _q("QActivation", _IN), _q("QConv2D", 4, 3, strides=2, padding="same", **_QUANTIZED),
        _q("QActivation", _RELU), _layer("Flatten"), _q("QDense", 6, **_QUANTIZED), _q("QActivation", _OUT),
    )  # fmt: skip


def front_end_encoder(folder: Path) -> Saved:
    """Save a quantized convolutional encoder of 8 x 8 cells."""
    return Saved(_save(_econ(), folder / "encoder.h5"), (8, 8), config=ENCODER)


def front_end_encoder_with_reshape(folder: Path) -> Saved:
    """Save the same encoder behind a Reshape of flat cells."""
    model = _econ(_layer("Reshape", (8, 8, 1)), shape=(64,))
    return Saved(_save(model, folder / "encoder.keras"), (8, 8), config=ENCODER)


def front_end_encoder_as_json(folder: Path) -> Saved:
    """Save the same as an architecture and its weights, the form that hls4ml takes."""
    model = _econ()
    (folder / "encoder.json").write_text(model.to_json(), encoding="utf-8")
    model.save_weights(folder / "weights.h5")
    return Saved(folder / "encoder.json", (8, 8), {"weights": folder / "weights.h5"}, ENCODER)


def _quantized_with_normalization(folder: Path) -> Path:
    model = _chain(
        2, (24,), _q("QDense", 8, **_QUANTIZED), _layer("BatchNormalization"), _q("QActivation", _RELU),
        _q("QDense", 3, **_QUANTIZED), _layer("BatchNormalization"), _q("QActivation", _RELU),
        _q("QDense", 24, **_QUANTIZED), _q("QActivation", _OUT),
    )  # fmt: skip
    return _save(model, folder / "quantized.h5")


def quantized_with_normalization(folder: Path) -> Saved:
    """Save QKeras without a quantizer behind the input, with BatchNormalization behind every layer."""
    return Saved(_quantized_with_normalization(folder), (24,))


def quantized_anew(folder: Path) -> Saved:
    """Save the same with the widths of the config."""
    return Saved(_quantized_with_normalization(folder), (24,), {"quantize": True})


def fused_quantized(folder: Path) -> Saved:
    """Save QKeras with activations inside its layers, without biases."""
    options = {"kernel_quantizer": _BITS, "use_bias": False}
    model = _chain(
        2, (24,), _q("QActivation", _IN), _q("QDense", 6, activation=_RELU, **options),
        _q("QDense", 24, activation=_OUT, **options),
    )  # fmt: skip
    return Saved(_save(model, folder / "fused.keras"), (24,))


def _with_function(version: int, *behind: Callable[[Any], Any], last: str | None = None) -> Any:  # noqa: ANN401
    return _chain(
        version, (16,), _dense(8), *behind, _dense(3), _dense(8, activation="relu"), _dense(16, activation=last)
    )


def sigmoid_output(folder: Path) -> Saved:
    """Save an autoencoder of Keras 3 that ends in a sigmoid."""
    return Saved(_save(_with_function(3, _layer("ReLU"), last="sigmoid"), folder / "ae.keras"), (16,))


def leaky(folder: Path) -> Saved:
    """Save a model with LeakyReLU of any slope."""
    return Saved(_save(_with_function(2, _layer("LeakyReLU", 0.3)), folder / "ae.h5"), (16,))


def curved(folder: Path) -> Saved:
    """Save a model with tanh and ELU."""
    return Saved(_save(_with_function(3, _layer("ELU", 0.7), last="tanh"), folder / "ae.h5"), (16,))


def softmax_output(folder: Path) -> Saved:
    """Save a softmax, which no table holds."""
    model = _with_function(2, _layer("ReLU"), last="softmax")
    return Saved(_save(model, folder / "ae.h5"), (16,), refusal=r"softmax")


def _variational(version: int, file: Path) -> Path:
    """Save a variational encoder with three outputs, one of them drawn by a Lambda."""
    library = _keras(version)
    layers = library.layers
    features = layers.Input((16,), name="features")
    h = layers.Dense(8, activation="relu", name="h")(features)
    mean, variance = layers.Dense(3, name="z_mean")(h), layers.Dense(3, name="z_log_var")(h)
    z = layers.Lambda(lambda pair: pair[0], output_shape=(3,), name="z")([mean, variance])
    return _save(library.Model(features, [mean, variance, z]), file)


def variational_encoder(folder: Path) -> Saved:
    """Save an encoder with a Lambda, from which nothing is chosen."""
    said = r"lambda-layer in z .*by `--output z_mean` or `--output z_log_var`"
    return Saved(_variational(2, folder / "vae.h5"), (16,), config=ENCODER, refusal=said)


def variational_mean(folder: Path) -> Saved:
    """Save the same up to the mean."""
    return Saved(_variational(3, folder / "vae.keras"), (16,), {"outputs": ("z_mean",)}, ENCODER)


def variational_both(folder: Path) -> Saved:
    """Save the same for a score of mu and log sigma^2."""
    score = {"model": {"kind": "variational", "score": "kl_divergence"}}
    return Saved(_variational(2, folder / "vae.h5"), (16,), {"outputs": ("z_mean", "z_log_var")}, score)


def transposed_image(folder: Path) -> Saved:
    """Save a convolutional autoencoder of images with transposed convolutions and a sigmoid."""
    model = _chain(
        3, (8, 8, 1), _layer("Conv2D", 3, 3, strides=2, padding="same", activation="relu"),
        _layer("Conv2DTranspose", 2, 3, strides=2, padding="same", activation="relu"),
        _layer("Conv2D", 1, 3, padding="same", activation="sigmoid"),
    )  # fmt: skip
    return Saved(_save(model, folder / "images.keras"), (8, 8))


def cropped_image(folder: Path) -> Saved:
    """Save a convolutional autoencoder of images whose side pooling does not divide."""
    model = _chain(
        2, (7, 7, 1), _layer("ZeroPadding2D", ((0, 1), (0, 1))),
        _layer("Conv2D", 3, 3, padding="same", activation="relu"),
        _layer("MaxPooling2D", 2), _layer("UpSampling2D", 2), _layer("Conv2D", 1, 3, padding="same"),
        _layer("Cropping2D", ((0, 1), (0, 1))),
    )  # fmt: skip
    return Saved(_save(model, folder / "images.h5"), (7, 7))


def separable_image(folder: Path) -> Saved:
    """Save depthwise and separable convolutions."""
    model = _chain(
        2, (6, 6, 2), _layer("DepthwiseConv2D", 3, padding="same", activation="relu"), _layer("SeparableConv2D", 2, 3),
        _layer("Flatten"), _dense(4),
    )  # fmt: skip
    return Saved(_save(model, folder / "separable.h5"), (6, 6, 2), config=ENCODER)


def qonnx(folder: Path) -> Saved:
    """Save a dense QONNX file, as Brevitas writes it."""
    return Saved(dense_model(folder / "m.onnx", 12, is_quantized=True, seed=1), (12,))


def onnx_image(folder: Path) -> Saved:
    """Save a float ONNX file of images with channels first, as PyTorch writes it."""
    return Saved(image_model(folder / "m.onnx", is_quantized=False, seed=2), (6, 4, 2))


def saved_model(folder: Path) -> Saved:
    """Save the folder of a SavedModel."""
    model = _chain(2, (16,), *_normalized(8), _dense(3), _dense(16))
    model.save(folder / "saved", save_format="tf")
    return Saved(folder / "saved", (16,))


def exported(folder: Path) -> Saved:
    """Save the folder of an export of Keras 3, which holds operations only."""
    model = _chain(3, (16,), *_normalized(8), _dense(3), _dense(16, activation="sigmoid"))
    model.export(str(folder / "exported"), verbose=False)
    return Saved(folder / "exported", (16,))


def exported_image(folder: Path) -> Saved:
    """Save the export of an autoencoder of images, with transposed convolutions and enlarged pixels."""
    model = _chain(
        3, (8, 8, 1), _layer("Conv2D", 3, 3, strides=2, padding="same", activation="relu"), _layer("MaxPooling2D", 2),
        _layer("Conv2DTranspose", 2, 3, strides=2, padding="same", activation="relu"), _layer("UpSampling2D", 2),
        _layer("Conv2D", 1, 3, padding="same", activation="sigmoid"),
    )  # fmt: skip
    model.export(str(folder / "exported"), verbose=False)
    return Saved(folder / "exported", (8, 8))


def exported_softmax(folder: Path) -> Saved:
    """Save the export of a model with a softmax."""
    model = _chain(3, (16,), _dense(3), _dense(16, activation="softmax"))
    model.export(str(folder / "exported"), verbose=False)
    said = r"the operation \S+/Softmax is a Softmax, which is not read from an export; give the Keras model"
    return Saved(folder / "exported", (16,), refusal=said)


def tflite(folder: Path) -> Saved:
    """Save a TFLite file."""
    (folder / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    return Saved(folder / "m.tflite", (16,), refusal=r"a TFLite model, .* give the Keras model")


def encoder_part(folder: Path) -> Saved:
    """Save an autoencoder cut at its bottleneck."""
    model = _chain(2, (16,), *_normalized(8), *_normalized(3), _dense(8, activation="relu"), _dense(16))
    return Saved(_save(model, folder / "ae.h5"), (16,), {"encoder": True}, ENCODER)


def joined(folder: Path) -> Saved:
    """Save two branches that are joined."""
    library = _keras(2)
    features = library.layers.Input((16,), name="features")
    ends = [library.layers.Dense(4, activation="relu")(features) for _ in range(2)]
    model = library.Model(features, library.layers.Dense(16)(library.layers.Concatenate(name="both")(ends)))
    return Saved(
        _save(model, folder / "m.h5"), (16,), refusal=r"merged-branches in both .*: no target joins two branches"
    )


def identity(folder: Path) -> Saved:
    """Save the identity with biases that are far larger than the weights."""
    model = _chain(2, (16,), _dense(16), _dense(16))
    unit = np.eye(16, dtype=np.float32)
    model.set_weights([0.1 * unit, np.full(16, 20.0), 10 * unit, np.full(16, -200.0)])
    return Saved(_save(model, folder / "identity.h5"), (16,), least_db=30)


def large_biases(folder: Path) -> Saved:
    """Save an encoder whose normalizations fold to biases a hundred times larger than the weights."""
    model = _chain(2, (16,), *_normalized(8), *_normalized(8), _dense(4), _layer("BatchNormalization"))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.__class__.__name__ == "BatchNormalization":
            n = layer.weights[0].shape[0]
            layer.set_weights(
                [rng.uniform(0.5, 1, n), rng.uniform(20, 40, n), rng.normal(size=n), rng.uniform(1, 2, n)]
            )
    return Saved(_save(model, folder / "folded.h5"), (16,), config=ENCODER, least_db=25)


ROWS: Mapping[str, Callable[[Path], Saved]] = {
    row.__name__: row
    for row in (
        toy_anomaly_detector, front_end_encoder, front_end_encoder_with_reshape, front_end_encoder_as_json,
        quantized_with_normalization, quantized_anew, fused_quantized, sigmoid_output, leaky, curved, softmax_output,
        variational_encoder, variational_mean, variational_both, transposed_image, cropped_image, separable_image,
        qonnx, onnx_image, saved_model, exported, exported_image, exported_softmax,
        tflite, encoder_part, joined, identity, large_biases,
    )
}  # fmt: skip
