"""Transposed convolutions and cropping: what is made of them computes what Keras does."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Tensor
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.layers.spread import Spread
from fpgaae.models.architecture import describe_model
from fpgaae.models.simplify import simplify


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.filterwarnings("ignore")
def test_every_kernel_stride_and_padding_is_that_of_keras() -> None:
    """One model of all of them beside each other, so that Keras builds it once."""
    import tf_keras  # noqa: PLC0415
    from tf_keras import layers  # noqa: PLC0415

    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    rng = np.random.default_rng(0)
    image, line = layers.Input((3, 4, 2), name="image"), layers.Input((5, 2), name="line")
    for size, strides, padding in product((1, 2, 3, 4, (3, 2)), (1, 2, 3, (2, 1)), ("same", "valid")):
        is_line = not isinstance(size, tuple) and not isinstance(strides, tuple)
        kinds: list[tuple[Any, Any, Any]] = [(image, layers.Conv2DTranspose, layers.Cropping2D(((0, 1), (1, 0))))]
        kinds += [(line, layers.Conv1DTranspose, layers.Cropping1D((1, 0)))] if is_line else []
        for features, kind, crop in kinds:
            x = kind(2, size, strides=strides, padding=padding, name="it")(features)
            model = tf_keras.Model(features, crop(x))
            model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
            events = rng.normal(size=(2, *features.shape[1:])).astype(np.float32)
            described = simplify(describe_model(model))
            assert [layer.kind for layer in described.layers][1::2] == ["Spread", "Spread"]
            expected = np.asarray(model(events))
            found = np.asarray(rebuild(described)(events))
            np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=f"{size} {strides} {padding}")


def test_pixels_are_moved_apart_and_cropped() -> None:
    source = Input("x", (), 6, FixedPointType(4, 4), (2, 3, 1))
    layer = Spread.of("s", source, (2, 1), (1, 0, -1, 2))
    found = layer.run([Tensor(np.arange(1, 7)[None], 0)]).codes.reshape(layer.shape)
    assert found[..., 0].tolist() == [[0, 0, 0, 0], [2, 3, 0, 0], [0, 0, 0, 0], [5, 6, 0, 0]]
    assert Spread.read(layer.entry(), {}) == layer
    with pytest.raises(InputError, match="the layer s leaves nothing of its input of 2 x 3; crop less of it"):
        Spread.of("s", source, (1, 1), (-1, -1, 0, 0))
    with pytest.raises(InputError, match="the input of the layer s is no image; put a Reshape in front of it"):
        Spread.of("s", Input("x", (), 6, FixedPointType(4, 4)), (1, 1), (0, 0, 0, 0))
