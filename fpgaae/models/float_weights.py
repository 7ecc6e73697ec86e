"""The float network as plain arrays (NumPy only): what the quantized training starts from and calibrates with.

Kernel and bias of each dense layer by name, with any batch normalization folded in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatWeights = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

FOLDED_FILE = "folded.npz"
LOG_VARIANCE_LIMIT = 8.0  # log sigma^2 is kept within +- this
_LINEAR_LAYERS = frozenset({"latent", "mu", "log_variance", "reconstruction"})
_HEADS = frozenset({"mu", "log_variance"})  # both read the encoder's last hidden layer


def save_folded(file: Path, weights: FloatWeights) -> None:
    """Write kernel and bias of each layer."""
    arrays: dict[str, Any] = {}
    for name, (kernel, bias) in weights.items():
        arrays |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    np.savez(file, **arrays)


def load_folded(file: Path) -> FloatWeights:
    """Read what `save_folded` wrote."""
    with np.load(file, allow_pickle=False) as saved:
        names = dict.fromkeys(key.split("/")[0] for key in saved)
        return {name: (saved[f"{name}/kernel"], saved[f"{name}/bias"]) for name in names}


def layer_outputs(
    weights: FloatWeights, layers: Sequence[str], x: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Give each layer's output, hidden ones rectified, for inputs x of shape (n, n_features)."""
    for name in layers:
        kernel, bias = weights[name]
        output = x @ kernel + bias
        if name not in _LINEAR_LAYERS:
            output = np.maximum(output, 0)
        if name == "log_variance":
            output = np.clip(output, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        yield name, output
        if name not in _HEADS:
            x = output
