"""Keras 2 and QKeras in double precision, so that what differs is no rounding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fpgaae.models.safe_config import PRECISION


@contextmanager
def double_precision() -> Iterator[None]:
    """Let Keras 2, and QKeras, which takes its precision from there, calculate in double precision.

    QKeras 0.9.0 searches a scale of `alpha="auto_po2"` by 2.0 to the power of a tensor, which TensorFlow takes for one
    of single precision in a graph. TensorFlow is imported when this is called.
    """
    import tensorflow as tf  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415
    from qkeras import quantizers  # noqa: PLC0415

    before, power = tf_keras.backend.floatx(), quantizers.K.pow

    def wide_power(x: Any, exponent: Any) -> Any:  # noqa: ANN401
        return power(tf.cast(x, exponent.dtype) if tf.is_tensor(exponent) else x, exponent)

    tf_keras.backend.set_floatx(PRECISION)
    quantizers.K.pow = wide_power
    try:
        yield
    finally:
        tf_keras.backend.set_floatx(before)
        quantizers.K.pow = power
