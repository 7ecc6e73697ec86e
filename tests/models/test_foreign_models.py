"""Generated models of many shapes are rebuilt as what their files compute, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.model_file import read_model_file
from fpgaae.models.prepare import prepare_network

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]
_INPUTS = FixedPointType(10, 6, True, Rounding.HALF_EVEN, Overflow.SATURATE)
_WEIGHTS = ("quantized_bits(6,1,0,alpha=1)", "quantized_bits(8,0,1,alpha=1)", "quantized_bits(4,2,0,alpha=1)")
# Of the kinds of model, how many a generator makes, and with which library and ending they are saved.
_SAVED = (("3", ".keras"), ("2", ".h5"), ("2", ".keras"), ("3", ".h5"))
_MODELS = [(kind, index) for kind, n in (("float", 26), ("quantized", 5)) for index in range(n)]


class _Builder:
    """Makes one random model: dense or an image, with what published models have between their layers."""

    def __init__(self, kind: str, seed: int, library: Any) -> None:  # noqa: ANN401
        self.rng = np.random.default_rng([seed, kind == "quantized"])
        self.is_quantized, self.library, self.layers = kind == "quantized", library, library.layers

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def of(self, *values: Any) -> Any:  # noqa: ANN401
        return values[int(self.rng.integers(len(values)))]

    def model(self) -> Any:  # noqa: ANN401
        shape = self.of((12,), (6, 2), (4, 3, 1), (3, 2, 2))
        features = self.layers.Input(shape)
        x = self.front(features)
        if len(shape) == 3 and self.chance(0.7):
            x = self.image(x)
        if len(x.shape) > 2:
            x = self.layers.Flatten()(x)
        for _ in range(int(self.rng.integers(1, 3))):
            x = self.behind(self.dense(x, int(self.rng.integers(3, 7))))
        x = self.dense(x, 12)
        return self.library.Model(features, self.end(x, shape))

    def front(self, x: Any) -> Any:  # noqa: ANN401
        if self.is_quantized:
            return self.quantizer(x, self.of("quantized_bits(9,4,0,alpha=1)", "quantized_bits(7,3,1,alpha=1)"))
        if self.chance(0.3):
            x = self.layers.Rescaling(float(self.of(0.25, 0.1, -1.5)), offset=float(self.of(0, 0.5)))(x)
        if self.chance(0.3):
            x = self.layers.BatchNormalization(center=self.chance(0.5))(x)
        return x

    def quantizer(self, x: Any, text: str) -> Any:  # noqa: ANN401
        from qkeras import QActivation  # noqa: PLC0415

        return QActivation(text)(x)

    def weighted(self, kind: str, *sizes: Any, **options: Any) -> Any:  # noqa: ANN401
        options |= {"use_bias": self.chance(0.7)}
        if not self.is_quantized:
            return getattr(self.layers, kind)(*sizes, activation=self.of(None, "relu", "linear"), **options)
        import qkeras  # noqa: PLC0415

        weights = self.of(*_WEIGHTS)
        inside = self.of(None, "quantized_relu(6,2)", "quantized_bits(8,3,0,alpha=1)")
        options |= {"kernel_quantizer": weights, "bias_quantizer": self.of(*_WEIGHTS), "activation": inside}
        return getattr(qkeras, f"Q{kind}")(*sizes, **options)

    def dense(self, x: Any, units: int) -> Any:  # noqa: ANN401
        return self.weighted("Dense", units)(x)

    def image(self, x: Any) -> Any:  # noqa: ANN401
        if self.chance(0.4):
            x = self.layers.ZeroPadding2D(((1, 0), (0, 1)))(x)
        window, padding = self.of((2, 2), (1, 2), 2), self.of("same", "valid")
        x = self.behind(self.weighted("Conv2D", 3, window, strides=self.of(1, (1, 2)), padding=padding)(x))
        x = self.of(
            self.layers.MaxPooling2D((1, 1)), self.layers.AveragePooling2D((2, 1), padding="same"),
            self.layers.UpSampling2D((1, 2)), self.layers.Activation("linear"),
        )(x)  # fmt: skip
        return self.quantizer(x, "quantized_bits(9,4,0,alpha=1)") if self.is_quantized else x

    def behind(self, x: Any) -> Any:  # noqa: ANN401
        """Put behind a layer what stands there in published models."""
        if self.is_quantized:
            return self.quantizer(x, self.of("quantized_relu(7,3)", "quantized_bits(8,3,0,alpha=1)"))
        if self.chance(0.5):
            x = self.layers.BatchNormalization(axis=-1, scale=self.chance(0.5), epsilon=0.01)(x)
        if self.chance(0.4):
            x = self.of(self.layers.ReLU(), self.layers.Activation("relu"))(x)
        return self.layers.Dropout(0.2)(x) if self.chance(0.3) else x

    def end(self, x: Any, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        if self.is_quantized:
            return self.quantizer(x, "quantized_bits(9,4,0,alpha=1)")
        if self.chance(0.3) and len(shape) > 1:
            x = self.layers.Reshape(shape)(x)
        return self.layers.Activation("linear")(x) if self.chance(0.2) else x


@pytest.mark.parametrize(("kind", "index"), _MODELS, ids=[f"{kind}-{index}" for kind, index in _MODELS])
def test_a_generated_model_is_rebuilt_as_its_file(kind: str, index: int, tmp_path: Path) -> None:
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.file_graph import Rounded, evaluate_file  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    version, ending = ("2", _SAVED[index % 2 + 1][1]) if kind == "quantized" else _SAVED[index % len(_SAVED)]
    model = _Builder(kind, index, keras if version == "3" else tf_keras).model()
    rng = np.random.default_rng(index)
    model.set_weights([rng.uniform(0.2, 1.3, w.shape) * rng.choice([1, -1], w.shape) ** (w.ndim > 1)
                       for w in model.get_weights()])  # fmt: skip
    model.save(tmp_path / f"model{ending}")
    given = read_model_file(tmp_path / f"model{ending}")

    def evaluate(file: Path, x: Any, rounded: Any) -> Any:  # noqa: ANN401
        return {mode: evaluate_file(file, x, tmp_path, mode) for mode in rounded}

    try:
        prepared = prepare_network(given, _INPUTS, quantize=False)
    except InputError as error:  # where a normalization stands at a place at which it can't be folded
        if "can't be folded away" not in str(error):
            raise
        return
    found = check_prepared(tmp_path / f"model{ending}", given, prepared, rng.normal(size=(16, 12)), evaluate)
    assert found.largest <= 1e-7 * max(found.magnitude, 1)  # Keras 3 rounds the numbers of a Rescaling to float32
    x = rng.normal(size=(8, *given.input_shape)).astype(np.float32)
    own = evaluate(tmp_path / f"model{ending}", x, [Rounded.ALL])
    last = list(own[Rounded.ALL].values())[-1]
    np.testing.assert_allclose(np.asarray(model(x)).reshape(last.shape), last, rtol=1e-3, atol=1e-3 * found.magnitude)
